"""What ``gateway serve`` promises when it says that it is ready."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from benchmarks import house
from gateway import bootstrap
from gateway.transport.mllp import MllpServer
from tests.waiting import PATIENCE


def test_ready_is_said_once_peers_can_connect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long a listener takes to open its port, nobody is told to come before it is open."""
    listening: list[MllpServer] = []
    starts = MllpServer.start

    async def slow(self: MllpServer) -> None:
        await asyncio.sleep(0.3)
        await starts(self)
        listening.append(self)

    monkeypatch.setattr(MllpServer, "start", slow)

    async def connected() -> bool:
        with house.opened(tmp_path) as gateway:
            ready = asyncio.Event()
            serving = asyncio.create_task(bootstrap.serve(gateway, frozenset({"intake"}), ready.set))
            try:
                await asyncio.wait_for(ready.wait(), PATIENCE)
                _, writer = await asyncio.open_connection("127.0.0.1", listening[0].port)
                writer.close()
            finally:
                serving.cancel()
                await asyncio.wait({serving})
        return True

    assert asyncio.run(connected())
