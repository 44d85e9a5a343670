"""The MLLP server over real sockets on loopback: order, bounds, time-outs, and how it ends."""

from __future__ import annotations

import asyncio
import ipaddress
from contextlib import asynccontextmanager

import pytest

from gateway.errors import InvalidConfiguration
from gateway.transport.mllp import MllpServer
from gateway.transport.mllp_limits import Limits
from gateway.wire.mllp import encode
from tests.waiting import PATIENCE, until


class Desk:
    """Keeps every frame with its reply, to be answered when and in what order a test wants."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.replies = []

    def receive(self, frame, reply):
        self.frames.append(frame)
        self.replies.append(reply)


def echo(frame, reply):
    reply(b"ok " + frame)


@asynccontextmanager
async def serving(handler, oversized=echo, **limits):
    server = MllpServer("127.0.0.1", 0, handler, oversized=oversized, limits=Limits(**limits))
    await server.start()
    try:
        yield server
    finally:
        await server.close(grace=0.2)


@asynccontextmanager
async def client(server):
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def answers(reader, count: int) -> list[bytes]:
    async with asyncio.timeout(PATIENCE):
        return [(await reader.readuntil(b"\x1c\r"))[1:-2] for _ in range(count)]


def test_answers_keep_the_order_of_arrival():
    """Answers that are ready out of order leave in the order their frames came."""

    async def run():
        desk = Desk()
        async with serving(desk.receive) as server, client(server) as (reader, writer):
            writer.write(encode(b"1") + encode(b"2") + encode(b"3"))
            await until(lambda: len(desk.frames) == 3)
            for number in (2, 0, 1):
                desk.replies[number](b"ack" + desk.frames[number])
            assert await answers(reader, 3) == [b"ack1", b"ack2", b"ack3"]

    asyncio.run(run())


def test_frames_split_at_every_byte_are_answered():
    """A sender that dribbles byte by byte is served like any other."""

    async def run():
        async with serving(echo) as server, client(server) as (reader, writer):
            for byte in encode(b"a\x1cb"):
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(0)
            assert await answers(reader, 1) == [b"ok a\x1cb"]

    asyncio.run(run())


def test_frames_in_flight_are_bounded():
    """A peer that does not wait for answers is read only as far as the limit, and loses nothing."""

    async def run():
        desk = Desk()
        async with serving(desk.receive, in_flight=4) as server, client(server) as (reader, writer):
            writer.write(b"".join(encode(b"%d" % number) for number in range(20)))
            await until(lambda: len(desk.frames) == 4)
            await asyncio.sleep(0.05)
            assert len(desk.frames) == 4
            for number in range(20):
                await until(lambda number=number: len(desk.frames) > number)
                desk.replies[number](desk.frames[number])
            assert await answers(reader, 20) == [b"%d" % number for number in range(20)]

    asyncio.run(run())


def test_a_frame_without_answer_does_not_hold_the_next():
    """An empty reply settles its frame; the answers after it go out."""

    async def run():
        def muted(frame, reply):
            reply(b"" if frame == b"mute" else frame)

        async with serving(muted) as server, client(server) as (reader, writer):
            writer.write(encode(b"mute") + encode(b"a"))
            assert await answers(reader, 1) == [b"a"]

    asyncio.run(run())


def test_hanging_up_is_an_answer():
    """A handler that cannot store hangs up, so that the sender keeps its message."""

    async def run():
        async with serving(lambda _, reply: reply(None)) as server, client(server) as (reader, writer):
            writer.write(encode(b"a"))
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await answers(reader, 1)

    asyncio.run(run())


def test_oversized_frames_are_refused_and_the_next_is_served():
    """A frame above the limit is handed over as its head, and the connection goes on."""

    async def run():
        def refuse(head, reply):
            reply(b"too long: %d" % len(head))

        async with serving(echo, refuse, frame=100) as server, client(server) as (reader, writer):
            writer.write(encode(b"x" * 5000) + encode(b"a"))
            assert await answers(reader, 2) == [b"too long: 100", b"ok a"]
            assert (server.counts.oversized, server.counts.frames) == (1, 1)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("sent", "limits"),
    [(b"", {"idle": 0.1}), (b"\x0bMSH|", {"slow": 0.1}), (b"GET / HTTP/1.1\r\n" * 100, {"junk": 1000})],
    ids=["idle", "slow", "not-mllp"],
)
def test_peers_that_waste_a_connection_are_cut_off(sent, limits):
    """Silence, a frame that does not end, and bytes that are no MLLP each end the connection."""

    async def run():
        async with serving(echo, **limits) as server, client(server) as (reader, writer):
            writer.write(sent)
            async with asyncio.timeout(PATIENCE):
                with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                    await reader.readexactly(1)
            await until(lambda: not server.connections)

    asyncio.run(run())


def test_waiting_for_our_answer_is_not_idleness():
    """A peer is not cut off while it is us who owe an answer."""

    async def run():
        desk = Desk()
        async with serving(desk.receive, idle=0.2, slow=0.2) as server, client(server) as (reader, writer):
            writer.write(encode(b"a"))
            await until(lambda: desk.frames)
            await asyncio.sleep(0.6)
            desk.replies[0](b"late")
            assert await answers(reader, 1) == [b"late"]

    asyncio.run(run())


def test_a_peer_that_reads_no_answers_is_not_read():
    """Unsent answers stop the reading of that peer, whose memory use stays bounded, and no one else's."""

    async def run():
        def long_answer(frame, reply):
            seen.append(frame)
            reply(b"y" * 50_000)

        seen: list[bytes] = []
        async with serving(long_answer) as server, client(server) as (_, deaf):
            deaf.write(encode(b"x") * 5000)
            await asyncio.sleep(0.3)
            assert len(seen) < 500
            async with client(server) as (reader, writer):
                writer.write(encode(b"x"))
                assert await answers(reader, 1) == [b"y" * 50_000]

    asyncio.run(run())


