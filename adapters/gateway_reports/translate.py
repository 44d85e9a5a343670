"""Rows to patches: the mapping says which column becomes what, this reads dates and amounts as people write them."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from msgspec import Struct

from gateway.errors import InvalidConfiguration
from gateway.model.null import NULL
from gateway.model.patch import Normalized
from gateway_reports.records_columns import AGED
from gateway_reports.records_row import Row, read_row

if TYPE_CHECKING:
    from gateway.mapping import Mapping

_PLACE = re.compile(r"(@?[a-z_]+)(?::(time|money))?\Z")
_OURS: dict[str, Callable[[Row], str]] = {
    "@key": lambda row: row.key,
    "@patient": lambda row: row.patient,
    "@person": lambda row: "" if row.values.get("patient_number") else row.person,
    "@policy": lambda row: f"member/{row.patient}" if row.values.get("member_number") else "",
}
CONTACTS = (
    ("mobile_phone", "phone", "mobile"),
    ("home_phone", "phone", "home"),
    ("work_phone", "phone", "work"),
    ("email", "email", ""),
)
_SLASHED = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})(.*)\Z", re.ASCII | re.DOTALL)
_CLOCK = re.compile(
    r"[ T,]*(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?(?: ?([AaPp])\.?[Mm]\.?)?\s*(Z|[+-]\d{2}:?\d{2})?\Z", re.ASCII
)
_DAY = re.compile(r"(\d{4}-\d{2}-\d{2})(.*)\Z", re.ASCII | re.DOTALL)
_SERIAL = re.compile(r"\d{5}(\.\d+)?\Z", re.ASCII)
_MONEY = re.compile(r"\(?-?\$?[\d,]*\.?\d*\)?\Z", re.ASCII)
_EPOCH = datetime(1899, 12, 30)  # noqa: DTZ001 - a workbook's clock has no zone
_COUNTED = frozenset({"id", "patient_number", "invoice_number", "policy_number", "claim_number"})


class Part(Struct, frozen=True):
    """A part of a row, read as a row is: one way to reach a patient, one part of what is owed."""

    values: dict[str, str]


def path(text: str) -> Callable[[object], Any]:
    """A reader of one column; an empty field is NULL, for a row tells all that there is.

    ``:time`` reads dates as people and workbooks write them, ``:money`` takes dollar signs and commas away.
    """
    name = text.removeprefix(".")
    if name == "itself":
        return lambda record: [record]
    if name == "contacts":
        return lambda record: _contacts(cast("Row", record))
    if name == "aged":
        return lambda record: _aged(cast("Row", record))
    match = _PLACE.match(name)
    if match is None or (name.startswith("@") and name not in _OURS):
        raise InvalidConfiguration(
            "A mapping names a place that is no column", where=name[:64],
            fix="Write the column's name in small letters with underscores, or one of " + ", ".join(_OURS) + ".",
        )  # fmt: skip
    column, way = match.groups()
    if own := _OURS.get(column):
        return lambda record: own(cast("Row", record)) or None

    def read(record: Any) -> Any:
        value = record.values.get(column)
        if value is None:
            return None
        if not value:
            return NULL
        return amount(value) if way == "money" else moment(value, record.context.order) if way == "time" else value

    return read


def moment(text: str, order: str) -> str:
    """A date or time in ISO form: with slashes and AM or PM, with an offset behind a space, or a workbook's number."""
    if _SERIAL.match(text):
        at = _EPOCH + timedelta(days=float(text))
        return (at + timedelta(milliseconds=500)).isoformat(timespec="seconds")
    day, rest = "", ""
    if slashed := _SLASHED.match(text):
        first, second, year, rest = slashed.groups()
        month, number = (first, second) if order == "mdy" else (second, first)
        day = f"{year}-{int(month):02}-{int(number):02}"
    elif plain := _DAY.match(text):
        day, rest = plain.groups()
    if not rest.strip() or not day:
        return day or text
    clock = _CLOCK.match(rest)
    if clock is None:
        return text
    hour, minute, second_, half, offset = clock.groups()
    at_hour = int(hour) % 12 + 12 * (half in "Pp") if half else int(hour)
    zone = f"{offset[:3]}:{offset[-2:]}" if offset and offset != "Z" else offset or ""
    return f"{day}T{at_hour:02}:{minute}:{second_ or '00'}{zone}"


def amount(text: str) -> str:
    """An amount as people format it, without sign and commas; parentheses are a minus."""
    if _MONEY.match(text) is None:
        return text
    bare = text.translate({ord(sign): None for sign in "$,()"})
    return f"-{bare}" if text.startswith("(") else bare


def normalizer(mapping: Mapping) -> Callable[[bytes, bytes], Normalized]:
    """A pure function from a row and its context to patches."""
    covered = {kind: frozenset(_columns(mapping, kind)) for kind in mapping.kinds}

    def normalize(body: bytes, context: bytes) -> Normalized:
        row = read_row(body, context)
        report = row.context.report
        if report not in covered:
            return Normalized(suppressed="unmapped-report")
        known = covered[report]
        residue = tuple(name for name, value in row.values.items() if value and name not in known)
        patches = mapping.patches(report, row)
        return Normalized(patches=patches, residue=residue, suppressed=None if patches else "no-record")

    return normalize


def _columns(mapping: Mapping, kind: str) -> set[str]:
    """The columns that some rule reads, and those that name records."""
    names = {place.partition(":")[0].rpartition(".")[2] for place in mapping.covered(kind)}
    own = {column for column, _, _ in CONTACTS} if "contacts" in names else set()
    own |= AGED.keys() if "aged" in names else set()
    return names | own | _COUNTED | {"patient_name", "patient_first_name", "patient_last_name"}


def _contacts(row: Row) -> Any:
    given = [(row.values.get(name), system, use) for name, system, use in CONTACTS]
    if all(value is None for value, _, _ in given):
        return None
    parts = [{"system": system, "use": use, "value": value} for value, system, use in given if value]
    return [Part(part) for part in parts] or NULL


def _aged(row: Row) -> Any:
    given = [(days, row.values.get(name)) for name, days in AGED.items()]
    if all(value is None for _, value in given):
        return None
    return [Part({"days": str(days), "amount": value}) for days, value in given if value] or NULL
