"""Twenty clinics: how soon their history is in, how fresh they stay, what that costs, and what a crash repeats."""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any

import msgspec

from benchmarks import house
from benchmarks.group import CLINICS, Group, Pace, running
from benchmarks.report import Asked, Section

ASKED_FRESH, ASKED_CORE = 300.0, 0.5
PAGE = 100
"""Rows of a page, as every adapter asks for them by default."""
OVERLAP = 5
"""Rows of the two minutes of a clinic's time that each look at a Cliniko list reads again, crash or not."""
NIGHTLY = ("webpt",)
"""Their changes come with the next night, by their own schedule: what counts is how soon after it falls it is in."""
ASKED_NIGHT = 3600.0
"""Before anybody opens a clinic in the morning."""


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What one run has shown; times in seconds."""

    appointments: int
    """That the clinics have."""
    delivered: int
    """Appointment records that reached the receiver."""
    messages: int
    unaccounted: bool
    backfill: float
    """From the first start until everything was delivered, the crash and the restart in it."""
    backfill_core: float
    """Processor seconds of the gateway meanwhile, those before the crash included."""
    killed_at: int
    """Polled appointments that had been read when it was killed."""
    read_again: int
    """The most rows of one list that were read before the crash and again after it."""
    violations: int
    refused: int
    requests: int
    idle_core: float
    """Part of one core."""
    idle_memory_mb: float
    changes: int
    seen: int
    fresh_median: float
    fresh_worst: float
    fresh_by_vendor: dict[str, tuple[float, float]]
    """Median and worst of each vendor."""
    behind: int
    """Streams behind their goal at the end."""
    nights: int
    """Nightly extracts that fell with something new in them."""
    nights_seen: int
    night_worst: float
    """From a night's fall until its last line was at the receiver."""


def run(folder: Path, pace: Pace) -> Figures:
    """All phases, one after another."""
    with running(folder, pace) as group:
        begin = time.monotonic()
        group.start()
        killed_at = _read_until(group, pace.kill_at)
        spent = group.cpu()
        group.kill()
        group.tell("mark")
        group.start()
        group.until(group.settled, pace.patience, "the back-fill does not end")
        backfill, spent = time.monotonic() - begin, spent + group.cpu()
        again = max((rows for one in group.counted().values() for rows in one.get("again", {}).values()), default=0)
        idle, memory = _idle(group, pace.quiet)
        found = _steady(group, pace)
        nights = _nights(group, pace)
        behind = sum(one["lag"] > 0 for one in group.streams())
        group.stop()
        group.lines.read()
        ledger, counted = group.command("verify", "ledger", "--json"), group.counted()
    fresh = sorted(value for values in found.values() for value in values if value is not None)
    return Figures(
        appointments=sum(one["appointments"] for one in counted.values()), delivered=len(group.lines.records),
        messages=ledger["messages_accepted"], unaccounted=bool(ledger["unaccounted"]),
        backfill=backfill, backfill_core=spent,
        killed_at=killed_at, read_again=again, violations=_sum(counted, "violations"),
        refused=_sum(counted, "refused"), requests=_sum(counted, "requests"), idle_core=idle, idle_memory_mb=memory,
        changes=sum(map(len, found.values())), seen=len(fresh), fresh_median=statistics.median(fresh),
        fresh_worst=fresh[-1], fresh_by_vendor=_by_vendor(found), behind=behind,
        nights=len(nights), nights_seen=sum(value is not None for value in nights),
        night_worst=max((value for value in nights if value is not None), default=0.0),
    )  # fmt: skip


def _read_until(group: Group, part: float) -> int:
    """Wait until so much of the polled appointments has been read; how many that were."""

    def read() -> tuple[int, int]:
        polled = [one for one in group.counted().values() if "read" in one]
        return sum(one["read"] for one in polled), sum(one["appointments"] for one in polled)

    group.until(lambda: read()[0] >= part * read()[1] > 0, group.pace.patience, "the back-fill does not begin")
    return read()[0]


def _idle(group: Group, seconds: float) -> tuple[float, float]:
    """Part of a core while nothing happens at the clinics, polls going on; and resident MB."""
    begin, cpu = time.monotonic(), group.cpu()
    time.sleep(seconds)
    return (group.cpu() - cpu) / (time.monotonic() - begin), group.process.memory_info().rss / 1e6


