"""Source records to patches: the mapping says which field becomes what, this says what a whole item means."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from msgspec import UNSET, Struct, structs

from gateway.errors import InvalidConfiguration
from gateway.model.identity import Ref
from gateway.model.null import NULL
from gateway.model.patch import Normalized, Patch
from gateway_cliniko.records import KINDS, Contact, IndividualAppointment, Link, Patient, Resource, decode, keys

if TYPE_CHECKING:
    from gateway.mapping import Mapping
    from gateway_cliniko.config import ClinikoConfig

DERIVED = {"telecom": ("email", "email_reply_to", "patient_phone_numbers"), "itself": ()}
"""Places a mapping may repeat over (`each`), with the API's fields that each is made of."""
_READ_HERE = frozenset({"links", "merged_with_patient"})
_STRUCTS: tuple[type[Struct], ...] = (*KINDS.values(), Contact)
_NAMES = {field.name for struct in _STRUCTS for field in structs.fields(struct)} | DERIVED.keys()
_EMPTY = (b"null", b'""', b"[]", b"{}", b"false")


def path(name: str) -> Callable[[object], Any]:
    """A reader of one field: its text, NULL for a JSON null or an empty text, None when absent, or sub-records."""
    name = name.removeprefix(".")  # a dot says that the place is within a repetition
    if name not in _NAMES:
        raise InvalidConfiguration(
            "A mapping names a field that this adapter does not read",
            where=name[:64],
            fix="Compare it with records.py.",
        )

    def read(record: object) -> Any:
        value = getattr(record, name, UNSET)
        if isinstance(value, Link):
            value = value.id
        if value is UNSET:
            return None
        if value is None or value == "":
            return NULL
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, list):
            return value or NULL
        return str(value)

    return read


def normalizer(config: ClinikoConfig, mapping: Mapping) -> Callable[[bytes, bytes], Normalized]:
    """A pure function from one item's bytes, with its resource's name as context, to patches."""
    read = {
        kind: _READ_HERE.union(*(DERIVED.get(name, (name.removeprefix("itself."),)) for name in mapping.covered(kind)))
        for kind in KINDS
    }

    def normalize(body: bytes, context: bytes) -> Normalized:
        kind = context.decode("ascii", "replace")
        record = decode(kind, body)
        patches = tuple(_meant(patch, record, config) for patch in mapping.patches(kind, record))
        return Normalized(patches=patches, residue=tuple(name for name in _filled(body) if name not in read[kind]))

    return normalize


def _meant(patch: Patch, record: Resource, config: ClinikoConfig) -> Patch:
    """What a mapping cannot say: that a patient was merged into another, and a zone looked up by business."""
    if isinstance(record, Patient) and isinstance(record.merged_with_patient, Link):
        into = record.merged_with_patient.id
        if patch.operation == "upsert" and into is not None and into != patch.native_id:
            fields = patch.fields | {"merged_into": Ref("Patient", into)}
            return structs.replace(patch, operation="merge", fields=fields, into=into)
    if isinstance(record, IndividualAppointment) and isinstance(record.business, Link):
        zone = config.zones.get(record.business.id or "")
        if zone and patch.operation == "upsert":
            return structs.replace(patch, fields=patch.fields | {"zone": zone})
    return patch


def _filled(body: bytes) -> Iterator[str]:
    """Names of the item's own top-level fields that hold something; relationships are navigation, not content."""
    for name, value in keys(body).items():
        raw = bytes(value)
        if raw not in _EMPTY and not raw.startswith(b'{"links"'):
            yield name
