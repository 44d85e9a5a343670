"""Rows to patches: the mapping says which column becomes what, this reads columns and says what no rule read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from gateway.errors import InvalidConfiguration
from gateway.model.null import NULL, Null
from gateway.model.patch import Normalized
from gateway_webpt.records_row import SUMMARY, Row, iso, read_row

if TYPE_CHECKING:
    from gateway.mapping import Mapping
    from gateway.mapping.generator import Writer

_PLACE = re.compile(r"(@?[a-z0-9_]+)(?::(time|day|money))?\Z")
_OURS = {f"@{name}": name for name in ("key", "visit", "patient", "person", "version", "night")}
"""Places that are no columns, by what a row calls them."""
_NUMBERS = (("cell_phone", "phone", "mobile"), ("home_phone", "phone", "home"), ("work_phone", "phone", "work"))
CONTACTS = (*_NUMBERS, ("email", "email", ""))


class Contact(Struct, frozen=True):
    """One way to reach a patient, read as a row is."""

    said: dict[str, str | Null]


def _contacts(record: Any) -> Any:
    given = [(record.column(name), system, use) for name, system, use in CONTACTS]
    if all(value is None for value, _, _ in given):
        return None
    parts = [{"system": system, "use": use or NULL, "value": value} for value, system, use in given if value]
    return [Contact(part) for part in parts] or NULL


_LISTED: dict[str, Callable[[Any], Any]] = {"itself": lambda record: [record], "contacts": _contacts}
_DIGITS = "0123456789"
_SIGNS = str.maketrans("", "", "$,()")
_MONEY = re.compile(r"\(?-?\$?[\d,]*\.?\d*\)?\Z")


def path(text: str) -> Callable[[object], Any]:
    """A reader of one column; an empty field is NULL, for a row tells all that there is.

    ``:time`` reads dates with slashes, ``:day`` makes a day its first moment, ``:money`` takes dollar signs and commas
    away.
    """
    name = text.removeprefix(".")
    if name in _LISTED:
        return _LISTED[name]
    match = _PLACE.match(name)
    if match is None or (name.startswith("@") and name not in _OURS):
        raise InvalidConfiguration(
            "A mapping names a place that is no column", where=name[:64],
            fix="Write the column's name in small letters with underscores, or one of " + ", ".join(_OURS) + ".",
        )  # fmt: skip
    column, way = match[1], match[2]
    own = _OURS.get(column)
    if own is not None:
        return _inlined(lambda record: getattr(record, own) or None, own=own)

    def read(record: Any) -> Any:
        return record.said.get(column)

    if way is None:
        return _inlined(read, column)
    convert = _WAYS[way]

    def read_in_a_way(record: Any) -> Any:
        value = record.said.get(column)
        return value if value is None or value is NULL else convert(value, record.shape.context.order)

    return _inlined(read_in_a_way, column, convert)


def _inlined(
    read: Callable[[Any], Any], column: str = "", convert: Callable[[str, str], str] | None = None, own: str = ""
) -> Callable[[Any], Any]:
    """A reader that is written into the generated function: once for a record, whatever number of rules reads it."""

    def once(writer: Writer, record: str) -> str:
        def write() -> str:
            if own:
                return _assigned(writer, f"{record}.{own} or None")
            value = writer.fresh()
            said = writer.once(record, "said", lambda: _assigned(writer, f"{record}.said"))
            writer.line(f"{value} = {said}.get({writer.constant(column)})")
            if convert is not None:
                order = writer.once(record, "order", lambda: _assigned(writer, f"{record}.shape.context.order"))
                made = f"{writer.constant(convert)}({value}, {order})"
                writer.line(f"if {value} is not None and {value} is not NULL: {value} = {made}")
            return value

        return writer.once(record, (column, convert, own), write)

    # Functions take attributes; mypy knows none of them.
    read.inline = once  # type: ignore[attr-defined]  # see above
    read.trimmed = convert is not _WAYS["money"]  # type: ignore[attr-defined]  # see above
    return read


def _assigned(writer: Writer, expression: str) -> str:
    name = writer.fresh()
    writer.line(f"{name} = {expression}")
    return name


def moment(text: str, order: str) -> str:
    """A date or time in ISO form; a day is its first moment."""
    found = iso(text, order)
    return f"{found} 00:00:00" if len(found) == 10 else found


def plain_amount(text: str) -> str:
    """An amount as people format it, without sign and commas; parentheses are a minus."""
    if (text[0] in _DIGITS and "," not in text) or _MONEY.match(text) is None:
        return text
    bare = text.translate(_SIGNS)
    return f"-{bare}" if text.startswith("(") else bare


_WAYS: dict[str, Callable[[str, str], str]] = {
    "time": iso, "day": moment, "money": lambda text, _order: plain_amount(text),
}  # fmt: skip
"""What a column's text becomes, given the order of its file's dates."""


def _columns(places: Iterable[str]) -> Iterator[str]:
    """The columns behind the places that rules read."""
    for place in places:
        name = place.partition(":")[0].rpartition(".")[2]
        if name == "contacts":
            yield from (column for column, _, _ in CONTACTS)
        yield name


Places = tuple[tuple[str, int], ...]
"""Columns by name, and where they stand."""


def normalizer(mapping: Mapping) -> Callable[[bytes, bytes], Normalized]:
    """A pure function from a row and its context to patches."""
    covered = {kind: frozenset(_columns(mapping.covered(kind))) for kind in mapping.kinds}
    known: dict[bytes, tuple[Places, Places]] = {}

    def parted(row: Row, context: bytes) -> tuple[Places, Places]:
        """Of a file's columns, those that rules read and those that nothing reads."""
        if len(known) > 64:
            known.clear()
        read, at = covered[row.shape.context.table], row.shape.at.items()
        told = tuple((name, number) for name, number in at if name in read)
        unread = tuple((name, number) for name, number in at if name not in read and name not in _ALWAYS)
        known[context] = told, unread
        return told, unread

    def normalize(body: bytes, context: bytes) -> Normalized:
        row = read_row(body, context)
        table = row.shape.context.table
        if table == SUMMARY:
            return Normalized(suppressed="extract-summary")
        if table not in covered:
            return Normalized(suppressed="unmapped-table")
        told, unread = known.get(context) or parted(row, context)
        row.saying(told)
        residue = tuple([name for name, at in unread if row.cells[at].strip()])
        return Normalized(patches=mapping.patches(table, row), residue=residue)

    return normalize


_ALWAYS = frozenset(
    {
        "appointment_id",
        "patient_id",
        "record_pointer",
        "visit_id",
        "record_id",
        "time_stamp",
        "modified_date",
        "export_flag",
        "client_id",
    }
)
"""Read by this adapter itself, or the export's own bookkeeping."""
