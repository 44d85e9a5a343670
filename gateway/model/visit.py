"""Treatment that took place, and what is charged for it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Literal

from msgspec import Struct

from gateway.model.identity import RecordId
from gateway.model.values import Instant, Money, Zone, check_money, check_zone


class Charge(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One billed procedure of a visit (HL7 FT1, X12 SV1, FHIR ChargeItem)."""

    procedure_code: str
    """CPT or HCPCS code (FT1-25, SV101-2, ChargeItem.code)."""
    modifiers: tuple[str, ...] = ()
    """Modifiers in order: GP, KX, CQ, 59 (FT1-26, SV101-3 to SV101-6)."""
    units: Decimal | None = None
    """Billed units (FT1-10, SV104, ChargeItem.quantity)."""
    minutes: int | None = None
    """Minutes of treatment behind the units, for timed codes."""
    diagnoses: tuple[str, ...] = ()
    """ICD-10-CM codes it treats, most important first (FT1-19, SV107)."""
    amount: Money | None = None
    """Charged amount for all units, US dollars (FT1-11, SV102, ChargeItem.priceOverride)."""
    number: str | None = None
    """The source's own number of this line, by which a later message corrects it (FT1-2)."""
    service_date: date | None = None
    """Day of the treatment, for an account that spans several (FT1-4)."""
    credit: bool | None = None
    """True for a line that takes a charge back (FT1-6 CD)."""

    def __post_init__(self) -> None:
        check_money(self, "amount")


class Visit(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """An encounter (HL7 PV1, FHIR Encounter)."""

    service_date: date | None = None
    """Day of treatment in the clinic's zone (DTP01 472, FT1-4)."""
    start: Instant | None = None
    """When treatment began (PV1-44, Encounter.period.start)."""
    end: Instant | None = None
    """When it ended (PV1-45, Encounter.period.end)."""
    zone: Zone | None = None
    """IANA time zone of the clinic."""
    status: Literal["in-progress", "finished", "signed", "cancelled"] | None = None
    """How far it got; signed when the note is closed (Encounter.status)."""
    patient: RecordId | None = None
    """Who was treated, a Patient (Encounter.subject)."""
    practitioner: RecordId | None = None
    """Who treated, a Practitioner (PV1-7, NM101 82, Encounter.participant)."""
    supervisor: RecordId | None = None
    """Who supervised an assistant, a Practitioner (NM101 DQ)."""
    location: RecordId | None = None
    """Where, a Location (PV1-3, Encounter.location)."""
    appointment: RecordId | None = None
    """The Appointment it fulfils (Encounter.appointment)."""
    episode: RecordId | None = None
    """The EpisodeOfCare it belongs to (Encounter.episodeOfCare)."""
    authorization: RecordId | None = None
    """What allowed it, an Authorization (REF01 G1)."""
    minutes: int | None = None
    """Total minutes of treatment."""
    timed_minutes: int | None = None
    """Minutes under timed codes, which decide how many units may be billed."""
    diagnoses: tuple[str, ...] = ()
    """ICD-10-CM codes, primary first (DG1-3, HI, Encounter.diagnosis)."""
    charges: tuple[Charge, ...] = ()
    """What is billed (FT1, SV1, ChargeItem)."""

    def __post_init__(self) -> None:
        check_zone(self)
