"""Where patients come from."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from gateway.model.identity import RecordId
from gateway.model.patient import ContactPoint


class ReferralSource(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A practice, person or campaign that sends patients (HL7 RF1-10, PRD)."""

    name: str | None = None
    """What the clinic calls it."""
    kind: Literal["physician", "practice", "hospital", "payer", "patient", "advertising", "other"] | None = None
    """What it is (PRD-1)."""
    practitioner: RecordId | None = None
    """The Practitioner, when it is one."""
    organization: RecordId | None = None
    """The Organization, when it is one."""
    contacts: tuple[ContactPoint, ...] = ()
    """Ways to reach it (PRD-5)."""
    active: bool | None = None
    """False when no longer used."""
