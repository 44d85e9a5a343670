"""A listening port judges a connection before anything is read of it, and few may stand in its door."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl

import pytest

from gateway.transport import listener
from gateway.transport.listener import Listener, bind
from tests.crowd import ended, leave, peers
from tests.waiting import until

OPEN = set()
"""Our ends of the connections."""


@pytest.fixture(autouse=True)
def _none_left():
    yield
    leave()


class Echo(asyncio.Protocol):
    """Says what it hears."""

    def connection_made(self, transport):
        self.transport = transport
        OPEN.add(self)

    def connection_lost(self, exc):
        OPEN.discard(self)

    def data_received(self, data):
        self.transport.write(data)


async def closed(listening):
    """Nobody listens, and nobody is connected."""
    listening.close()
    for one in tuple(OPEN):
        one.transport.abort()
    await until(lambda: not OPEN)


def opened(admits=lambda peer, descriptor: True, **given):
    return Listener(bind("127.0.0.1", 0), Echo, admits, backlog=64, **given)


def test_who_is_not_admitted_is_not_heard():
    """A peer that may not come in is hung up on; the next one is served."""
    answers = iter([False, True])

    async def run():
        listening = opened(lambda peer, descriptor: next(answers))
        refused, welcome = peers(listening.port, 2)
        await until(lambda: ended(refused))
        welcome.sendall(b"x")
        assert await asyncio.get_running_loop().sock_recv(welcome, 1) == b"x"
        listening.close()
        await closed(listening)

    asyncio.run(run())


def test_few_may_stand_in_the_door(monkeypatch):
    """Of peers that do not agree on TLS the oldest go when there are too many, and the last when their time is over."""
    monkeypatch.setattr(listener, "BEGINNING", 3)

    async def run():
        listening = opened(ssl=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), handshake=1.0)
        begun = asyncio.get_running_loop().time()
        crowd = peers(listening.port, 12)
        await until(lambda: sum(map(ended, crowd)) >= 9)
        assert asyncio.get_running_loop().time() - begun >= 1.0 or not all(map(ended, crowd))
        await until(lambda: all(map(ended, crowd)))
        assert asyncio.get_running_loop().time() - begun >= 1.0
        await closed(listening)

    asyncio.run(run())


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE])
def test_without_a_descriptor_it_rests(code, monkeypatch):
    """Where the system has none left nothing spins: the port rests, and serves whoever waited."""
    monkeypatch.setattr(listener, "_REST", 0.2)
    tried = []

    class Full(socket.socket):
        """A listening socket of a system without room, twice."""

        def accept(self):
            tried.append(1)
            if len(tried) <= 2:
                raise OSError(code, "full")
            return super().accept()

    async def run():
        (one,) = bind("127.0.0.1", 0)
        full = Full(one.family, one.type, one.proto, fileno=one.detach())
        listening = Listener([full], Echo, lambda peer, descriptor: True, backlog=8)
        (peer,) = peers(listening.port, 1)
        peer.sendall(b"x")
        begun = asyncio.get_running_loop().time()
        assert await asyncio.get_running_loop().sock_recv(peer, 1) == b"x"
        assert asyncio.get_running_loop().time() - begun >= 0.35
        await closed(listening)

    asyncio.run(run())
    assert len(tried) < 10


def test_every_address_of_a_name_has_the_same_port():
    """A name of several addresses is listened to on all that this machine has."""
    sockets = bind("localhost", 0)
    assert len({one.getsockname()[1] for one in sockets}) == 1
    with pytest.raises(OSError, match=r"."):
        bind("192.0.2.1", 0)
    for one in sockets:
        one.close()
