"""When a therapist can and cannot be booked."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from gateway.model.identity import RecordId
from gateway.model.values import Instant, Zone, check_zone


class Slot(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A bookable time (FHIR Slot)."""

    start: Instant
    """When it begins (Slot.start)."""
    end: Instant
    """When it ends (Slot.end)."""
    status: Literal["free", "busy", "held"] = "free"
    """Whether it can be booked (Slot.status)."""
    zone: Zone | None = None
    """IANA time zone of the clinic."""
    practitioner: RecordId | None = None
    """Whose time it is, a Practitioner (Slot.schedule.actor)."""
    location: RecordId | None = None
    """Where, a Location (Slot.schedule.actor)."""
    type: str | None = None
    """Kinds of visit it may hold, in the source's words (Slot.appointmentType)."""

    def __post_init__(self) -> None:
        check_zone(self)


class Unavailability(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A time in which nobody may be booked (FHIR Slot of status ``busy-unavailable``)."""

    start: Instant
    """When it begins (Slot.start)."""
    end: Instant
    """When it ends (Slot.end)."""
    zone: Zone | None = None
    """IANA time zone of the clinic."""
    practitioner: RecordId | None = None
    """Who is away, a Practitioner; absent when the whole clinic is closed."""
    location: RecordId | None = None
    """Which clinic, a Location; absent when it holds for all."""
    reason: str | None = None
    """Why, in the source's words: holiday, meeting (Slot.comment)."""

    def __post_init__(self) -> None:
        check_zone(self)
