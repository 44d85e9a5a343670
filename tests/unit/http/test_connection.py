"""Peers that keep a port waiting: silent, half a head, answers that nobody reads; and who goes when room is short."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest

from gateway.http import connection
from gateway.http.server import Server, _bound
from tests.crowd import ended, leave, peers
from tests.waiting import PATIENCE, until

HEAD = b"GET / HTTP/1.1\r\nHost: x\r\nX-Half: "
WHOLE = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
LARGE = 16 * 2**20
"""More than the system keeps for a peer that does not read."""


@pytest.fixture(autouse=True)
def _none_left():
    yield
    leave()


async def answer(scope, receive, send):
    """Answer with as many bytes as the path says."""
    body = bytes(int(scope["path"].strip("/") or 0))
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body, "more_body": True})
    await send({"type": "http.response.body"})


@asynccontextmanager
async def port(most=100):
    """A port that answers; its server, to look into."""
    import uvicorn

    config = uvicorn.Config(
        answer, loop="none", http="h11", ws="none", lifespan="off", log_config=None, access_log=False, backlog=256,
        timeout_keep_alive=60,
    )  # fmt: skip
    opened = asyncio.Event()
    sockets = _bound("127.0.0.1", 0)
    server = Server(config, None, most, opened.set)
    serving = asyncio.create_task(server.serve(sockets=sockets))
    await asyncio.wait_for(opened.wait(), PATIENCE)
    server.number = sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        server.should_exit = True
        await serving


async def honest(number):
    """The status line that an honest peer gets."""
    reader, writer = await asyncio.open_connection("127.0.0.1", number)
    writer.write(WHOLE)
    try:
        return await asyncio.wait_for(reader.readline(), PATIENCE)
    finally:
        writer.close()


@pytest.mark.parametrize("said", [b"", HEAD, WHOLE + HEAD], ids=["silent", "half-a-head", "half-a-second-head"])
def test_a_head_has_its_time(said, monkeypatch):
    """Whoever says nothing, or begins a head and does not end it, is cut off; before that nobody is."""
    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.3)

    async def run():
        async with port() as server:
            (peer,) = peers(server.number, 1, said)
            begun = asyncio.get_running_loop().time()
            if said.startswith(WHOLE):
                await until(lambda: server.server_state.total_requests)
                peer.recv(1000)
                peer.sendall(b"x")
            await until(lambda: ended(peer))
            assert asyncio.get_running_loop().time() - begun >= 0.3

    asyncio.run(run())


def test_an_answer_that_nobody_reads_is_given_up(monkeypatch):
    """Neither the request nor its connection outlives the time an answer may lie unread."""
    monkeypatch.setattr(connection, "UNREAD_SECONDS", 0.3)

    async def run():
        async with port() as server:
            peers(server.number, 1, b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % LARGE)
            await until(lambda: server.server_state.tasks)
            await until(lambda: not server.server_state.tasks and not server.server_state.connections)

    asyncio.run(run())


def test_silent_peers_keep_nobody_out(monkeypatch):
    """Beyond the most a port takes, the peer that stands there longest goes, and an honest one is answered."""
    monkeypatch.setattr(connection, "HEAD_SECONDS", 10 * PATIENCE)

    async def run():
        async with port(most=5) as server:
            crowd = peers(server.number, 20, HEAD)
            assert (await honest(server.number)).startswith(b"HTTP/1.1 200")
            await until(lambda: sum(map(ended, crowd)) >= 15)

    asyncio.run(run())


def test_silent_peers_leave_descriptors_to_the_rest(monkeypatch):
    """A crowd that stands in the reserve of descriptors is thinned out until it does not, however often it comes."""
    monkeypatch.setattr(connection, "HEAD_SECONDS", 10 * PATIENCE)
    asked = []

    async def run():
        async with port() as server:
            # As a system has it that gives out the lowest number: the reserve is met, and then not, for one has gone.
            monkeypatch.setattr(
                connection, "is_reserved",
                lambda _: asked.append(1) or (len(server.server_state.connections) >= 30 and len(asked) % 2),
            )  # fmt: skip
            for _ in range(10):
                peers(server.number, 10, HEAD)
            await until(lambda: len(asked) == 100)
            assert (await honest(server.number)).startswith(b"HTTP/1.1 200")
            assert len(server.server_state.connections) < 60

    asyncio.run(run())
