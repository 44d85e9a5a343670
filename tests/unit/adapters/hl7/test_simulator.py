"""The simulated practice: the same day from the same seed, and a sender that loses nothing."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import re

from gateway.wire.hl7_header import acknowledge, peek
from gateway.wire.mllp import Decoder, encode
from gateway_hl7.simulator import SIMULATORS, clinic_day, send_day
from tests.waiting import PATIENCE


def test_a_day_is_drawn_from_its_seed():
    """Equal seeds give equal bytes, other seeds other people; control ids never repeat."""
    day = clinic_day(7)
    assert day == clinic_day(7) != clinic_day(8)
    ids = [peek(message).control_id for message in (*day, *clinic_day(8))]
    assert len(set(ids)) == len(ids)


def test_a_day_holds_every_kind_of_event():
    """Registrations, bookings, arrivals, cancellations, no-shows and a merge happen."""
    assert {peek(message).kind for message in clinic_day()} == {
        "ADT^A04", "ADT^A40", "SIU^S12", "SIU^S14", "SIU^S15", "SIU^S26",
    }  # fmt: skip


def test_times_of_messages_only_grow():
    """MSH-7 orders the messages as they are sent, so that none is stale."""
    times = [peek(message).field(7) for message in clinic_day()]
    assert times == sorted(times)


def test_the_sender_sends_again_until_it_is_answered():
    """A lost connection, a silence and another's answer make it send the same message again."""
    received: list[str] = []

    async def serve(reader, writer):
        decoder = Decoder(1 << 20)
        tries = 0
        while tries != 1 and (data := await reader.read(65536)):
            for frame in decoder.feed(data):
                header = peek(frame)
                received.append(header.control_id)
                tries = received.count(header.control_id)
                if tries == 1:
                    break
                if tries == 3:
                    writer.write(encode(acknowledge(header._replace(fields=(b"MSH",)), "AA", "other")))
                    writer.write(encode(acknowledge(header, "AA", "own")))
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    async def run():
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server:
            return await send_day("127.0.0.1", port, clinic_day()[:1], timeout=0.1)

    assert asyncio.run(run()) == 1
    assert len(received) == 3
    assert len(set(received)) == 1


def test_after_an_upgrade_everybody_is_sent_anew():
    """At the event ``drift`` each registration comes once more, later than all before, with another form of date."""
    system, received = copy.copy(SIMULATORS[0]), []
    day = len(clinic_day(1, patients=3, visits=6))

    async def answer(reader, writer):
        decoder = Decoder(1 << 20)
        while data := await reader.read(65536):
            for frame in decoder.feed(data):
                received.append(frame)
                writer.write(encode(acknowledge(peek(frame), "AA", "own")))
            if len(received) == day:
                system.happen("drift")
            if len(received) == day + 3:
                over.set()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        if over.is_set():
            hung_up.set()

    async def run():
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        serving = asyncio.create_task(
            system.serve(host="127.0.0.1", port=port, seed=1, clinic_size=3, faults=(), opened=lambda _: None)
        )
        async with server:
            await over.wait()
            await hung_up.wait()
        serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving

    over, hung_up = asyncio.Event(), asyncio.Event()
    asyncio.run(asyncio.wait_for(run(), PATIENCE))
    anew = received[day:]
    assert [peek(one).kind for one in anew] == ["ADT^A08"] * 3
    assert all(re.search(rb"\|\d\d/\d\d/\d{4}\|", one) for one in anew)
    assert min(peek(one).field(7) for one in anew) > max(peek(one).field(7) for one in received[:day])
