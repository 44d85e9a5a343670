"""Tables as people export them: delimiter, quoting and encoding by evidence, rows with their line numbers, one by one.

Bytes in, rows out. A row keeps its bytes as they came, so that what is stored is what was sent; only UTF-16 is turned
to UTF-8 on the way. A row that cannot be one is told and the next begins on the next line: a stray quote does not
swallow the rest of a file.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct

from gateway.errors import InvalidContent, MalformedEnvelope

HEAD = 4096
"""So many bytes are enough to sniff."""
_DELIMITERS = ",\t;|"
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_NOT_A_WORD = re.compile(r"[^a-z0-9]+")
_QUOTE = b'"'
# What spreadsheets run, or strip before they look: the ASCII signs, their full-width twins, and control characters.
_FORMULA = re.compile(r"[\s\x00-\x1f\ufeff\u200b]*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n\x00]")


class TableLimits(Struct, frozen=True, kw_only=True):
    """How much of a table is believed."""

    row_bytes: int = 256 * 1024
    row_lines: int = 200
    """Lines that one quoted field may reach over."""
    columns: int = 500


DEFAULT_LIMITS = TableLimits()


class Dialect(Struct, frozen=True):
    """How a table is written."""

    encoding: str
    """``utf-8`` (with rows of Windows-1252 among them), ``utf-16-le`` or ``utf-16-be``."""
    delimiter: str
    newline: bytes = b"\n"
    start: int = 0
    """Length of the byte order mark."""


class Line(NamedTuple):
    """One row as it stands: ``body`` in the file's bytes, without its line end."""

    number: int
    offset: int
    body: bytes


class Broken(NamedTuple):
    """Bytes that are no row, and why."""

    line: Line
    reason: str


class Heading(Struct, frozen=True):
    """What a header row says, compared with the columns that are declared."""

    names: tuple[str, ...]
    """One for each column: the declared name where it is known, else the header's own in normal form."""
    found: frozenset[str]
    missing: tuple[str, ...]
    """Declared columns that are not there, in the order of their declaration."""
    unknown: tuple[str, ...]
    """Columns that nothing declares, in normal form."""


def sniff(head: bytes, *, delimiter: str = "", encoding: str = "") -> Dialect:
    """How a table that begins with ``head`` is written; what is given is not guessed."""
    start, found = 0, ""
    for mark, name in _BOMS:
        if head.startswith(mark):
            start, found = len(mark), name
    if not found and head[1:2] == b"\0":
        found = "utf-16-le"
    elif not found and head[:1] == b"\0":
        found = "utf-16-be"
    encoding = encoding or found or "utf-8"
    text = decoded(head[start:], encoding)
    newline = b"\r" if "\n" not in text and "\r" in text else b"\n"
    first = re.split(r"[\r\n]", text.lstrip("\r\n"), maxsplit=1)[0]
    outside = re.sub(r'"[^"]*"', "", first)
    best = max(_DELIMITERS, key=outside.count)
    return Dialect(encoding, delimiter or (best if best in outside else ","), newline, start)


def decoded(body: bytes, encoding: str = "utf-8") -> str:
    """The text of a row: UTF-8, or Windows-1252 where it is none; its five unused bytes become replacement signs."""
    if encoding.startswith("utf-16"):
        return body.decode(encoding, "replace")
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body.decode("cp1252", "replace")


def cells(text: str, delimiter: str) -> list[str]:
    """The fields of one row, unquoted. Raises ``InvalidContent`` (``broken-row``) when its quotes do not fit."""
    if '"' not in text:
        return text.split(delimiter)
    try:
        return next(csv.reader([text], delimiter=delimiter), [])
    except csv.Error:
        raise InvalidContent(
            "broken-row", "The row's quotes do not fit", where="row", fix="Ask for the file anew, or mend the row."
        ) from None


