"""Fields that an adapter adds because no rule can say them: which places they are made of, and how, for ``explain``.

``added`` of a mapping file is a list of names, or a table that tells of each name what it is made of::

    [added]
    difference = { from = ["CLP-04", "CLP-03", "CAS"], how = "CLP-04 less (CLP-03 less every CAS)" }
    [added.lines]
    each = "SVC"                                  # one item for each of these, with what follows it
    how = "one for each SVC"
    fields.paid = { from = "SVC-03" }

The adapter reads the places, because only it knows its messages; nothing here is asked for unless a mapping is traced.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from msgspec import Struct

if TYPE_CHECKING:
    from gateway.mapping.rules import Parser

KEYS = frozenset({"from", "how", "each", "fields"})


class Step(NamedTuple):
    """One place that a rule read, or a constant that it gave, and what came of it."""

    record: str
    """Record type."""
    field: str
    """``start``, ``name.family``, ``identifiers[0].value``; ``id``, ``patient`` and ``version`` for those rules."""
    path: str
    """The place in the source; empty for a constant."""
    raw: Any
    """What was there: text, ``NULL``, or None when nothing was."""
    rule_file: str
    rule_key: str
    result: Any
    """The canonical value, ``NULL``, or None when the rule said nothing."""


class Addition(Struct, frozen=True, kw_only=True):
    """What one added field is made of."""

    key: str
    """Its key in the file: ``added.lines.fields.paid``."""
    paths: tuple[str, ...] = ()
    how: str = ""
    """In a few words; empty when the value is that of the place."""
    each: str = ""
    """What begins each item of a list."""
    fields: dict[str, Addition] = {}
    """Of the items of a list."""


class Places(Protocol):
    """The message that fields were added from, as its adapter reads it."""

    def read(self, path: str) -> Iterable[str]:
        """What stands at a place, as often as it is there; nothing when it is nowhere."""

    def each(self, begin: str) -> Sequence[Places]:
        """The parts of the message that begin there."""


def parse(parser: Parser, file: str, raw: Any) -> dict[str, Addition]:
    """``added`` of one file; what is wrong is noted and left out."""
    if isinstance(raw, dict):
        return _table(parser, file, "added", raw)
    return {name: Addition(key="added") for name in parser.texts(file, "added", raw)}


def _table(parser: Parser, file: str, key: str, raw: Mapping[str, Any]) -> dict[str, Addition]:
    return {name: _one(parser, file, f"{key}.{name}", one) for name, one in raw.items()}


def _one(parser: Parser, file: str, key: str, raw: Any) -> Addition:
    raw = parser.group(file, key, raw)
    for name in sorted(raw.keys() - KEYS):
        parser.mistake(file, f"{key}.{name}", "is not a key of an addition", f"use one of {', '.join(sorted(KEYS))}")
    if not raw.keys() & {"from", "how"}:
        parser.mistake(file, key, "does not tell what it is made of", "add `from` or `how`")
    return Addition(
        key=key, paths=parser.paths(file, key, raw, "from"), how=parser.word(file, key, raw, "how") or "",
        each=parser.word(file, key, raw, "each") or "",
        fields=_table(parser, file, f"{key}.fields", parser.group(file, f"{key}.fields", raw.get("fields", {}))),
    )  # fmt: skip


def steps(record: str, file: str, name: str, one: Addition, value: Any, places: Places) -> Iterator[Step]:
    """What one added field of a record was made of; a step without a place where nothing stood at any of them."""
    parts = places.each(one.each) if one.each and isinstance(value, (list, tuple)) else ()
    if parts and len(parts) == len(value):
        for at, (part, item) in enumerate(zip(parts, value, strict=True)):
            for inner, below in one.fields.items():
                if inner in item:
                    yield from steps(record, file, f"{name}[{at}].{inner}", below, item[inner], part)
        return
    key = f"{one.key}: {one.how}" if one.how else one.key
    found = [Step(record, name, path, raw, file, key, value) for path in one.paths for raw in places.read(path)]
    yield from found or [Step(record, name, "", None, file, key, value)]
