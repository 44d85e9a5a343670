"""Source records to patches: the mapping says which field becomes what, this says what a whole item means."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from gateway.errors import InvalidConfiguration, InvalidContent
from gateway.model.null import NULL
from gateway.model.patch import Normalized
from gateway_spry.records import APPOINTMENT, CARD, EVENTS, KINDS, Context, Record, context, decode

if TYPE_CHECKING:
    from gateway.mapping import Mapping

_NAME = re.compile(r"\.?[a-z][a-z_0-9]{0,63}(\.[a-z][a-z_0-9]{0,63}){0,3}(@epoch)?")
_SILENT = frozenset({"id", "patient_name", "organisation_id", "photo_url", "patient_case_identifier", "patient"})
"""Read here, or said elsewhere as well."""
_TELECOM = (("mobile", "phone", "mobile"), ("secondary_contact", "phone", ""), ("email_address", "email", ""))
MADE: dict[str, tuple[str, ...]] = {
    "telecom": ("patient",),
    "itself": (),
    "remaining": ("authorized_visit_count", "final_consumed_visit_count"),
    "state": (),
    "case_patient": (),
    "case": (),
}
"""Places made here, and the fields behind them."""
_EMPTY: tuple[object, ...] = (None, "", False, [], {})
_CURE = "Correct it at the source, or let a mapping of your own read it otherwise."


def path(text: str) -> Callable[[object], Any]:
    """A reader of one field, nested by dots; ``@epoch`` reads seconds since 1970 as a time in UTC."""
    if _NAME.fullmatch(text) is None:
        raise InvalidConfiguration(
            "A mapping names no field of this API", where=text[:64],
            fix="Use the API's own names with dots between them, such as patient.last_name.",
        )  # fmt: skip
    name, epoch, _ = text.removeprefix(".").partition("@")
    steps = name.split(".")

    def read(record: object) -> Any:
        value = record
        for step in steps:
            if value is None or value is NULL:
                return value
            if not isinstance(value, dict):
                raise InvalidContent(
                    "wrong-type", "The value is of another type than documented", where=name, fix=_CURE
                )
            if step not in value:
                return None
            value = value[step]
            if value is None or value in ("", []):
                value = NULL
        return moment(value, name) if epoch and value not in (None, NULL) else plain(value, name)

    return read


def plain(value: Any, name: str) -> Any:
    """A value as rules read it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, dict):
        raise InvalidContent("wrong-type", "The value is of another type than documented", where=name, fix=_CURE)
    return value


def moment(value: Any, name: str) -> str:
    """Seconds since 1970, sent as text or as a number, in ISO form."""
    text = str(value)
    if re.fullmatch(r"\d{1,11}", text, re.ASCII) is None:
        raise InvalidContent("not-a-time", "The value is not a number of seconds since 1970", where=name, fix=_CURE)
    return datetime.fromtimestamp(int(text), UTC).isoformat()


def normalizer(mapping: Mapping) -> Callable[[bytes, bytes], Normalized]:
    """A pure function from one message's bytes, with its context, to patches."""
    read = {kind: _SILENT | _fields(kind, mapping) for kind in KINDS}

    def normalize(body: bytes, told: bytes) -> Normalized:
        found = _context(told)
        record = decode(body)
        if found.kind in EVENTS:
            return _notice(found, record, mapping)
        shown = record | _made(found, record)
        patches = tuple(mapping.patches(found.kind, shown))
        known = read[found.kind] | {found.status_field if found.kind == APPOINTMENT else ""}
        residue = tuple(name for name, value in record.items() if name not in known and value not in _EMPTY)
        return Normalized(patches=patches, residue=residue)

    return normalize


def _context(told: bytes) -> Context:
    try:
        found = context(told)
    except msgspec.DecodeError:
        raise InvalidContent("unknown-kind", "The message says not what it is", where="context", fix=_CURE) from None
    if found.kind not in KINDS:
        raise InvalidContent("unknown-kind", "No such item is read from this API", where="kind", fix=_CURE)
    return found


def _notice(found: Context, record: Record, mapping: Mapping) -> Normalized:
    """A webhook says little: what it does say of a record that is known from reading."""
    data = record.get("data")
    if not isinstance(data, dict):
        raise InvalidContent("wrong-type", "The webhook has no data", where="data", fix=_CURE)
    patches = mapping.patches(found.kind, data) if found.kind in mapping.kinds else ()
    telling = tuple(one for one in patches if "status" in one.fields or "active" in one.fields)
    return Normalized(patches=telling, suppressed=None if telling else "notice")


def _made(found: Context, record: Record) -> Record:
    """Places that no single field of the item holds."""
    made: Record = {"itself": [record]}
    if found.kind == APPOINTMENT:
        made["telecom"] = list(_telecom(record.get("patient")))
        if word := record.get(found.status_field):
            made["state"] = word
    if found.kind == CARD:
        made |= {"case_patient": found.patient or None, "case": found.case or None}
    approved, used = record.get("authorized_visit_count"), record.get("final_consumed_visit_count")
    if isinstance(approved, int) and isinstance(used, int):
        made["remaining"] = approved - used
    return made


def _telecom(patient: object) -> list[Record]:
    given = patient if isinstance(patient, dict) else {}
    return [
        {"kind": kind, "use": use, "value": given[name]}
        for name, kind, use in _TELECOM
        if isinstance(given.get(name), str) and given[name]
    ]


def _fields(kind: str, mapping: Mapping) -> frozenset[str]:
    """The fields of an item that some rule reads."""
    if kind not in mapping.kinds:
        return frozenset()
    names = (place.partition(".")[0].partition("@")[0] for place in mapping.covered(kind))
    return frozenset(field for name in names for field in MADE.get(name, (name,))) | (
        frozenset({"final_consumed_visit_count", "authorized_visit_count"})
    )
