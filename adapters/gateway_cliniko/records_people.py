"""People and places of an account: patients, practitioners, contacts, businesses."""

from __future__ import annotations

import re

from msgspec import UNSET, Struct, UnsetType

Text = str | None | UnsetType
Flag = bool | None | UnsetType
Code = int | None | UnsetType

_LAST_SEGMENT = re.compile(r"/([\w-]{1,64})(?:\?.*)?\Z", re.ASCII)


class Link(Struct, frozen=True):
    """A relationship, given as the address of its target."""

    links: dict[str, str | None]

    @property
    def id(self) -> str | None:
        """The target's id: the last segment of the address."""
        found = _LAST_SEGMENT.search(self.links.get("self") or "")
        return found[1] if found else None


Relation = Link | None | UnsetType


class Contact(Struct, frozen=True):
    """One way to reach someone; ``phone_type`` is Fax, Home, Mobile, Other or Work, and Email for an e-mail address."""

    number: Text = UNSET
    phone_type: Text = UNSET


class Identifier(Struct, frozen=True):
    """One number of a person; ``type`` by HL7 table 0203."""

    value: str
    type: str | None = None


class Resource(Struct, frozen=True, kw_only=True):
    """What every resource has."""

    id: str | int
    updated_at: Text = UNSET
    archived_at: Text = UNSET
    deleted_at: Text = UNSET


class Patient(Resource, frozen=True, kw_only=True):
    title: Text = UNSET
    first_name: Text = UNSET
    last_name: Text = UNSET
    preferred_first_name: Text = UNSET
    date_of_birth: Text = UNSET
    sex: Text = UNSET
    email: Text = UNSET
    patient_phone_numbers: list[Contact] | UnsetType | None = UNSET
    address_1: Text = UNSET
    address_2: Text = UNSET
    address_3: Text = UNSET
    city: Text = UNSET
    state: Text = UNSET
    post_code: Text = UNSET
    country_code: Text = UNSET
    emergency_contact: Text = UNSET
    old_reference_id: Text = UNSET
    medicare: Text = UNSET
    dva_card_number: Text = UNSET
    reminder_type: Text = UNSET
    accepted_sms_marketing: Flag = UNSET
    accepted_email_marketing: Flag = UNSET
    merged_with_patient: Relation = UNSET

    @property
    def identifiers(self) -> list[Identifier]:
        """Numbers that others gave the patient, each with its kind by HL7 table 0203 where it has one."""
        known = ((self.old_reference_id, None), (self.medicare, "MC"), (self.dva_card_number, "DVA"))
        return [Identifier(value, kind) for value, kind in known if value]

    @property
    def sms_reminders(self) -> str | None:
        """Whether reminders go out as text messages: granted, revoked or unknown; nothing when not told."""
        return _reminders(self.reminder_type, "SMS")

    @property
    def email_reminders(self) -> str | None:
        """The same for e-mail."""
        return _reminders(self.reminder_type, "Email")

    @property
    def telecom(self) -> list[Contact]:
        """Telephone numbers in their order, then the e-mail address."""
        numbers = [number for number in self.patient_phone_numbers or () if number.number]
        return [*numbers, Contact(self.email, "Email")] if self.email else numbers

    @property
    def itself(self) -> list[Patient]:
        """The patient as the one place of what is a list in the model and single here: an address, an identifier."""
        return [self]


class ReferenceNumber(Resource, frozen=True, kw_only=True):
    """A provider number of a practitioner, valid at one business."""

    name: Text = UNSET
    reference_number: Text = UNSET
    business: Relation = UNSET
    practitioner: Relation = UNSET


class Practitioner(Resource, frozen=True, kw_only=True):
    """A therapist; ``numbers`` are not of this resource: the transport joins them to it."""

    title: Text = UNSET
    first_name: Text = UNSET
    last_name: Text = UNSET
    display_name: Text = UNSET
    designation: Text = UNSET
    active: Flag = UNSET
    numbers: list[ReferenceNumber] | UnsetType = UNSET


class Business(Resource, frozen=True, kw_only=True):
    display_name: Text = UNSET
    business_name: Text = UNSET
    address_1: Text = UNSET
    address_2: Text = UNSET
    city: Text = UNSET
    state: Text = UNSET
    post_code: Text = UNSET
    country_code: Text = UNSET
    email_reply_to: Text = UNSET
    time_zone_identifier: Text = UNSET

    @property
    def telecom(self) -> list[Contact]:
        """The address for replies, where there is one."""
        return [Contact(self.email_reply_to, "Email")] if self.email_reply_to else []


class Correspondent(Resource, frozen=True, kw_only=True):
    """An entry of the contacts: a doctor, a third party that pays, or another person or company."""

    title: Text = UNSET
    first_name: Text = UNSET
    last_name: Text = UNSET
    preferred_name: Text = UNSET
    company_name: Text = UNSET
    provider_number: Text = UNSET
    occupation: Text = UNSET
    type_code: Code = UNSET
    email: Text = UNSET
    phone_numbers: list[Contact] | UnsetType | None = UNSET
    address_1: Text = UNSET
    address_2: Text = UNSET
    address_3: Text = UNSET
    city: Text = UNSET
    state: Text = UNSET
    post_code: Text = UNSET
    country_code: Text = UNSET

    @property
    def telecom(self) -> list[Contact]:
        """Telephone numbers in their order, then the e-mail address."""
        numbers = [number for number in self.phone_numbers or () if number.number]
        return [*numbers, Contact(self.email, "Email")] if self.email else numbers

    @property
    def identifiers(self) -> list[Identifier]:
        """The provider number, where there is one."""
        return [Identifier(self.provider_number)] if self.provider_number else []


def _reminders(kind: Text, channel: str) -> str | None:
    if kind is UNSET:
        return None
    if not kind:
        return "unknown"
    return "granted" if channel in str(kind).split(" & ") else "revoked"
