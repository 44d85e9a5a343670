"""Source records to patches: the mapping says which field becomes what, this says what a whole item means."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from msgspec import UNSET, Struct, structs

from gateway.errors import InvalidConfiguration
from gateway.model.identity import Ref
from gateway.model.null import NULL
from gateway.model.patch import Normalized, Patch
from gateway.wire.json_decoder import decoder
from gateway_cliniko.records import JOINED, KINDS, decode, filled
from gateway_cliniko.records_booking import Communication, InvoiceItem
from gateway_cliniko.records_people import Contact, Correspondent, Identifier, Link, Patient, ReferenceNumber, Resource

if TYPE_CHECKING:
    from gateway.mapping import Mapping
    from gateway_cliniko.config import ClinikoConfig

DERIVED = {
    "telecom": ("email", "email_reply_to", "patient_phone_numbers", "phone_numbers"),
    "itself": (),
    "identifiers": ("old_reference_id", "medicare", "dva_card_number", "provider_number"),
    "sms_reminders": ("reminder_type",),
    "email_reminders": ("reminder_type",),
    "uncapped": ("max_sessions",),
    "unreferred": ("referral",),
    "amount": (),
}
"""Places a mapping may name that are no fields of the API, with the API's fields that each is made of."""
READ_HERE = frozenset(
    {"links", "merged_with_patient", "type_code", "category_code", "items.total_including_tax", "items.net_price"}
)
_STRUCTS: tuple[type[Struct], ...] = (*KINDS.values(), Contact, Identifier, ReferenceNumber, InvoiceItem)
_NAMES = {field.name for struct in _STRUCTS for field in structs.fields(struct)} | DERIVED.keys()
"""Fields that this module reads itself, whatever the mapping says."""
_EMPTY = (b"null", b'""', b"[]", b"{}", b"false")
_MEMO, _OTHER = 12, 4
_PARTIES = {0: "", 1: "contact_doctor", 2: "contact_payer"}
"""contact.type_code: the kind of message that the mapping knows it by; a standard contact makes no record."""


class _Context(Struct, frozen=True):
    """What the transport adds to a booking: the words behind two ids."""

    kind: str
    type: str = ""
    zone: str = ""


_context = decoder(_Context)


def path(text: str) -> Callable[[object], Any]:
    """A reader of one field: its text, NULL for a JSON null or an empty text, None when absent, or sub-records.

    ``id#word`` gives the id with the word behind it: the name of one of several records that an item makes.
    """
    name, mark, word = text.removeprefix(".").partition("#")  # a dot says that the place is within a repetition
    if name not in _NAMES:
        raise InvalidConfiguration(
            "A mapping names a field that this adapter does not read",
            where=name[:64],
            fix="Compare it with records_people.py and records_booking.py.",
        )

    def read(record: object) -> Any:
        value = getattr(record, name, UNSET)
        if isinstance(value, Link):
            value = value.id
        if value is UNSET:
            return None
        if value is None or value == "":
            return None if name in _SILENT else NULL
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, list):
            return value or NULL
        return f"{value}{mark}{word}"

    return read


_SILENT = frozenset({"sms_reminders", "email_reminders"})
"""Derived places where nothing means that the source did not speak."""


def normalizer(config: ClinikoConfig, mapping: Mapping) -> Callable[[bytes, bytes], Normalized]:
    """A pure function from one item's bytes, with its kind and what was looked up for it as context, to patches."""
    read = {kind: READ_HERE | frozenset(_sources(kind, mapping)) for kind in KINDS}

    def normalize(body: bytes, context: bytes) -> Normalized:
        told = _told(context)
        record = decode(told.kind, body)
        kind = _meaning(told.kind, record)
        if not kind:
            return Normalized(suppressed="no-record-of-this-kind")
        patches = tuple(_meant(patch, record, told, config) for patch in mapping.patches(kind, record))
        residue = tuple(
            name
            for name, raw in filled(told.kind, body)
            if name not in read[told.kind] and raw not in _EMPTY and not raw.startswith(b'{"links"')
        )
        return Normalized(patches=patches, residue=residue)

    return normalize


def _told(context: bytes) -> _Context:
    return _context(context) if context.startswith(b"{") else _Context(context.decode("ascii", "replace"))


def kind_told(context: bytes) -> str:
    """The kind of row that a message is; raises ``msgspec.DecodeError`` for a context that says none."""
    return _told(context).kind


def _sources(kind: str, mapping: Mapping) -> list[str]:
    """The API's own names of what the mapping reads of a kind."""
    kinds = ("contact_doctor", "contact_payer") if kind == "contacts" else (kind,)
    names = [name.partition("#")[0] for one in kinds for name in mapping.covered(one)]
    found = [source for name in names for source in DERIVED.get(name, (name.removeprefix("itself."),))]
    return [*found, *(f"{prefix}.updated_at" for prefix in JOINED.values() if prefix)]


def _meaning(kind: str, record: Resource) -> str:
    """The kind the mapping knows it by; empty when it makes no record."""
    if isinstance(record, Correspondent):
        return _PARTIES.get(record.type_code, "") if isinstance(record.type_code, int) else ""
    if isinstance(record, Communication) and (record.category_code == _MEMO or record.type_code == _OTHER):
        return ""  # a note of the staff to themselves, or something that took no channel we know
    return kind


def _meant(patch: Patch, record: Resource, told: _Context, config: ClinikoConfig) -> Patch:
    """What a mapping cannot say: that a patient was merged into another, and the words behind two ids."""
    if patch.operation != "upsert":
        return patch
    if isinstance(record, Patient) and patch.type == "Patient" and isinstance(record.merged_with_patient, Link):
        into = record.merged_with_patient.id
        if into is not None and into != patch.native_id:
            fields = patch.fields | {"merged_into": Ref("Patient", into)}
            return structs.replace(patch, operation="merge", fields=fields, into=into, references=None)
    if patch.type in {"Appointment", "Unavailability"}:
        business = getattr(record, "business", None)
        zone = config.zones.get(business.id or "") if isinstance(business, Link) else None
        words = {"zone": zone or told.zone, "type": told.type if patch.type == "Appointment" else ""}
        return structs.replace(patch, fields=patch.fields | {name: word for name, word in words.items() if word})
    return patch
