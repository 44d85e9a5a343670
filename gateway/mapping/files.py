"""Reads mapping files, overlay and code tables into one document, which is what a mapping version is the hash of."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from gateway.errors import InvalidConfiguration
from gateway.mapping import tables
from gateway.mapping.rules import SINGLE_RULES, Parser, RecordRules
from gateway.mapping.tables import Table

PARTS = ("schema", "adapter", "files", "overlay", "tables", "local", "origins")
OVERLAY = "overlay"
SHARED = "gateway_mappings"
"""The package with the schema and the code tables that all adapters share."""


@cache
def shipped(name: str) -> Table:
    """A code table that comes with the gateway, for reactors and sinks, which have no mapping of their own.

    Raises:
        InvalidConfiguration: there is no such table, or it has mistakes.
    """
    parser, label = Parser(), f"codes/{name}.toml"
    table = tables.parse(name, label, _load(files(SHARED) / "codes" / f"{name}.toml", label, parser), parser.mistake)
    if parser.findings:
        first = parser.findings[0]
        raise InvalidConfiguration(f"A code table of the gateway {first.what}", where=first.where, fix=first.fix)
    return table


@dataclass(slots=True)
class Document:
    """Everything that decides what a mapping does, as plain values.

    ``files`` and ``overlay`` hold mapping files, ``tables`` and ``local`` the code tables that some rule names and the
    overlay's additions to them, each by name with the file it came from.
    """

    schema: dict[str, Any] = field(default_factory=dict)
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    overlay: dict[str, dict[str, Any]] = field(default_factory=dict)
    tables: dict[str, dict[str, Any]] = field(default_factory=dict)
    local: dict[str, dict[str, Any]] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    """The file of each table, by the table's name."""
    adapter: str = ""
    """Name of the adapter's folder, which begins the name of each of its files in traces and errors."""

    def text(self) -> str:
        """The canonical text: layout and comments of the files do not count, every key does."""
        parts = {name: getattr(self, name) for name in PARTS}
        return json.dumps(parts, sort_keys=True, ensure_ascii=False, indent=1, default=str)

    @classmethod
    def from_text(cls, text: str) -> Document:
        """The reverse of :meth:`text`."""
        return cls(**json.loads(text))


@dataclass(frozen=True, slots=True)
class Parsed:
    """A document's rules and tables as values."""

    records: tuple[RecordRules, ...]
    tables: dict[str, Table]


def read(adapter: Traversable, overlay: Traversable | None, parser: Parser) -> Document:
    """Read every file; what cannot be read is noted in ``parser`` and left out."""
    shared = files(SHARED)
    document = Document(adapter=adapter.name, schema=json.loads((shared / "schema.json").read_text("utf-8")))
    document.files = dict(_folder(adapter, adapter.name, parser))
    if not document.files:
        parser.mistake(adapter.name, "", "is a folder without mapping files", "put <record>.toml files into it")
    if overlay is not None:
        if not overlay.is_dir():
            parser.mistake(overlay.name, "", "is not a folder", "name the folder that holds the overlay's files")
            return document
        document.overlay = dict(_folder(overlay, OVERLAY, parser))
        if (overlay / "codes").is_dir():
            document.local = dict(_folder(overlay / "codes", f"{OVERLAY}/codes", parser))
    places = (
        (f"{adapter.name}/codes", adapter / "codes"),
        (f"codes/{adapter.name}", shared / "codes" / adapter.name),
        ("codes", shared / "codes"),
    )
    for name in sorted(
        {name for data in (*document.files.values(), *document.overlay.values()) for name in _named(data)}
    ):
        for place, folder in places:
            found = folder / f"{name}.toml"
            if found.is_file():
                document.tables[name] = _load(found, f"{place}/{name}.toml", parser)
                document.origins[name] = f"{place}/{name}.toml"
                break
    return document


def parse(document: Document, parser: Parser) -> Parsed:
    """Lay the overlay over the base and parse the result, noting every mistake with the file it stands in."""
    merged: dict[str, Table] = {}
    for name in sorted({*document.tables, *document.local}):
        base, local = document.tables.get(name), document.local.get(name)
        origin = document.origins.get(name, f"{OVERLAY}/codes/{name}.toml")
        if base is None and local is not None and name in _all_named(document):
            merged[name] = tables.parse(name, origin, local, parser.mistake)
        elif base is None:
            parser.mistake(origin, "", "is a code table that no rule uses", "remove it or correct its name")
        else:
            merged[name] = _with_local(name, origin, base, local, f"{OVERLAY}/codes/{name}.toml", parser)
    records = tuple(
        _record(name, document, f"{document.adapter}/{name}.toml", f"{OVERLAY}/{name}.toml", parser)
        for name in sorted({*document.files, *document.overlay})
    )
    return Parsed(records, merged)


def _with_local(
    name: str, origin: str, base: dict[str, Any], local: dict[str, Any] | None, place: str, parser: Parser
) -> Table:
    table = tables.parse(name, origin, base, parser.mistake)
    if local is None:
        return table
    added = tables.parse(name, place, {"unknown": table.unknown, **local}, parser.mistake)
    replaced = {code.strip().upper() for code in added.codes}
    kept = {code: canonical for code, canonical in table.codes.items() if code.strip().upper() not in replaced}
    return Table(name, added.unknown, {**kept, **added.codes})


def _record(name: str, document: Document, base_file: str, overlay_file: str, parser: Parser) -> RecordRules:
    """One mapping file with the overlay's rules in place of its own."""
    base, over = document.files.get(name), document.overlay.get(name)
    if base is None:
        return parser.record(overlay_file, over or {}, {})
    if over is None:
        return parser.record(base_file, base, {})
    if over.get("record", base.get("record")) != base.get("record"):
        parser.mistake(
            overlay_file, "record", "differs from the file it overlays", "remove it, or name the file otherwise"
        )
    new_fields = over.get("fields", {})
    if not isinstance(new_fields, dict):
        parser.mistake(overlay_file, "fields", "is not a table", "write [fields.<name>] for each rule")
        new_fields = {}
    old_fields = base.get("fields", {})
    fields = {**(old_fields if isinstance(old_fields, dict) else {}), **new_fields}
    origins = {key: overlay_file for key in over if key in SINGLE_RULES}
    origins.update({f"fields.{key}": overlay_file for key in new_fields})
    return parser.record(base_file, {**base, **over, "record": base.get("record"), "fields": fields}, origins)


def _folder(folder: Traversable, label: str, parser: Parser) -> Iterator[tuple[str, dict[str, Any]]]:
    if folder.is_dir():
        for entry in sorted(folder.iterdir(), key=lambda one: one.name):
            if entry.is_file() and entry.name.endswith(".toml"):
                yield entry.name.removesuffix(".toml"), _load(entry, f"{label}/{entry.name}", parser)


def _load(entry: Traversable, label: str, parser: Parser) -> dict[str, Any]:
    try:
        return tomllib.loads(entry.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        parser.mistake(label, "", f"is not TOML: {error}", "correct the line")
        return {}


def _named(data: Any) -> Iterator[str]:
    """The tables that rules anywhere in ``data`` name."""
    if isinstance(data, dict):
        if isinstance(data.get("table"), str):
            yield data["table"]
        for inner in data.values():
            yield from _named(inner)
    elif isinstance(data, list):
        for inner in data:
            yield from _named(inner)


def _all_named(document: Document) -> set[str]:
    return {name for data in (*document.files.values(), *document.overlay.values()) for name in _named(data)}
