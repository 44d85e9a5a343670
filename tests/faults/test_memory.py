"""Memory runs out under one message: it waits in quarantine, and the process goes on for everybody else.

The limit is on the address space, which counts mapped files and stacks too: it is set above what the process has mapped
when it has served for a while, so that only what one message needs passes it.
"""

from __future__ import annotations

import re
import resource
from pathlib import Path

import pytest

from gateway_hl7.simulator import clinic_day
from tests.faults.deployment import Deployment, Load, until
from tests.faults.resources import memory

ROOM = 8 * 2**20
"""Bytes that may be mapped beyond what a served load needed."""
IDENTIFIERS = 350_000
"""How many identifiers the patient of the one message has: each becomes several objects."""


def _swollen(message: bytes) -> bytes:
    """The message under another control id, with very many identifiers in PID-3."""
    named = re.sub(rb"\A((?:[^|]*\|){9})[^|]*", rb"\1SWOLLEN1", message)
    many = b"~".join(b"%d^^^A" % number for number in range(IDENTIFIERS))
    return re.sub(rb"(\rPID\|[^|]*\|[^|]*\|)[^|\r]*", lambda found: found[1] + many, named)


@pytest.mark.timeout(240)
def test_a_message_that_needs_too_much_memory_waits_alone(tmp_path: Path) -> None:
    """What one message needs beyond the limit costs that message only; everybody else's go through in one process."""
    messages = clinic_day(91, patients=60, visits=200)[:160]
    swollen = _swollen(next(message for message in messages if b"SIU^S12" in message))
    with Deployment(tmp_path) as deployment:
        deployment.start()
        Load(deployment.port, messages[:100]).finish(60)
        deployment.drain(30)
        pid = deployment.pid
        assert pid is not None
        most = memory(pid, "VmSize") + ROOM
        resource.prlimit(pid, resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))
        load = Load(deployment.port, [swollen, *messages[100:]])
        load.finish(120)
        until(lambda: "adapter-failed" in deployment.log(), 60, "the memory was enough")
        ledger = deployment.drain(60)
        [held] = deployment.json("quarantine", "list")
        assert deployment.pid == pid, "the process ended"
        assert (held["reason"], held["place"]) == ("adapter-error", "MemoryError")
        assert (ledger["unaccounted"], ledger["pending"], ledger["quarantined"]) == (0, 0, 1)
        assert load.acked - deployment.stored() == set()
        assert deployment.received().second == []
