"""The patient as one source knows them, and the value types for names, identifiers, contacts and addresses."""

from __future__ import annotations

from datetime import date
from typing import Literal

from msgspec import Struct

from gateway.model.identity import RecordId
from gateway.model.values import Instant


class PersonName(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A person's name (HL7 XPN, FHIR HumanName)."""

    family: str | None = None
    """Surname (XPN.1)."""
    given: str | None = None
    """First name (XPN.2)."""
    middle: str | None = None
    """Further given names or initials (XPN.3)."""
    prefix: str | None = None
    """Title before the name (XPN.5)."""
    suffix: str | None = None
    """Part after the name: Jr, III (XPN.4)."""
    preferred: str | None = None
    """What the person wants to be called (XPN.7 type N; FHIR use ``nickname``)."""
    text: str | None = None
    """The whole name where the source has no parts (FHIR HumanName.text)."""


class Identifier(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """An identifier that someone assigned (HL7 CX, FHIR Identifier)."""

    value: str
    """The identifier itself (CX.1)."""
    type: str | None = None
    """Kind by HL7 table 0203: MR medical record, SS social security, MB member number (CX.5)."""
    authority: str | None = None
    """Who assigned it: namespace or system URI (CX.4, Identifier.system)."""


class ContactPoint(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A way to reach someone (HL7 XTN, FHIR ContactPoint)."""

    system: Literal["phone", "sms", "email", "fax", "other"]
    """Kind of channel (ContactPoint.system, XTN.3)."""
    value: str
    """Number or address as the source gave it (ContactPoint.value, XTN.1, XTN.4, XTN.12)."""
    use: Literal["home", "work", "mobile", "other"] | None = None
    """Purpose (ContactPoint.use, XTN.2)."""
    e164: str | None = None
    """The number in international form, when it could be derived without guessing."""


class Address(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A postal address (HL7 XAD, FHIR Address, X12 N3 and N4)."""

    lines: tuple[str, ...] = ()
    """Street lines (XAD.1, XAD.2, N301, N302)."""
    city: str | None = None
    """City (XAD.3, N401)."""
    state: str | None = None
    """State or province (XAD.4, N402)."""
    postal_code: str | None = None
    """ZIP or postal code (XAD.5, N403)."""
    country: str | None = None
    """Country code (XAD.6, N404)."""
    use: Literal["home", "work", "billing", "other"] | None = None
    """Purpose (XAD.7, Address.use)."""


class Guarantor(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Who answers for a patient's bills (HL7 GT1, FHIR Account.guarantor.party)."""

    number: str | None = None
    """The source's own number of the guarantor (GT1-2)."""
    name: PersonName | None = None
    """Name of a person (GT1-3)."""
    organization: str | None = None
    """Name of an organization that answers for them (GT1-21)."""
    addresses: tuple[Address, ...] = ()
    """Where bills go (GT1-5)."""
    contacts: tuple[ContactPoint, ...] = ()
    """Ways to reach the guarantor (GT1-6, GT1-7)."""
    birth_date: date | None = None
    """Date of birth (GT1-8)."""
    sex: Literal["male", "female", "other", "unknown"] | None = None
    """Administrative sex (GT1-9)."""
    relationship: Literal["self", "spouse", "child", "parent", "guardian", "employer", "other"] | None = None
    """What the guarantor is to the patient (GT1-11, HL7 table 0063)."""
    starts_on: date | None = None
    """First day on which they answer (GT1-13)."""
    ends_on: date | None = None
    """Last day (GT1-14)."""


class Patient(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A patient in one source; several may be linked to one Person (HL7 PID, FHIR Patient)."""

    identifiers: tuple[Identifier, ...] = ()
    """Every identifier the source gave (PID-3, Patient.identifier)."""
    name: PersonName | None = None
    """The name in use (PID-5 first repetition, Patient.name)."""
    other_names: tuple[PersonName, ...] = ()
    """Maiden names and aliases (PID-5 repetitions, PID-9)."""
    birth_date: date | None = None
    """Date of birth (PID-7, Patient.birthDate); absent when the source gave only a part."""
    birth_date_as_sent: str | None = None
    """The source's own text, where it was partial or ambiguous."""
    sex: Literal["male", "female", "other", "unknown"] | None = None
    """Administrative sex (PID-8, Patient.gender)."""
    language: str | None = None
    """Preferred language as a BCP 47 tag (PID-15, Patient.communication)."""
    contacts: tuple[ContactPoint, ...] = ()
    """Ways to reach the patient (PID-13, PID-14, Patient.telecom)."""
    addresses: tuple[Address, ...] = ()
    """Postal addresses (PID-11, Patient.address)."""
    emergency_name: str | None = None
    """Whom to call in an emergency (NK1-2, Patient.contact.name)."""
    emergency_phone: str | None = None
    """That person's number (NK1-5, Patient.contact.telecom)."""
    guarantor_name: str | None = None
    """Name of who answers for the bills (GT1-3, Account.guarantor)."""
    guarantor: Guarantor | None = None
    """Who that is, where the source tells more (GT1)."""
    location: RecordId | None = None
    """Home clinic, a Location (PV1-3, Patient.managingOrganization)."""
    practitioner: RecordId | None = None
    """Usual therapist, a Practitioner (PD1-4, Patient.generalPractitioner)."""
    active: bool | None = None
    """False when archived or merged away (Patient.active)."""
    deceased: bool | None = None
    """Death indicator (PID-30, Patient.deceasedBoolean)."""
    deceased_at: Instant | None = None
    """Time of death (PID-29, Patient.deceasedDateTime)."""
    merged_into: RecordId | None = None
    """The Patient that replaced this one (ADT^A40 MRG-1 into PID-3, Patient.link ``replaced-by``)."""
