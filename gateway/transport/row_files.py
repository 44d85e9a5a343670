"""Deliveries to the bytes of files, CSV and NDJSON: pure, so a repeated dispatch has the same names and bytes."""

from __future__ import annotations

import csv
import hashlib
import io
import re
import types
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

import msgspec
from pydantic import AfterValidator

from gateway.errors import RejectMessage
from gateway.model import TYPES
from gateway.model.exchange import Delivery, Dispatch
from gateway.wire.tabular import plain
from gateway.wire.x12_whole import interchange

ENVELOPE = ("key", "change", "type", "record_id", "version", "at", "source", "observed_at")
"""Columns every CSV file begins with; in NDJSON the same names stand beside ``data``."""

_SAFE_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?", re.ASCII)


def _fields_exist(columns: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    for type_name, names in columns.items():
        if type_name not in TYPES:
            raise ValueError(f"there is no record type {type_name!r}; use one of: {', '.join(sorted(TYPES))}")
        declared = TYPES[type_name].__struct_fields__
        if missing := [name for name in names if name not in declared]:
            raise ValueError(f"{type_name} has no field {missing[0]!r}; use any of: {', '.join(declared)}")
    return columns


Format = Literal["ndjson", "csv"]
Columns = Annotated[dict[str, tuple[str, ...]], AfterValidator(_fields_exist)]
"""A setting: the CSV columns by record type."""


class File(NamedTuple):
    """One file of a dispatch, ready to be written."""

    name: str
    rows: int
    body: bytes
    sha256: str

    @property
    def receipt(self) -> str:
        """What a delivery row says of a file that was handed over."""
        return f"{self.name} sha256:{self.sha256}"


class _Line(msgspec.Struct, frozen=True, gc=False):
    key: str
    change: str
    type: str
    record_id: str
    version: int
    at: str
    source: str
    observed_at: str
    data: msgspec.Raw


_lines = msgspec.json.Encoder().encode_lines
_cells = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_text = msgspec.json.Decoder(str).decode


def by_type(dispatch: Dispatch) -> dict[str, list[Delivery]]:
    """The deliveries of each record type, in their order."""
    found: dict[str, list[Delivery]] = {}
    for delivery in dispatch.deliveries:
        found.setdefault(delivery.type, []).append(delivery)
    return found


def compose(
    dispatch: Dispatch, type_name: str, rows: Sequence[Delivery], formats: Sequence[str], columns: Sequence[str]
) -> Iterator[File]:
    """The files of one record type of a dispatch; named after both, so a repeat has the same names."""
    for suffix in formats:
        body = ndjson(rows) if suffix == "ndjson" else spreadsheet(type_name, rows, columns)
        name = f"{_safe(type_name)}-{_safe(dispatch.id)}.{suffix}"
        yield File(name, len(rows), body, hashlib.sha256(body).hexdigest())


def _safe(name: str) -> str:
    return name if _SAFE_NAME.fullmatch(name) else hashlib.sha256(name.encode()).hexdigest()


def raw_files(dispatch: Dispatch) -> Iterator[tuple[str, File]]:
    """What deliveries were made of, as received, with the delivery's key: a file each, named after its version.

    X12 is put together as an interchange; any other message is its own bytes.
    """
    for delivery in dispatch.deliveries:
        if not delivery.raw:
            continue
        suffix, body = "raw", delivery.raw[0].body
        with suppress(RejectMessage):
            suffix, body = "x12", interchange(delivery.raw)
        name = f"{_safe(delivery.type)}-{_safe(delivery.record_id)}-{delivery.version}.{suffix}"
        yield delivery.key, File(name, len(delivery.raw), body, hashlib.sha256(body).hexdigest())


def files_of(
    dispatch: Dispatch, formats: Sequence[str], chosen: Mapping[str, Sequence[str]]
) -> Iterator[tuple[str, File]]:
    """Every file of a dispatch with its record type, the types in the order of their first delivery."""
    for type_name, rows in by_type(dispatch).items():
        for file in compose(dispatch, type_name, rows, formats, columns_of(type_name, rows, chosen)):
            yield type_name, file


def ndjson(rows: Sequence[Delivery]) -> bytes:
    """One JSON object a line: the envelope, and the record as ``data`` exactly as the view made it."""
    return _lines([
        _Line(row.key, row.change, row.type, row.record_id, row.version, row.at, row.source, row.observed_at,
              msgspec.Raw(_one_line(row.body)))
        for row in rows
    ])  # fmt: skip  # the envelope reads as one line


def _one_line(body: bytes) -> bytes:
    """JSON strings hold no bare line ends, so one can only be white space between tokens."""
    return body.replace(b"\n", b" ").replace(b"\r", b" ") if b"\n" in body or b"\r" in body else body


def spreadsheet(type_name: str, rows: Sequence[Delivery], columns: Sequence[str]) -> bytes:
    """CSV by RFC 4180, in UTF-8: the envelope, then ``columns``; nested values as JSON text.

    Text that a spreadsheet would run as a formula gets a ``'`` before it; amounts and counts stay numbers, whatever
    their sign.
    """
    numbers = _numeric(type_name)
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow((*ENVELOPE, *columns))
    for row in rows:
        cells = _cells(row.body)
        writer.writerow(
            (
                *(plain(str(getattr(row, name))) for name in ENVELOPE),
                *(_cell(cells.get(name), name in numbers) for name in columns),
            )
        )
    return out.getvalue().encode("utf-8", "backslashreplace")


def columns_of(type_name: str, rows: Sequence[Delivery], chosen: Mapping[str, Sequence[str]]) -> Sequence[str]:
    """The CSV columns of a record type, the same in every file: as chosen, or every field the model declares."""
    if type_name in chosen:
        return chosen[type_name]
    if type_name in TYPES:
        return TYPES[type_name].__struct_fields__
    return sorted({name.partition(".")[0] for row in rows for name in row.fields})


def _cell(value: msgspec.Raw | None, is_number: bool) -> str:
    if value is None:
        return ""
    raw = bytes(value)
    if raw == b"null":
        return ""
    if raw[:1] != b'"':
        return raw.decode()  # a number, true, false, or nested JSON: none of them begins like a formula but "-5"
    text = _text(raw)
    return text if is_number and _NUMBER.fullmatch(text) else plain(text)


@cache
def _numeric(type_name: str) -> frozenset[str]:
    """Fields whose text in JSON is a number (Decimal is text there, so that no reader makes a float of it)."""
    if type_name not in TYPES:
        return frozenset()
    fields = msgspec.structs.fields(TYPES[type_name])
    return frozenset(field.name for field in fields if _is_number(field.type))


def _is_number(annotation: Any) -> bool:
    origin = get_origin(annotation)
    if origin is Annotated:
        return _is_number(get_args(annotation)[0])
    if origin in {Union, types.UnionType}:
        return any(_is_number(part) for part in get_args(annotation))
    return annotation in {Decimal, int, float}