def _steady(group: Group, pace: Pace) -> dict[str, list[float | None]]:
    """Age of each change when it reached the receiver, by source; None for one that did not come."""
    vendors = [vendor for vendor in CLINICS if vendor not in NIGHTLY]
    group.tell(f"change {pace.every}", *vendors)
    time.sleep(pace.steady)
    group.tell("quiet", *vendors)
    changes = group.changes()
    wanted = {(one["source"], one["start"]) for one in changes}

    def arrived() -> bool:
        group.lines.read()
        return wanted <= group.lines.moved.keys()

    end = time.monotonic() + min(ASKED_FRESH, pace.patience)
    while not arrived() and time.monotonic() < end:
        time.sleep(0.5)
    found: dict[str, list[float | None]] = {}
    for one in changes:
        at = group.lines.moved.get((one["source"], one["start"]))
        found.setdefault(one["source"], []).append(None if at is None else at - one["at"])
    return found


def _nights(group: Group, pace: Pace) -> list[float | None]:
    """How long after its fall each night that tells of something new was in; None for one that did not come."""
    group.tell("night", *NIGHTLY)
    clinics = sum(CLINICS[vendor] for vendor in NIGHTLY)
    group.until(lambda: len(group.nights()) == clinics, 60, "no night falls")
    fell = {one["source"]: one["at"] for one in group.nights() if one["news"]}

    def arrived() -> bool:
        group.lines.read()
        return all(group.lines.latest.get(source, 0.0) > at for source, at in fell.items()) and group.settled()

    end = time.monotonic() + min(ASKED_NIGHT, pace.patience)
    while not arrived() and time.monotonic() < end:
        time.sleep(0.5)
    ages = {source: group.lines.latest.get(source, 0.0) - at for source, at in fell.items()}
    return [age if age > 0 else None for age in ages.values()]


def _by_vendor(found: dict[str, list[float | None]]) -> dict[str, tuple[float, float]]:
    vendors: dict[str, list[float]] = {}
    for source, values in found.items():
        vendors.setdefault(source.partition("-")[0], []).extend(value for value in values if value is not None)
    return {vendor: (statistics.median(values), max(values)) for vendor, values in vendors.items() if values}


def _sum(counted: dict[str, dict[str, Any]], name: str) -> int:
    return sum(one.get(name, 0) for one in counted.values())


def measure(scale: float) -> Section:
    """The group at full size, or a part of it: 10,000 appointments of each clinic are the whole."""
    pace = Pace(appointments=max(100, int(10_000 * scale)))
    with house.scratch() as folder:
        figures = run(folder, pace)
    return section(figures)


def section(figures: Figures) -> Section:
    """The figures as a table, and what was asked for."""
    fresh = f"median {figures.fresh_median:.0f} s, worst {figures.fresh_worst:.0f} s"
    rows = [
        {"figure": "appointments at the clinics", "": figures.appointments},
        {"figure": "appointment records delivered", "": figures.delivered},
        {"figure": "messages accepted", "": figures.messages},
        {"figure": "back-fill, kill -9 in it, s", "": round(figures.backfill)},
        {"figure": "processor time of the back-fill, s", "": round(figures.backfill_core)},
        {"figure": "appointments read when killed", "": figures.killed_at},
        {"figure": "requests", "": figures.requests},
        {"figure": "resident MB afterwards", "": round(figures.idle_memory_mb)},
        {"figure": "changes made and seen", "": f"{figures.changes} and {figures.seen}"},
        {"figure": "nights with news, and seen", "": f"{figures.nights} and {figures.nights_seen}"},
        *(
            {"figure": f"freshness of {vendor}, median and worst s", "": f"{median:.1f} and {worst:.1f}"}
            for vendor, (median, worst) in figures.fresh_by_vendor.items()
        ),
    ]
    asked = [
        Asked("20 clinics: freshness", "under 300 s", fresh, _fresh(figures)),
        Asked(
            "20 clinics: nightly files, after they fall", f"within {ASKED_NIGHT / 60:.0f} min",
            f"{figures.night_worst:.0f} s", figures.nights_seen == figures.nights > 0,
        ),
        Asked("20 clinics: limit violations", "0", str(figures.violations), figures.violations == 0),
        Asked("20 clinics: idle", "under 0.5 core", f"{figures.idle_core:.2f} core", figures.idle_core < ASKED_CORE),
        Asked(
            "20 clinics: rows of a list read again after kill -9",
            f"at most a page ({PAGE}) and the overlap of two looks ({OVERLAP})",
            str(figures.read_again), figures.read_again <= PAGE + OVERLAP,
        ),
        Asked("20 clinics: messages unaccounted for", "none", "some" if figures.unaccounted else "none",
              not figures.unaccounted),
    ]  # fmt: skip
    return Section("group", "A group of twenty clinics", rows, asked)


def _fresh(figures: Figures) -> bool:
    return figures.seen == figures.changes and figures.fresh_worst < ASKED_FRESH and not figures.behind
