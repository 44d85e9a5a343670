"""Typed subsets of the resources about people, places and treatment."""

from __future__ import annotations

from decimal import Decimal

from gateway_fhir.records import (
    Address,
    CodeableConcept,
    Coding,
    ContactPoint,
    Element,
    HumanName,
    Marked,
    Period,
    Quantity,
    Reference,
    Resource,
)

_NAMES = ("official", "usual", None)
"""Uses of the name a person goes by, best first."""


class Communication(Element, frozen=True, kw_only=True, gc=False):
    language: CodeableConcept | None = None
    preferred: bool | None = None


class PatientContact(Element, frozen=True, kw_only=True, gc=False):
    relationship: tuple[CodeableConcept, ...] = ()
    name: HumanName | None = None
    telecom: tuple[ContactPoint, ...] = ()


class PatientLink(Element, frozen=True, kw_only=True, gc=False):
    other: Reference | None = None
    type: str | None = None


class Patient(Resource, frozen=True, kw_only=True, gc=False):
    active: bool | None = None
    name: tuple[HumanName, ...] = ()
    telecom: tuple[ContactPoint, ...] = ()
    gender: str | None = None
    birth_date: str | None = None
    deceased_boolean: bool | None = None
    deceased_date_time: str | None = None
    address: tuple[Address, ...] = ()
    contact: tuple[PatientContact, ...] = ()
    communication: tuple[Communication, ...] = ()
    general_practitioner: tuple[Reference, ...] = ()
    link: tuple[PatientLink, ...] = ()

    @property
    def usual_name(self) -> HumanName | None:
        """The name the patient goes by."""
        if len(self.name) < 2:  # most patients, and asked for by every part of the name
            return self.name[0] if self.name else None
        for use in _NAMES:
            for one in self.name:
                if one.use == use:
                    return one
        return self.name[0]

    @property
    def other_names(self) -> tuple[HumanName, ...]:
        """Maiden names, former names and nicknames."""
        if len(self.name) < 2:
            return ()
        usual = self.usual_name
        return tuple(one for one in self.name if one is not usual)

    @property
    def nickname(self) -> str | None:
        """What the patient wants to be called."""
        return next((one.first or one.text for one in self.name if one.use == "nickname"), None)

    @property
    def died(self) -> bool | None:
        """True too where only the time of death was sent."""
        return True if self.deceased_date_time else self.deceased_boolean


class RelatedPerson(Resource, frozen=True, kw_only=True, gc=False):
    active: bool | None = None
    patient: Reference | None = None
    relationship: tuple[CodeableConcept, ...] = ()
    name: tuple[HumanName, ...] = ()
    telecom: tuple[ContactPoint, ...] = ()


class Qualification(Element, frozen=True, kw_only=True, gc=False):
    code: CodeableConcept | None = None


class Practitioner(Resource, frozen=True, kw_only=True, gc=False):
    active: bool | None = None
    name: tuple[HumanName, ...] = ()
    telecom: tuple[ContactPoint, ...] = ()
    qualification: tuple[Qualification, ...] = ()


class PractitionerRole(Marked, frozen=True, kw_only=True, gc=False):
    active: bool | None = None
    practitioner: Reference | None = None
    specialty: tuple[CodeableConcept, ...] = ()
    code: tuple[CodeableConcept, ...] = ()
    location: tuple[Reference, ...] = ()
    telecom: tuple[ContactPoint, ...] = ()


class Location(Resource, frozen=True, kw_only=True, gc=False):
    status: str | None = None
    name: str | None = None
    telecom: tuple[ContactPoint, ...] = ()
    address: Address | None = None
    managing_organization: Reference | None = None


class Organization(Resource, frozen=True, kw_only=True, gc=False):
    active: bool | None = None
    type: tuple[CodeableConcept, ...] = ()
    name: str | None = None
    telecom: tuple[ContactPoint, ...] = ()
    address: tuple[Address, ...] = ()
    part_of: Reference | None = None


