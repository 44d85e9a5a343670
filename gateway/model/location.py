"""A clinic: the place where patients are seen."""

from __future__ import annotations

from msgspec import Struct

from gateway.model.identity import RecordId
from gateway.model.patient import Address, ContactPoint, Identifier
from gateway.model.values import Zone, check_zone


class Location(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A clinic or facility (HL7 PL, FHIR Location)."""

    name: str | None = None
    """What people call it (PL.9, Location.name)."""
    identifiers: tuple[Identifier, ...] = ()
    """Facility codes (PL.4, Location.identifier)."""
    npi: str | None = None
    """National Provider Identifier of the facility, ten digits (X12 NM109 with NM108 XX)."""
    address: Address | None = None
    """Where it is (Location.address)."""
    contacts: tuple[ContactPoint, ...] = ()
    """Phone, fax and e-mail (Location.telecom)."""
    zone: Zone | None = None
    """IANA time zone of the clinic; times of its appointments are shown in it."""
    place_of_service: str | None = None
    """CMS place of service code, 11 for an office (CLM05-1, CLP08)."""
    organization: RecordId | None = None
    """Who runs it, an Organization (Location.managingOrganization)."""
    active: bool | None = None
    """False when closed (Location.status)."""

    def __post_init__(self) -> None:
        check_zone(self)
