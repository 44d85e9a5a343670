"""A row of a table, with the words a mapping may read it by.

Beside columns there are places of ours: ``@key`` and ``@visit`` (ids that do not collide between twin tables),
``@patient``, ``@version``, ``@night`` and ``@person`` (a patient known by name in reports).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from datetime import date
from functools import lru_cache

import msgspec
from msgspec import Struct

from gateway.errors import InvalidContent, MalformedEnvelope
from gateway.model.exchange import Item
from gateway.model.null import NULL, Null
from gateway.wire.tabular import Line, cells, decoded
from gateway_webpt.records_tables import OTHER, TABLES, Table

SUMMARY, ABSENT = "extract", "absent"
"""Kinds of the messages that this adapter makes itself: what a file came to, and an appointment that is gone."""
_US = re.compile(
    r"(\d{1,2})/(\d{1,2})/(\d{4})(?:[ T]+(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?(?: ?([AaPp])[Mm])?)?\Z", re.ASCII
)


class Context(Struct, frozen=True, omit_defaults=True):
    """What all rows of one file share."""

    table: str
    columns: tuple[str, ...]
    delimiter: str = ","
    night: str = ""
    """The night the file is of: ISO date, with the time where the name tells it; empty when nobody knows."""
    twin: str = ""
    """``2`` for the tables of SOAP 2.0, whose ids may be others' too."""
    order: str = "mdy"
    nulls: tuple[str, ...] = ()
    own_patients: bool = False
    """Its patient ids are not those of the EMR tables."""


class Shape(Struct, frozen=True):
    """A context, ready for reading rows: what does not differ from row to row is found once."""

    context: Context
    table: Table
    at: dict[str, int]
    """Where each column stands; the last of two of one name."""
    keys: tuple[int, ...]
    """Where the columns stand of which the first that holds something names a row."""
    versions: tuple[int, ...]
    """Where the columns stand of which the first that holds something tells how new a row is."""
    patient: int | None
    visit: int | None
    prefix: str
    """What keeps ids of tables apart that count on their own."""
    by_name: bool
    """Its patients are known by name only."""

    @classmethod
    def of(cls, context: Context) -> Shape:
        """The shape of a file's rows."""
        table = TABLES.get(context.table, OTHER)
        at = {name: number for number, name in enumerate(context.columns)}
        return cls(
            context, table, at,
            keys=tuple(at[name] for name in table.key if name in at),
            versions=tuple(at[name] for name in table.version if name in at),
            patient=at.get(table.patient), visit=at.get("visit_id"),
            prefix="revflow/" if table.revflow else f"soap{context.twin}/" if context.twin else "",
            by_name="patient_name" in at and "patient_id" not in at,
        )  # fmt: skip