def lines(chunks: Iterable[bytes], dialect: Dialect, limits: TableLimits = DEFAULT_LIMITS) -> Iterator[Line | Broken]:
    """Rows that hold anything, in bounded memory; quoted line breaks are part of a row."""
    waiting: deque[Line] = deque()
    held: list[Line] = []
    size = 0
    source = _physical(chunks, dialect, limits)
    while True:
        line = waiting.popleft() if waiting else next(source, None)
        if line is not None and not held and (_QUOTE not in line.body or not _is_open(line.body, dialect.delimiter)):
            if len(line.body) > limits.row_bytes:
                yield Broken(line._replace(body=line.body[: limits.row_bytes]), "row-too-long")
            elif line.body.strip():
                yield line
            continue
        if line is not None:
            held.append(line)
            size += len(line.body) + 1
            if _QUOTE not in line.body or len(held) == 1:
                closed = False
            else:
                closed = not _is_open(_joined(held), dialect.delimiter)
            if closed:
                yield held[0]._replace(body=_joined(held))
                held, size = [], 0
                continue
        if held and (line is None or size > limits.row_bytes or len(held) > limits.row_lines):
            yield Broken(held[0]._replace(body=held[0].body[: limits.row_bytes]), "quote-not-closed")
            waiting.extendleft(reversed(held[1:]))
            held, size = [], 0
        elif line is None:
            return


def heading(header: Sequence[str], declared: Mapping[str, Sequence[str]]) -> Heading:
    """Recognize columns by name, whatever their case and punctuation; each declared column has alternative names.

    Raises ``MalformedEnvelope`` when the header is none: a name is empty throughout, or a known column stands twice.
    """
    by_name = {normal(name): column for column, others in declared.items() for name in (column, *others)}
    names, found, unknown = [], set[str](), []
    for at, written in enumerate(header):
        own = normal(written) or f"column_{at + 1}"
        column = by_name.get(own)
        if column is None:
            unknown.append(own)
        elif column in found:
            raise MalformedEnvelope(
                "column-twice", "A column stands twice in the header", where=column, fix="Remove one of them."
            )
        else:
            found.add(column)
        names.append(column or own)
    missing = tuple(column for column in declared if column not in found)
    return Heading(tuple(names), frozenset(found), missing, tuple(unknown))


def normal(name: str) -> str:
    """A column's name in small letters, with one underscore between its words."""
    return _NOT_A_WORD.sub("_", name.strip().lower()).strip("_")


def plain(text: str) -> str:
    """Text that a spreadsheet shows and does not run."""
    return f"'{text}" if _FORMULA.match(text) else text


def _is_open(body: bytes, delimiter: str) -> bool:
    """Whether a quoted field goes on behind the end of this line; a quote inside a plain field is a character."""
    if body.count(_QUOTE) % 2 == 0:
        return False
    reader = csv.reader(iter([decoded(body), ""]), delimiter=delimiter)
    try:
        next(reader)
    except csv.Error:
        return False
    return reader.line_num > 1


def _joined(held: Sequence[Line]) -> bytes:
    return b"\n".join(line.body for line in held)


def _physical(chunks: Iterable[bytes], dialect: Dialect, limits: TableLimits) -> Iterator[Line]:
    """Lines without their ends; what goes on past the limit is cut off there, and the line is still one."""
    number, offset = 0, dialect.start
    tail = b""
    for chunk in _as_bytes(chunks, dialect):
        parts = (tail + chunk).split(dialect.newline)
        tail = parts.pop()
        for part in parts:
            number += 1
            yield Line(number, offset, part.rstrip(b"\r"))
            offset += len(part) + 1
        if len(tail) > 2 * limits.row_bytes:
            cut = len(tail) - limits.row_bytes - 1
            tail, offset = tail[: limits.row_bytes + 1], offset + cut
    if tail:
        yield Line(number + 1, offset, tail.rstrip(b"\r"))


def _as_bytes(chunks: Iterable[bytes], dialect: Dialect) -> Iterator[bytes]:
    """The chunks without the byte order mark, turned to UTF-8 when they are UTF-16."""
    decoder = codecs.getincrementaldecoder(dialect.encoding)("replace") if "16" in dialect.encoding else None
    skip = dialect.start
    for chunk in chunks:
        rest = chunk[skip:] if skip else chunk
        skip -= len(chunk) - len(rest)
        yield decoder.decode(rest).encode("utf-8", "replace") if decoder else rest
    if decoder:
        yield decoder.decode(b"", final=True).encode("utf-8", "replace")
