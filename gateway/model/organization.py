"""Companies: clinic groups, hospitals, payers."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from gateway.model.identity import RecordId
from gateway.model.patient import Address, ContactPoint, Identifier

PayerKind = Literal["commercial", "medicare", "medicaid", "workers-compensation", "auto", "self-pay", "other"]


class Organization(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A company that runs clinics or refers to them (HL7 XON, FHIR Organization)."""

    name: str | None = None
    """Name (XON.1, N102, Organization.name)."""
    identifiers: tuple[Identifier, ...] = ()
    """Codes given by others (XON.10, Organization.identifier)."""
    npi: str | None = None
    """National Provider Identifier, ten digits (N104 with N103 XX)."""
    tax_id: str | None = None
    """Employer identification number (REF01 EI or TJ)."""
    addresses: tuple[Address, ...] = ()
    """Postal addresses (Organization.address)."""
    contacts: tuple[ContactPoint, ...] = ()
    """Ways to reach it (PER, Organization.telecom)."""
    part_of: RecordId | None = None
    """The Organization it belongs to (Organization.partOf)."""
    active: bool | None = None
    """False when closed (Organization.active)."""


class Payer(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Who pays for treatment (HL7 IN1-3, X12 N1 with N101 PR, FHIR Organization of type ``pay``)."""

    name: str | None = None
    """Name (IN1-4, N102)."""
    payer_id: str | None = None
    """Electronic payer id at the clearinghouse (NM109 with NM108 PI)."""
    originating_id: str | None = None
    """Originating company id of its payments: 1 and the tax number (TRN03, BPR10)."""
    identifiers: tuple[Identifier, ...] = ()
    """Other identifiers (REF01 2U, EO, HI, NF)."""
    kind: PayerKind | None = None
    """Line of business (SBR09)."""
    address: Address | None = None
    """Claims address (N3, N4)."""
    contacts: tuple[ContactPoint, ...] = ()
    """Telephone and web contacts (PER)."""
    active: bool | None = None
    """False when claims no longer go there."""