class Participant(Element, frozen=True, kw_only=True, gc=False):
    """Of an Appointment (``actor``) and of an Encounter (``individual``)."""

    actor: Reference | None = None
    individual: Reference | None = None


class Appointment(Resource, frozen=True, kw_only=True, gc=False):
    status: str | None = None
    cancelation_reason: CodeableConcept | None = None
    service_type: tuple[CodeableConcept, ...] = ()
    appointment_type: CodeableConcept | None = None
    reason_code: tuple[CodeableConcept, ...] = ()
    description: str | None = None
    start: str | None = None
    end: str | None = None
    minutes_duration: int | None = None
    created: str | None = None
    participant: tuple[Participant, ...] = ()


class Slot(Resource, frozen=True, kw_only=True, gc=False):
    status: str | None = None
    service_type: tuple[CodeableConcept, ...] = ()
    appointment_type: CodeableConcept | None = None
    start: str | None = None
    end: str | None = None
    comment: str | None = None


class EncounterLocation(Element, frozen=True, kw_only=True, gc=False):
    location: Reference | None = None


class Encounter(Resource, frozen=True, kw_only=True, gc=False):
    status: str | None = None
    class_: Coding | None = None
    subject: Reference | None = None
    episode_of_care: tuple[Reference, ...] = ()
    participant: tuple[Participant, ...] = ()
    appointment: tuple[Reference, ...] = ()
    period: Period | None = None
    length: Quantity | None = None
    reason_code: tuple[CodeableConcept, ...] = ()
    location: tuple[EncounterLocation, ...] = ()


class ServiceRequest(Resource, frozen=True, kw_only=True, gc=False):
    status: str | None = None
    code: CodeableConcept | None = None
    quantity_quantity: Quantity | None = None
    subject: Reference | None = None
    authored_on: str | None = None
    occurrence_period: Period | None = None
    requester: Reference | None = None
    location_reference: tuple[Reference, ...] = ()
    reason_code: tuple[CodeableConcept, ...] = ()


class Repeat(Element, frozen=True, kw_only=True, gc=False):
    frequency: int | None = None
    period: Decimal | None = None
    period_unit: str | None = None


class Timing(Element, frozen=True, kw_only=True, gc=False):
    repeat: Repeat | None = None
    code: CodeableConcept | None = None


class Detail(Element, frozen=True, kw_only=True, gc=False):
    scheduled_string: str | None = None
    scheduled_timing: Timing | None = None


class Activity(Element, frozen=True, kw_only=True, gc=False):
    detail: Detail | None = None

    @property
    def frequency(self) -> str | None:
        """How often, in words: as written, or ``3 x per 1 wk`` from the parts."""
        detail = self.detail
        if detail is None or detail.scheduled_timing is None:
            return detail.scheduled_string if detail else None
        repeat = detail.scheduled_timing.repeat
        if repeat is not None and repeat.frequency and repeat.period and repeat.period_unit:
            return f"{repeat.frequency} x per {repeat.period.normalize():f} {repeat.period_unit}"
        return detail.scheduled_timing.code.words if detail.scheduled_timing.code else None


class CarePlan(Resource, frozen=True, kw_only=True, gc=False):
    status: str | None = None
    subject: Reference | None = None
    period: Period | None = None
    author: Reference | None = None
    contributor: tuple[Reference, ...] = ()
    supporting_info: tuple[Reference, ...] = ()
    goal: tuple[Reference, ...] = ()
    activity: tuple[Activity, ...] = ()


class Goal(Resource, frozen=True, kw_only=True, gc=False):
    lifecycle_status: str | None = None
    achievement_status: CodeableConcept | None = None
    subject: Reference | None = None


class EpisodeOfCare(Resource, frozen=True, kw_only=True, gc=False):
    status: str | None = None
    type: tuple[CodeableConcept, ...] = ()
    patient: Reference | None = None
    period: Period | None = None
    referral_request: tuple[Reference, ...] = ()
    care_manager: Reference | None = None
