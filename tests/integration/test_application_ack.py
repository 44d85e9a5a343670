"""Enhanced mode end to end: CA once a message is stored, AA or AE once its content was read."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from benchmarks import house
from gateway import bootstrap
from gateway.testing.ports import free_port
from gateway.wire.mllp import encode
from tests.waiting import PATIENCE

HEADER = b"MSH|^~\\&|APP|NORTH|GW|HUB|20260302080000||SIU^S12|%s|P|2.5.1|||AL|AL\r"
PID = b"PID|1||7^^^A^MR||Miller^Ann\r"
GOOD = HEADER % b"1" + b"SCH|P1|V1|||||||||^^30^20260302090000^20260302093000\r" + PID
BAD = HEADER % b"2" + b"SCH|P2|V2|||||||||^^30^at nine^20260302093000\r" + PID


async def conversation(port: int, *messages: bytes) -> list[bytes]:
    """Both acknowledgements of each message, one message after the other."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    heard = []
    for message in messages:
        writer.write(encode(message))
        heard += [await asyncio.wait_for(reader.readuntil(b"\x1c\r"), PATIENCE) for _ in range(2)]
    writer.close()
    return heard


@pytest.mark.parametrize("again", [False, True])
def test_the_sender_hears_of_storing_and_of_reading(tmp_path: Path, again: bool) -> None:
    """CA then AA for what was read, CA then AE with the place for what waits in quarantine; a repeat hears the same."""
    port = free_port()

    async def run() -> list[bytes]:
        with house.opened(tmp_path, port, 'acknowledgement = "enhanced"') as gateway:
            ready = asyncio.Event()
            serving = asyncio.create_task(bootstrap.serve(gateway, frozenset({"intake", "worker"}), ready.set))
            try:
                await asyncio.wait_for(ready.wait(), PATIENCE)
                heard = await conversation(port, GOOD, BAD)
                return await conversation(port, GOOD, BAD) if again else heard
            finally:
                serving.cancel()
                await asyncio.wait({serving})

    stored, read, kept, refused = asyncio.run(run())
    assert b"MSA|CA|1" in stored
    assert b"MSA|AA|1" in read
    assert b"MSA|CA|2" in kept
    assert b"MSA|AE|2" in refused
    assert b"ERR||SCH^1^11^1^4|" in refused
    assert b"at nine" not in refused
