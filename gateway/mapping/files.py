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

PARTS = (
    "schema",
    "adapter",
    "files",
    "profile",
    "profile_files",
    "profile_codes",
    "overlay",
    "tables",
    "local",
    "origins",
)
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
    overlay's additions to them, each by name with the file it came from. ``profile_files`` and ``profile_codes`` are
    those of the profile that the adapter ships, between the base and the overlay.
    """

    schema: dict[str, Any] = field(default_factory=dict)
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    profile: str = ""
    profile_files: dict[str, dict[str, Any]] = field(default_factory=dict)
    profile_codes: dict[str, dict[str, Any]] = field(default_factory=dict)
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

    def layers(self) -> tuple[tuple[str, dict[str, dict[str, Any]]], ...]:
        """The mapping files of base, profile and overlay, each with what begins the names of its files."""
        profile = (f"{self.adapter}/{self.profile}", self.profile_files)
        return (self.adapter, self.files), profile, (OVERLAY, self.overlay)

    def named(self) -> set[str]:
        """The code tables that some rule names."""
        return {name for _, layer in self.layers() for data in layer.values() for name in _named(data)}


@dataclass(frozen=True, slots=True)
class Parsed:
    """A document's rules and tables as values."""

    records: tuple[RecordRules, ...]
    tables: dict[str, Table]


def read(adapter: Traversable, overlay: Traversable | None, parser: Parser, profile: str = "") -> Document:
    """Read every file; what cannot be read is noted in ``parser`` and left out."""
    shared = files(SHARED)
    document = Document(adapter=adapter.name, schema=json.loads((shared / "schema.json").read_text("utf-8")))
    document.files = dict(_folder(adapter, adapter.name, parser))
    if not document.files:
        parser.mistake(adapter.name, "", "is a folder without mapping files", "put <record>.toml files into it")
    if profile:
        document.profile, folder = profile, adapter / profile
        if profile == "codes" or not folder.is_dir():
            known = ", ".join(profiles(adapter)) or "it has none"
            parser.mistake(f"{adapter.name}/{profile}", "", "is not a profile of this adapter", f"use one of: {known}")
        document.profile_files = dict(_folder(folder, f"{adapter.name}/{profile}", parser))
        document.profile_codes = dict(_folder(folder / "codes", f"{adapter.name}/{profile}/codes", parser))
    if overlay is not None and not overlay.is_dir():
        parser.mistake(overlay.name, "", "is not a folder", "name the folder that holds the overlay's files")
    elif overlay is not None:
        document.overlay = dict(_folder(overlay, OVERLAY, parser))
        document.local = dict(_folder(overlay / "codes", f"{OVERLAY}/codes", parser))
    places = (
        (f"{adapter.name}/codes", adapter / "codes"),
        (f"codes/{adapter.name}", shared / "codes" / adapter.name),
        ("codes", shared / "codes"),
    )
    for name in sorted(document.named()):
        for place, folder in places:
            found = folder / f"{name}.toml"
            if found.is_file():
                document.tables[name] = _load(found, f"{place}/{name}.toml", parser)
                document.origins[name] = f"{place}/{name}.toml"
                break
    return document


def profiles(adapter: Traversable) -> list[str]:
    """The names of the profiles in an adapter's folder."""
    return sorted(
        entry.name
        for entry in adapter.iterdir()
        if entry.is_dir() and entry.name.isidentifier() and entry.name not in {"codes", "__pycache__"}
    )


def parse(document: Document, parser: Parser) -> Parsed:
    """Lay the overlay over the base and parse the result, noting every mistake with the file it stands in."""
    merged: dict[str, Table] = {}
    shipped = f"{document.adapter}/{document.profile}"
    additions = ((f"{shipped}/codes", document.profile_codes), (f"{OVERLAY}/codes", document.local))
    for name in sorted({*document.tables, *document.profile_codes, *document.local}):
        found = [(f"{label}/{name}.toml", codes[name]) for label, codes in additions if name in codes]
        if name in document.tables:
            found.insert(0, (document.origins[name], document.tables[name]))
        elif name not in document.named():
            parser.mistake(found[0][0], "", "is a code table that no rule uses", "remove it or correct its name")
            continue
        merged[name] = _layered(name, found, parser)
    names = sorted({name for _, layer in document.layers() for name in layer})
    return Parsed(tuple(_record(name, document, parser) for name in names), merged)


def _layered(name: str, found: list[tuple[str, dict[str, Any]]], parser: Parser) -> Table:
    """A code table with the codes of profile and overlay in place of its own."""
    table = tables.parse(name, *found[0], parser.mistake)
    for place, more in found[1:]:
        added = tables.parse(name, place, {"unknown": table.unknown, **more}, parser.mistake)
        replaced = {code.strip().upper() for code in added.codes}
        kept = {code: canonical for code, canonical in table.codes.items() if code.strip().upper() not in replaced}
        table = Table(name, added.unknown, {**kept, **added.codes})
    return table


def _record(name: str, document: Document, parser: Parser) -> RecordRules:
    """One mapping file with the rules of profile and overlay in place of its own."""
    found = [(f"{label}/{name}.toml", layer[name]) for label, layer in document.layers() if name in layer]
    file, merged = found[0]
    origins: dict[str, str] = {}
    for over_file, over in found[1:]:
        if over.get("record", merged.get("record")) != merged.get("record"):
            parser.mistake(
                over_file, "record", "differs from the file it overlays", "remove it, or name the file otherwise"
            )
        new_fields = over.get("fields", {})
        if not isinstance(new_fields, dict):
            parser.mistake(over_file, "fields", "is not a table", "write [fields.<name>] for each rule")
            new_fields = {}
        old_fields = merged.get("fields", {})
        fields = {**(old_fields if isinstance(old_fields, dict) else {}), **new_fields}
        origins.update({key: over_file for key in over if key in SINGLE_RULES})
        origins.update({f"fields.{key}": over_file for key in new_fields})
        merged = {**merged, **over, "record": merged.get("record"), "fields": fields}
    return parser.record(file, merged, origins)


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
