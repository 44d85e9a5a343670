"""What ``gateway serve`` costs while nothing happens, and how soon it is there."""

from __future__ import annotations

import time

from benchmarks import house
from benchmarks.report import Asked, Section

SETTLE_SECONDS = 5


def measure(scale: float) -> Section:
    """All roles: an HL7 listener, X12, a file sink, the embedded store."""
    del scale  # there is nothing to do less of
    with house.scratch() as folder, house.served(folder / "house") as gateway:
        ready = gateway.ready_seconds
        time.sleep(SETTLE_SECONDS)
        memory = gateway.memory_mb
    return Section(
        "idle",
        "gateway serve, idle",
        [{"start to ready s": ready, "resident MB": memory}],
        [
            Asked("idle memory of gateway serve", "under 150 MB", f"{memory:.0f} MB", memory < 150),
            Asked("start to ready", "under 3 s", f"{ready:.2f} s", ready < 3),
        ],
    )
