"""A sender whose connection is cut inside the acknowledgement sends again: it gets the answer that it missed."""

from __future__ import annotations

import socket
import struct
from pathlib import Path

import pytest

from gateway.wire.hl7 import Message
from gateway.wire.hl7_path import compile_path
from gateway.wire.mllp import Decoder, encode
from gateway_hl7.simulator import clinic_day
from tests.faults.deployment import SCALE, Deployment
from tests.waiting import PATIENCE

ANSWER = [compile_path(path) for path in ("MSA-1", "MSA-2")]
STEP = max(1, round(1 / SCALE))
"""Bytes from one cut to the next; at full scale at every one."""
RESET = struct.pack("ii", 1, 0)
"""Lingering for no time: closing resets the connection."""


def _read(peer: socket.socket, most: int) -> bytes:
    """So many bytes of the answer, or all of it up to the end of its frame."""
    answer = b""
    while len(answer) < most and not answer.endswith(b"\x1c\r"):
        answer += peer.recv(min(most - len(answer), 4096))
    return answer


def _sent(port: int, message: bytes, most: int) -> bytes:
    """Send a message, read so many bytes of the answer, and cut the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as peer:
        peer.sendall(encode(message))
        answer = _read(peer, most)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    return answer


def _told(answer: bytes) -> list[str]:
    """What an answer says: the code, and whom it answers."""
    [frame] = Decoder(100_000).feed(answer)
    assert isinstance(frame, bytes)
    message = Message(frame)
    return [str(path(message)) for path in ANSWER]


@pytest.mark.timeout(600)
def test_an_answer_cut_at_each_byte_is_given_again(tmp_path: Path) -> None:
    """Wherever the answer was cut, the message sent again is recognised: one answer, one message, one effect."""
    messages = clinic_day(61, patients=60, visits=200, merges=0)
    with Deployment(tmp_path) as deployment:
        deployment.start()
        whole = _sent(deployment.port, messages[0], 100_000)
        assert len(messages) > len(whole), "the day is too short for a message at each byte of an answer"
        cuts = range(0, len(whole), STEP)
        for cut, message in zip(cuts, messages[1:], strict=False):
            assert len(_sent(deployment.port, message, cut)) == cut
            again = _sent(deployment.port, message, 100_000)
            assert _told(again)[0] == "AA"
            assert _told(again) == _told(_sent(deployment.port, message, 100_000))
        ledger = deployment.drain(120)
        effects = deployment.received()
        rows = deployment.json("messages", "--limit", "100000")["messages"]
    assert len(rows) - sum(row["reason"] == "repeat" for row in rows) == len(cuts) + 1
    assert sum(row["reason"] == "repeat" for row in rows) >= 2 * (len(cuts) - 1)
    assert (ledger["unaccounted"], ledger["pending"]) == (0, 0)
    assert effects.second == []
    assert len(effects.distinct) == ledger["delivered"]