class Row(Struct, gc=False):
    """One row of a table, as wide as its header."""

    shape: Shape
    cells: list[str]
    """As they stand, in the order of the columns; empty where a word stands that means nothing."""
    body: bytes
    _said: dict[str, str | Null] | None = None

    @classmethod
    def of(cls, shape: Shape, cells: list[str], body: bytes) -> Row:
        """A row by its fields, in the order of the columns."""
        if nulls := shape.context.nulls:
            cells = ["" if cell.strip() in nulls else cell for cell in cells]
        return cls(shape, cells, body)

    @property
    def said(self) -> dict[str, str | Null]:
        """What the row says of each column: text without white space around it, or that there is nothing.

        Made when it is first asked for: cutting a file asks for a few columns of each row only.
        """
        found = self._said
        return self.saying(self.shape.at.items()) if found is None else found

    def saying(self, columns: Iterable[tuple[str, int]]) -> dict[str, str | Null]:
        """What the row says, for readers of these columns only: their names, and where they stand."""
        cells = self.cells
        self._said = found = {name: cells[at].strip() or NULL for name, at in columns}
        return found

    @property
    def values(self) -> dict[str, str]:
        """What each column holds, without white space around it."""
        return dict(zip(self.shape.context.columns, map(str.strip, self.cells), strict=True))

    def column(self, name: str) -> str | None:
        """What a column holds; empty text when nothing, None when there is no such column."""
        at = self.shape.at.get(name)
        return None if at is None else self.cells[at].strip()

    @property
    def key(self) -> str:
        """What names the row in its table; for a report, its digest."""
        shape = self.shape
        for at in shape.keys:
            if own := self.cells[at].strip():
                return shape.prefix + own if shape.prefix else own
        if shape.context.table == "documented_units":
            parts = (self.column(name) or "" for name in ("visit_id", "cpt_code", "modifier"))
            return "report/" + "/".join(parts)
        return "" if shape.table.key else f"row/{self.digest}"

    @property
    def visit(self) -> str:
        """The visit it tells of; empty when none."""
        at = self.shape.visit
        found = "" if at is None else self.cells[at].strip()
        return self.shape.prefix + found if found else ""

    @property
    def patient(self) -> str:
        """Whose row it is, as the source names them; empty when nobody's."""
        shape, at = self.shape, self.shape.patient
        if at is not None and (own := self.cells[at].strip()):
            return f"revflow/{own}" if shape.context.own_patients else own
        return self.person if shape.by_name else ""

    @property
    def person(self) -> str:
        """A patient that a report knows by name only, with birth date or case to tell two of one name apart."""
        name = self.column("patient_name")
        if not name or not self.shape.by_name:
            return ""
        also = self.column("patient_dob") or self.column("case_name") or ""
        return f"report/{' '.join(name.casefold().split())}/{also}"

    @property
    def version(self) -> str:
        """How new the row is: its night, then its own time; what is greater as text is newer."""
        context = self.shape.context
        for at in self.shape.versions:
            if own := self.cells[at].strip():
                own = iso(own, context.order)
                return f"{context.night or own} {own}"
        return context.night

    @property
    def night(self) -> str:
        """The night of its file; its own version where nobody knows."""
        return self.shape.context.night or self.version

    @property
    def digest(self) -> str:
        """Of its bytes: tells whether the row changed."""
        return hashlib.blake2b(self.body, digest_size=8).hexdigest()

    def item(self, context: bytes, line: Line) -> Item:
        """The message to store."""
        shown = self.digest if self.shape.table.personal or not self.shape.table.key else self.key
        name = self.shape.context.table
        return Item(
            body=self.body, kind=name, control_id=f"{name}:{shown}:{self.version}",
            order_key=self.patient or None, context=context, offset=line.offset,
        )  # fmt: skip


@lru_cache(maxsize=64)
def shape_of(context: bytes) -> Shape:
    """A context as it was stored. Raises ``MalformedEnvelope`` when it is none."""
    try:
        read = msgspec.json.decode(context, type=Context)
    except msgspec.DecodeError:
        raise MalformedEnvelope("no-context", "The row's table is not known", where="context") from None
    return Shape.of(read)


def read_row(body: bytes, context: bytes) -> Row:
    """A row as it was stored. Raises ``InvalidContent`` (``row-length``) when it has not the width of its header."""
    shape = shape_of(context)
    found = cells(decoded(body), shape.context.delimiter)
    if len(found) != len(shape.context.columns):
        raise InvalidContent(
            "row-length", f"The row has {len(found)} fields, its header {len(shape.context.columns)}",
            where=shape.context.table, fix="Correct the row and drop it in a file with the same header.",
        )  # fmt: skip
    return Row.of(shape, found, body)


@lru_cache(maxsize=65536)
def iso(text: str, order: str) -> str:
    """A date or time with slashes in ISO form; anything else as it stands."""
    match = _US.match(text)
    if match is None:
        return text
    first, second, year, hour, minute, second_, half = match.groups()
    month, day = (first, second) if order == "mdy" else (second, first)
    made = f"{year}-{int(month):02}-{int(day):02}"
    if hour is None:
        return made
    at = int(hour) % 12 + 12 * (half in "Pp") if half else int(hour)
    return f"{made} {at:02}:{minute}:{second_ or '00'}"


def day_of(text: str) -> date | None:
    """The day of a time in ISO form; None when it is none."""
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        return None