def test_connections_are_bounded():
    """One connection too many is closed at once and counted."""

    async def run():
        async with serving(echo, connections=1) as server, client(server) as (reader, writer):
            writer.write(encode(b"a"))
            await answers(reader, 1)
            async with client(server) as (other, _):
                with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                    await other.readexactly(1)
            assert server.counts.refused == 1

    asyncio.run(run())


def test_half_closed_peer_gets_its_answers():
    """A sender that shuts its side after the last message still reads the answer."""

    async def run():
        desk = Desk()
        async with serving(desk.receive) as server, client(server) as (reader, writer):
            writer.write(encode(b"a"))
            writer.write_eof()
            await until(lambda: desk.frames)
            await asyncio.sleep(0.02)
            desk.replies[0](b"ack")
            assert await answers(reader, 1) == [b"ack"]
            assert await reader.read() == b""

    asyncio.run(run())


def test_closing_sends_what_is_owed():
    """A server that closes reads no more, sends the answers still owed, and then disconnects."""

    async def run():
        desk = Desk()
        async with serving(desk.receive) as server, client(server) as (reader, writer):
            writer.write(encode(b"a"))
            await until(lambda: desk.frames)
            closing = asyncio.create_task(server.close(grace=PATIENCE))
            await asyncio.sleep(0.02)
            writer.write(encode(b"b"))
            desk.replies[0](b"ack")
            await closing
            assert await answers(reader, 1) == [b"ack"]
            assert desk.frames == [b"a"]

    asyncio.run(run())


def test_answer_after_the_connection_is_lost_harms_nobody():
    """A receipt that comes too late is dropped: the sender will ask again."""

    async def run():
        desk = Desk()
        async with serving(desk.receive) as server:
            async with client(server) as (_, writer):
                writer.write(encode(b"a"))
                await until(lambda: desk.frames)
            desk.replies[0](b"late")
            await until(lambda: not server.connections)

    asyncio.run(run())


def test_plaintext_needs_loopback_or_listed_networks():
    """Without TLS an outside address needs listed networks, and a standing warning says so."""
    with pytest.raises(InvalidConfiguration):
        MllpServer("0.0.0.0", 0, echo, oversized=echo)
    networks = [ipaddress.ip_network("10.1.0.0/16")]
    server = MllpServer("0.0.0.0", 0, echo, oversized=echo, plaintext_networks=networks)
    assert len(server.warnings) == 1
    peers = ("127.0.0.1", "10.1.2.3", "10.2.0.1", "::ffff:10.1.0.9", "::1")
    assert [server.admits((peer, 1), 9) for peer in peers] == [True, True, False, True, True]
    assert MllpServer("127.0.0.1", 0, echo, oversized=echo).warnings == ()


def test_an_address_in_use_is_told_in_words():
    """A port that is taken is a matter of configuration, told with its cure."""

    async def run():
        async with serving(echo) as server:
            with pytest.raises(InvalidConfiguration) as caught:
                await MllpServer("127.0.0.1", server.port, echo, oversized=echo).start()
            assert caught.value.fix

    asyncio.run(run())
