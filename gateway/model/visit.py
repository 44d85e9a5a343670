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


class Procedure(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What was done at a visit, as told for billing without units or amount (HL7 PR1, FHIR Procedure)."""

    procedure_code: str
    """CPT, HCPCS or another code (PR1-3.1, Procedure.code)."""
    code_system: str | None = None
    """Whose code it is, in the source's own word: CPT, C4, I10P, SCT (PR1-3.3)."""
    description: str | None = None
    """What the code means (PR1-3.2, PR1-4)."""
    modifiers: tuple[str, ...] = ()
    """Modifiers in order (PR1-16)."""
    performed_at: Instant | None = None
    """When it was done (PR1-5, Procedure.performed)."""
    minutes: int | None = None
    """How long it took (PR1-7)."""
    practitioner: RecordId | None = None
    """Who did it, a Practitioner (PR1-11, Procedure.performer)."""
    diagnosis: str | None = None
    """ICD-10-CM code that it treats (PR1-15)."""
    priority: int | None = None
    """1 the principal procedure, higher ones after it (PR1-14)."""
    number: str | None = None
    """The source's own number of this procedure (PR1-19)."""


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
    procedures: tuple[Procedure, ...] = ()
    """What was done, where it is told apart from charges (PR1, Procedure)."""

    def __post_init__(self) -> None:
        check_zone(self)
