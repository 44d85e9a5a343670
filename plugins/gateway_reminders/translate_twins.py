"""The same visit seen through two systems: who reminds of it, and what was said of it elsewhere. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from msgspec import Struct

from gateway.model.appointment import Appointment
from gateway.model.identity import RecordId
from gateway_reminders.translate_facts import Facts

OPEN = frozenset({"booked", "confirmed"})
SEEN_TWICE = "seen-twice"
"""Why a reminder is taken back whose visit another system reminds of."""


class Twin(Struct, frozen=True):
    """A visit of the same person at the same time, known by another patient record."""

    facts: Facts
    id: RecordId
    visit: Appointment


def occasion(about: RecordId, start: datetime, step: str) -> str:
    """What makes a reminder of a visit one effect, without the channel."""
    return f"{about}/{start.astimezone(UTC):%Y%m%dT%H%MZ}/{step}"


def twins(visit: Appointment, facts: Facts, within: timedelta) -> Iterator[Twin]:
    """Every other sight of a visit, whatever its state there."""
    for other in facts.others:
        for id, one in other.appointments.items():
            if abs(one.start - visit.start) <= within:
                yield Twin(other, id, one)


def leads(id: RecordId, facts: Facts, seen: tuple[Twin, ...], reachable: Callable[[Facts], bool]) -> bool:
    """Whether this sight of a visit is the one that is reminded of: the first that stands and can be told of."""
    standing = [(not reachable(one.facts), one.id) for one in seen if one.visit.status in OPEN]
    return all((not reachable(facts), id) < other for other in standing)


def told_elsewhere(step: str, seen: tuple[Twin, ...]) -> bool:
    """Whether the patient had this step's message by way of another sight of the visit."""
    return any(
        not sent.failed for one in seen for sent in one.facts.sent.get(occasion(one.id, one.visit.start, step), ())
    )
