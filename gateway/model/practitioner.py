"""A person who treats patients."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from gateway.model.identity import RecordId
from gateway.model.patient import ContactPoint, Identifier, PersonName


class Practitioner(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A therapist, assistant or physician (HL7 XCN, FHIR Practitioner)."""

    name: PersonName | None = None
    """Name (XCN.2 to XCN.6, Practitioner.name)."""
    npi: str | None = None
    """National Provider Identifier, ten digits (XCN.1 with authority NPI, NM109)."""
    identifiers: tuple[Identifier, ...] = ()
    """Other identifiers (XCN.1, Practitioner.identifier)."""
    discipline: Literal["PT", "PTA", "OT", "OTA", "SLP", "other"] | None = None
    """Physical, occupational or speech-language therapy, or an assistant (PractitionerRole.specialty)."""
    taxonomy: str | None = None
    """Health care provider taxonomy code (PRV03)."""
    credentials: str | None = None
    """Degrees and licences after the name: DPT, OCS (XCN.7, Practitioner.qualification)."""
    contacts: tuple[ContactPoint, ...] = ()
    """Ways to reach them (Practitioner.telecom)."""
    locations: tuple[RecordId, ...] = ()
    """Clinics where they work, Locations (PractitionerRole.location)."""
    active: bool | None = None
    """False when they no longer work here (Practitioner.active)."""
