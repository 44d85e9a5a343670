"""``gateway witness`` among visitors who say nothing."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.audit import Signer
from gateway.audit.witness_service import WitnessService
from gateway.cli import witnessing
from tests.crowd import ended
from tests.waiting import PATIENCE, until

HALF = b"GET /newest HTTP/1.1\r\nX-Half: "


def visit(tmp_path, many, judge):
    """Run a witness with so many visitors who say half a head, and judge it meanwhile."""

    async def run():
        service = WitnessService(tmp_path / "heads", [Signer("clinic", Ed25519PrivateKey.generate()).public_key])
        told = asyncio.get_running_loop().create_future()
        serving = asyncio.create_task(witnessing.serve(service, "127.0.0.1", 0, None, told.set_result))
        number = int((await asyncio.wait_for(told, PATIENCE)).rpartition(":")[2])
        address = ("127.0.0.1", number)
        peers = [await asyncio.to_thread(socket.create_connection, address, PATIENCE) for _ in range(many)]
        try:
            for peer in peers:
                peer.sendall(HALF)
                peer.setblocking(False)
            await judge(number, peers)
        finally:
            for peer in peers:
                peer.close()
            serving.cancel()
            with suppress(asyncio.CancelledError):
                await serving
            await asyncio.sleep(0.05)

    asyncio.run(run())


def test_silent_visitors_keep_nobody_out(tmp_path, monkeypatch):
    """Whoever says nothing goes when more come than there may be, and a gateway's question is answered."""
    monkeypatch.setattr(witnessing, "MOST", 4)
    monkeypatch.setattr(witnessing, "VISIT_SECONDS", 10 * PATIENCE)

    async def judge(number, peers):
        reader, writer = await asyncio.open_connection("127.0.0.1", number)
        writer.write(b"GET /newest?origin=x HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = await asyncio.wait_for(reader.read(), PATIENCE)
        assert answer.startswith(b"HTTP/1.1 404")
        writer.close()
        await until(lambda: sum(map(ended, peers)) >= 16)

    visit(tmp_path, 20, judge)


def test_a_visit_ends(tmp_path, monkeypatch):
    """A visitor who says half a head and no more is cut off in time."""
    monkeypatch.setattr(witnessing, "VISIT_SECONDS", 0.3)

    async def judge(number, peers):
        del number
        await until(lambda: all(map(ended, peers)))

    visit(tmp_path, 3, judge)
