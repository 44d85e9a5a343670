"""Files to rows: the table is recognized by its header, and each row becomes one message in the bytes of its file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from itertools import chain
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from gateway.errors import InvalidContent, MalformedEnvelope, RejectMessage
from gateway.model.exchange import Finding, Item
from gateway.wire import xlsx
from gateway.wire.tabular import HEAD, Broken, Heading, Line, cells, decoded, lines, sniff
from gateway_webpt.records_row import Context, Row, Shape, shape_of
from gateway_webpt.records_tables import OTHER, TABLES, likeliest, recognized

if TYPE_CHECKING:
    from gateway_webpt.config import WebptConfig

_NIGHT = re.compile(r"(20\d\d)[-_.]?(0[1-9]|1[0-2])[-_.]?(0[1-9]|[12]\d|3[01])(?:[-_.T]?([0-2]\d)[-_.:]?([0-5]\d))?")
_TWIN = re.compile(r"soap[-_. ]?v?([12])(?:[-_. ]?0)?", re.IGNORECASE)


class Origin(Struct, frozen=True):
    """What a file's name says, and the settings say of the name."""

    table: str = ""
    night: str = ""
    twin: str = ""


UNNAMED = Origin()


class Opened(Struct):
    """A file whose header was read."""

    shape: Shape
    context: bytes
    heading: Heading
    lines: Iterator[Line | Broken]


def open_file(chunks: Iterable[bytes], config: WebptConfig, origin: Origin) -> Opened | None:
    """Read the header; None for a file without any row: a twin that the clinic does not use.

    Raises ``MalformedEnvelope`` when the header is of no table.
    """
    chunks = iter(chunks)
    head = next(chunks, b"")
    if head.startswith(xlsx.MAGIC):
        delimiter, found = ",", _sheet(head, chunks)
    else:
        while len(head) < HEAD and (more := next(chunks, b"")):
            head += more
        dialect = sniff(head[:65536], delimiter=config.delimiter, encoding=config.encoding)
        delimiter, found = dialect.delimiter, lines(chain((head,), chunks), dialect)
    header = next((line for line in found if isinstance(line, Line)), None)
    if header is None:
        return None
    names = cells(decoded(header.body), delimiter)
    known = recognized(names, origin.table)
    if known is None:
        name, missing = likeliest(names)
        if missing:
            raise MalformedEnvelope(
                "columns-missing", f"The header lacks columns of {name}: {', '.join(missing)}", where="line 1",
                fix=f"Export it with {', '.join(missing)} and the header row, or name its table under `tables`.",
            )  # fmt: skip
        raise MalformedEnvelope(
            "no-table", "The header is of no table and no report that is known", where="line 1",
            fix="Name the table of such files under `tables`, and export with the header row.",
        )  # fmt: skip
    name, heading = known
    table = TABLES.get(name, OTHER)
    twin = "" if config.soap_versions_share_ids or origin.twin != "2" else "2"
    own = table.revflow and not (config.revflow_patient_ids_are_emr and table.patient == "patient_id")
    context = Context(
        name, heading.names, delimiter, origin.night, twin, config.date_order, config.null_words, own_patients=own
    )
    encoded = msgspec.json.encode(context)
    return Opened(shape_of(encoded), encoded, heading, found)


def rows(opened: Opened) -> Iterator[tuple[Row, Line] | Finding]:
    """The rows of a file; one that cannot be read becomes a finding with its line."""
    shape, width = opened.shape, len(opened.shape.context.columns)
    name, delimiter = shape.context.table, shape.context.delimiter
    for line in opened.lines:
        if isinstance(line, Broken):
            yield Finding(
                reason=line.reason, what="a row cannot be read", where=f"{name} line {line.line.number}",
                fix="correct the row and drop it in a file with the same header", body=line.line.body,
            )  # fmt: skip
            continue
        try:
            found = cells(decoded(line.body), delimiter)
        except InvalidContent:
            found = []
        if len(found) == width and (row := Row.of(shape, found, line.body)).key:
            yield row, line
            continue
        reason, what, cure = "row-length", f"a row has {len(found)} fields, its header {width}", "correct the row"
        if len(found) == width:
            reason, what, cure = "no-key", "a row has no id", f"fill in {' or '.join(opened.shape.table.key)}"
        yield Finding(
            reason=reason, what=what, where=f"{name} line {line.number}",
            fix=f"{cure} and drop it in a file with the same header", body=line.body,
        )  # fmt: skip


def cut(chunks: Iterable[bytes], config: WebptConfig, origin: Origin = UNNAMED) -> Iterator[Item | Finding]:
    """One message per row."""
    try:
        opened = open_file(chunks, config, origin)
        if opened is None:
            return
        for found in rows(opened):
            yield found if isinstance(found, Finding) else found[0].item(opened.context, found[1])
    except RejectMessage as error:
        yield Finding(reason=error.reason, what=error.what, where=error.where, fix=error.fix)


def origin_of(name: str, tables: dict[str, str]) -> Origin:
    """What a file's name tells: its night, which twin it is, and its table where the settings say so."""
    night, twin = _NIGHT.search(name), _TWIN.search(name)
    table = next((table for pattern, table in tables.items() if fnmatch(name.lower(), pattern.lower())), "")
    if night is None:
        return Origin(table, "", twin[1] if twin else "")
    year, month, day, hour, minute = night.groups()
    at = f"{year}-{month}-{day}" + (f"T{hour}:{minute}" if hour else "")
    return Origin(table, at, twin[1] if twin else "")


def is_table(head: bytes) -> bool:
    """Whether a file begins with the header of a published table or report; other files and workbooks must be named.

    Other systems export patients and clinics under the same plain column names.
    """
    try:
        dialect = sniff(head)
        first = next(iter(lines([head], dialect)), None)
        known = None if not isinstance(first, Line) else recognized(cells(decoded(first.body), dialect.delimiter))
    except RejectMessage:
        return False
    return known is not None and bool(TABLES.get(known[0], OTHER).confirmed)


def _sheet(head: bytes, chunks: Iterator[bytes]) -> Iterator[Line | Broken]:
    data = bytearray(head)
    for chunk in chunks:
        data += chunk
        if len(data) > xlsx.DEFAULT_LIMITS.bytes:
            break
    for number, body in enumerate(xlsx.rows(bytes(data)), 1):
        yield Line(number, 0, body)
