"""A gateway whose address space is limited while an adapter asks for more: what became of each message, as JSON.

The limit is set once everything is mapped that a served load needs, so that only the one message passes it.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from pathlib import Path
from typing import cast

import structlog

from gateway.flow.source import Source
from gateway.hookspecs import Adapter
from gateway.mapping import Mapping
from gateway.model.patch import Normalized
from tests.faults.oracle import World, breaches
from tests.faults.resources import memory
from tests.integration.parts import (
    NO_CONFIG,
    TENANT,
    Place,
    Written,
    appointment,
    deliver_all,
    message,
    normalize,
    patient,
)  # fmt: skip

ROOM = 256 * 2**20
"""Bytes that may be mapped beyond what is."""
GREED = 2**30


def _greedy(body: bytes, context: bytes) -> Normalized:
    """The test source's function; one message makes it ask for more than there is."""
    return normalize(body + bytes(GREED) if b"greedy" in body else body, context)


def main(folder: Path) -> None:
    """Serve a load, set the limit, serve another with the one message in its middle."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    parts = Place(folder, "embedded").open()
    none = (cast("Adapter", None), NO_CONFIG, cast("Mapping", None))
    source = Source(TENANT, "told", *none, _greedy, "told/1", b"told".ljust(32, b"\1"))
    parts.sources[TENANT, "told"] = source
    sink = Written()
    parts.take(*(message(patient(f"p{n}", "A"), control=f"a{n}") for n in range(20)))
    most = memory(os.getpid(), "VmSize") + ROOM
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    items = [message(appointment(f"v{n}", f"p{n}"), control=f"b{n}") for n in range(20)]
    items.insert(10, message(patient("greedy", "G"), control="greedy"))
    parts.take(*items)
    deliver_all(parts.delivering(sink))
    ledger = parts.ledger()
    names = {*(f"a{n}" for n in range(20)), *(f"b{n}" for n in range(20)), "greedy"}
    found = breaches(parts, World(names, {"desk": sink}))
    parts.close()
    told = {"normalized": ledger.normalized, "quarantined": ledger.quarantined, "problems": len(ledger.problems)}
    print(json.dumps(told | {"effects": len(sink.effects), "breaches": found}))


main(Path(sys.argv[1]))
