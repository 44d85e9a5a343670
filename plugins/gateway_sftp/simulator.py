"""A partner's SFTP mailbox on loopback, as ``gateway simulate sftp`` runs it: a real server over its own folder."""

from __future__ import annotations

import asyncio
import secrets
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import cast

from gateway.testing.sftp_server import Fault, SftpServer

_ALWAYS = 1_000_000_000


class _Partner:
    """The mailbox, with a new password and host key at each start."""

    name = "sftp"
    summary = "A partner's SFTP mailbox that files are put into."
    faults: Mapping[str, str] = {
        "cut": "ends the connection in the middle of a file",
        "stall": "stops answering",
        "refuse": "refuses the right password",
        "deny-rename": "lets files be written, not renamed",
    }

    async def serve(
        self, *, host: str, port: int, seed: int, clinic_size: int, faults: Sequence[str],
        opened: Callable[[Mapping[str, str]], None],
    ) -> None:  # fmt: skip
        """Serve until cancelled; a fault that is named shows itself all the time."""
        del seed, clinic_size  # whoever sends brings the records
        password = secrets.token_urlsafe(24)
        with tempfile.TemporaryDirectory(prefix="mailbox-") as place:
            folder = Path(place)
            (folder / "inbound").mkdir()
            server = SftpServer(folder, {"clinic": password})
            for fault in faults:
                server.fail(cast("Fault", fault), _ALWAYS)
            try:
                await server.start(host, port)
                opened(
                    {
                        "account.host": host, "account.port": str(server.port), "account.user": "clinic",
                        "account.password": password, "account.host_keys": server.host_key, "folder": "inbound",
                    }
                )  # fmt: skip
                await asyncio.Event().wait()
            finally:
                await server.stop()


SIMULATORS = (_Partner(),)
