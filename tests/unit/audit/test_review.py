"""Review: entries are found by who, whom, why, what and when, and the unusual ones stand out."""

from __future__ import annotations

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest

from gateway.audit import Habits, Logged, Search, Wanted, summed, unusual
from gateway.audit import review as review_module
from tests.unit.audit.kept import Kept

ANN = "00000000-0000-8000-8000-00000000000a"
BEN = "00000000-0000-8000-8000-00000000000b"
NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)  # a Wednesday
HABITS = Habits(most_patients=2, opens=time(7), closes=time(19), zone=ZoneInfo("America/Chicago"))


@pytest.fixture
def log(kept: Kept) -> Kept:
    """A log of five entries by three actors about two patients."""
    told = (
        ("cli:ann", "read", "audit-review", (), NOON),
        ("cli:ann", "access", "operations", (ANN,), NOON.replace(hour=13)),
        ("client:acme", "access", "payment", (ANN, BEN), NOON.replace(day=5)),
        ("route:desk", "deliver", "operations", (BEN,), NOON.replace(day=6)),
        ("cli:bob", "access", "operations", (BEN,), NOON.replace(day=7)),
    )
    kept.write(
        *(
            kept.log.entry(kept.tenant, action=action, actor=actor, purpose=purpose, patients=patients, at=at)
            for actor, action, purpose, patients, at in told
        )
    )
    kept.sign()
    return kept


def found(kept: Kept, before: int | None = None, **wanted: str) -> list[Logged]:
    """What a search finds."""
    return kept.store.read_sync(lambda c: list(Search(c, kept.tenant, Wanted(**wanted)).found(before)))


@pytest.mark.parametrize(
    ("wanted", "entries"),
    [
        ({}, [4, 3, 2, 1, 0]),
        ({"actor": "cli:ann"}, [1, 0]),
        ({"action": "access"}, [4, 2, 1]),
        ({"purpose": "operations", "action": "access"}, [4, 1]),
        ({"patient": ANN}, [2, 1]),
        ({"patient": BEN, "actor": "client:acme"}, [2]),
        ({"since": "2026-03-05T00:00:00Z", "until": "2026-03-07T00:00:00Z"}, [3, 2]),
        ({"actor": "cli:an"}, []),
    ],
    ids=str,
)
def test_entries_are_found_by_every_question(log: Kept, wanted: dict[str, str], entries: list[int]) -> None:
    """Each question narrows the answer to exactly the entries it fits, newest first."""
    assert [one.entry for one in found(log, **wanted)] == entries


def test_pages_leave_nothing_out(log: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read in small parts, and gone on from any entry, the log gives every entry once."""
    monkeypatch.setattr(review_module, "PAGE", 2)
    assert [one.entry for one in found(log)] == [4, 3, 2, 1, 0]
    assert [one.entry for one in found(log, before=3, action="access")] == [2, 1]


def test_sums_are_per_actor_or_per_day(log: Kept) -> None:
    """A report counts entries by action, with purposes and the first and last time."""
    (ann, *rest) = summed(found(log), "actor")
    assert (ann.who, ann.entries, ann.actions) == ("cli:ann", 2, {"access": 1, "read": 1})
    assert (ann.purposes, ann.first[:13], ann.last[:13]) == (
        ("audit-review", "operations"), "2026-03-04T12", "2026-03-04T13",
    )  # fmt: skip
    assert {one.who for one in rest} == {"cli:bob", "client:acme", "route:desk"}
    assert [one.who for one in summed(found(log), "day")] == ["2026-03-04", "2026-03-05", "2026-03-06", "2026-03-07"]


def test_many_patients_and_odd_hours_stand_out(log: Kept) -> None:
    """A person at a weekend, one at night and one with many patients are flagged; programs and office work are not."""
    many = [f"00000000-0000-8000-8000-0000000001{at:02d}" for at in range(3)]
    night, day = NOON.replace(day=10, hour=8), NOON.replace(day=10, hour=16)
    told = (("cli:eve", night, (ANN,)), ("user:kim", day, many), ("client:acme", night, many))
    log.write(
        *(
            log.log.entry(log.tenant, action="access", actor=actor, purpose="operations", patients=patients, at=at)
            for actor, at, patients in told
        )
    )
    log.sign()
    flagged = log.store.read_sync(lambda c: unusual(c, log.tenant, Wanted(), HABITS))
    assert [(one.who, one.day, one.reason, one.count) for one in flagged] == [
        ("user:kim", "2026-03-10", "many-patients", 3),
        ("cli:eve", "2026-03-10", "off-hours", 1),
        ("cli:bob", "2026-03-07", "off-hours", 1),
    ]
    assert flagged[0].entries == (6,)
