"""A mailbox on loopback for the tests of what speaks SFTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from gateway.testing.sftp_server import SftpServer
from gateway.transport.sftp import SftpAccount
from tests.waiting import PATIENCE


@asynccontextmanager
async def mailbox(folder: Path, **settings: object) -> AsyncIterator[tuple[SftpServer, SftpAccount]]:
    """A running server for a folder, and the account that reaches it."""
    folder.mkdir(exist_ok=True)
    secret = folder.parent / "password"
    secret.write_text("right")
    server = SftpServer(folder, {"clinic": "right"})
    await server.start()
    known = {
        "host": "127.0.0.1", "port": server.port, "user": "clinic", "host_keys": [server.host_key],
        "password": f"file:{secret}", "timeout_seconds": PATIENCE,
    }  # fmt: skip
    try:
        yield server, SftpAccount.model_validate(known | settings)
    finally:
        await server.stop()
