"""Work for a person, in plain words."""

from __future__ import annotations

from datetime import date
from typing import Literal

from msgspec import Struct

from gateway.model.identity import RecordId
from gateway.model.values import Instant, Money, check_money


class Task(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Something a person should do, why, and what it is worth (FHIR Task)."""

    title: str
    """What to do (Task.description)."""
    state: Literal["open", "claimed", "done", "dismissed"]
    """How far it got (Task.status)."""
    reason: str | None = None
    """Why it matters (Task.reasonCode)."""
    kind: str | None = None
    """Stable word for the rule that made it (Task.code)."""
    about: RecordId | None = None
    """The record it is about (Task.focus)."""
    patient: RecordId | None = None
    """The Patient it concerns (Task.for)."""
    location: RecordId | None = None
    """The clinic whose work it is, a Location (Task.location)."""
    role: str | None = None
    """Who should do it: front-desk, biller, therapist (Task.performerType)."""
    owner: str | None = None
    """Principal who took it (Task.owner)."""
    money: Money | None = None
    """US dollars won or lost by it."""
    due_on: date | None = None
    """Day by which it must be done (Task.restriction.period)."""
    created_at: Instant | None = None
    """When it came up (Task.authoredOn)."""
    closed_at: Instant | None = None
    """When it was done or dismissed (Task.executionPeriod.end)."""

    def __post_init__(self) -> None:
        check_money(self, "money")
