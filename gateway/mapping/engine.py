"""A loaded mapping: from source records to patches by compiled rules."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator
from collections.abc import Mapping as Dictionary
from functools import cached_property
from importlib.resources.abc import Traversable
from typing import Any
from zoneinfo import ZoneInfo

from gateway.errors import InvalidConfiguration, InvalidContent
from gateway.mapping import adding, files, suggesting
from gateway.mapping.adding import Step
from gateway.mapping.compiler import PathCompiler
from gateway.mapping.converters import CONVERTERS
from gateway.mapping.generator import Generator
from gateway.mapping.holding import refusing
from gateway.mapping.placing import placed
from gateway.mapping.rules import Parser, Rule, absolute
from gateway.mapping.times import Unconvertible
from gateway.mapping.tracing import TracingCompiler
from gateway.model.exchange import Finding
from gateway.model.patch import Patch
from gateway.model.values import is_zone

Maker = Callable[[Any], Patch | None]
Barred = dict[str, Callable[[Any], Any]]
"""Readers that take the place of a path's own."""


class Mapping:
    """What one adapter's messages mean at one source.

    Made by :meth:`load` or :meth:`from_text`, completed by :meth:`bind`. The same mapping is never changed: binding and
    tracing give new ones.
    """

    def __init__(
        self,
        document: files.Document,
        parsed: files.Parsed,
        path: PathCompiler,
        *,
        zone: str = "",
        settings: dict[str, str] | None = None,
        tracing: bool = False,
        holding: bool = False,
        barred: Barred | None = None,
    ) -> None:
        self.zone = zone
        """IANA zone of the clinic; empty until bound, and then only times with an offset can be read."""
        self.steps: list[Step] = []
        """What a traced mapping did, for one message in several parts too; empty for others. The reader empties it."""
        self._document = document
        self._parsed = parsed
        self._path = path
        self._settings = settings or {}
        self._tracing = tracing
        self._holding = holding
        self._barred = barred or {}
        self._makers: dict[str, tuple[Maker, ...]] = {}

    @classmethod
    def load(
        cls, adapter_mappings: Traversable, overlay: Traversable | None, path: PathCompiler, profile: str = ""
    ) -> Mapping:
        """Read and check an adapter's mapping files, one of its profiles, a source's overlay, and the tables they name.

        Raises:
            InvalidConfiguration: with every mistake: file, key, what is wrong and how to put it right.
        """
        parser = Parser()
        document = files.read(adapter_mappings, overlay, parser, profile)
        return cls._made(document, path, parser)

    @classmethod
    def from_text(cls, text: str, path: PathCompiler) -> Mapping:
        """The mapping whose :attr:`text` was kept, for replay and explain."""
        return cls._made(files.Document.from_text(text), path, Parser())

    @classmethod
    def _made(cls, document: files.Document, path: PathCompiler, parser: Parser) -> Mapping:
        parsed, findings = inspect(document, path, parser)
        if findings:
            first, *others = findings
            if not others:
                what = f"The mapping has 1 mistake: {first.where} {first.what}"
                raise InvalidConfiguration(what, where=first.where, fix=first.fix)
            lines = "; ".join(f"{one.where} {one.what} (fix: {one.fix})" for one in findings)
            raise InvalidConfiguration(
                f"The mapping has {len(findings)} mistakes: {lines}",
                where=first.where, fix="`gateway mappings check` lists them one by one.",
            )  # fmt: skip
        return cls(document, parsed, path)

    def bind(self, *, zone: str = "", **settings: str) -> Mapping:
        """This mapping for one source: its clinic's zone, and settings that rules read with ``setting``.

        Raises:
            InvalidConfiguration: the zone is not in the IANA database.
        """
        if zone and not is_zone(zone):
            raise InvalidConfiguration(
                "The zone is not an IANA time zone", where="zone", fix='Write a name such as "America/Chicago".'
            )
        return self._with(zone=zone, settings={**settings, **({"zone": zone} if zone else {})})

    def traced(self) -> Mapping:
        """The same mapping with a record of every step in :attr:`steps`: equal patches, made slower."""
        return self._with(tracing=True)

    def holding(self) -> Mapping:
        """The same mapping, leaving out a field that cannot be read instead of failing its message."""
        return self._with(holding=True)

    def barring(self, places: Dictionary[str, str], reason: str, what: str) -> Mapping:
        """The same mapping, to which some paths cannot be read, beside those that cannot be read already.

        Args:
            places: the place of the source behind each path, which is told; by path as :meth:`covered` writes it.
            reason: the stable word of the error that reading one is.
            what: what happened, in one sentence.
        """
        more = {path: refusing(place, reason, what) for path, place in places.items()}
        return self._with(barred={**self._barred, **more})

    def _with(self, **changed: Any) -> Mapping:
        """A copy that differs in some arguments."""
        same: dict[str, Any] = {
            "zone": self.zone, "settings": self._settings, "tracing": self._tracing, "holding": self._holding,
            "barred": self._barred,
        }  # fmt: skip
        made = Mapping(self._document, self._parsed, self._path, **same | changed)
        if self._tracing:
            made.steps = self.steps
        return made

    @cached_property
    def text(self) -> str:
        """What the version is the hash of: files, overlay, code tables and schema, in canonical form."""
        return self._document.text()

    @cached_property
    def version(self) -> str:
        """SHA-256 of :attr:`text` in hexadecimal."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @cached_property
    def kinds(self) -> frozenset[str]:
        """The kinds of message that some file applies to."""
        return frozenset(kind for rules in self._parsed.records for kind in rules.kinds)

    def patches(self, kind: str, record: Any) -> tuple[Patch, ...]:
        """What a message of this kind says, one patch for each record it tells of; none for an unknown kind.

        Raises:
            InvalidContent: a value that does not convert, an unmapped code, or a record without its native id.
        """
        makers = self._makers.get(kind)
        if makers is None:
            makers = self._compiled(kind)
        return tuple([patch for make in makers if (patch := make(record)) is not None])

    def covered(self, kind: str) -> frozenset[str]:
        """Every source path that some rule for this kind reads, as written in the files.

        A path inside a repetition that begins with a dot comes behind the path of the repetition: ``PID-3[*].1``.
        """
        return frozenset(
            path
            for rules in self._parsed.records
            if kind in rules.kinds
            for rule in rules.top_rules()
            for path in _paths(rule, "", kind)
        )

    def fields(self, kind: str) -> dict[str, frozenset[str]]:
        """By record type, the canonical fields that some rule for this kind fills; what a whole resource may clear."""
        found: dict[str, frozenset[str]] = {}
        for rules in self._parsed.records:
            if kind in rules.kinds:
                filled = {
                    name
                    for name, alternatives in rules.fields.items()
                    if any(one.applies_to(kind) for one in alternatives)
                }
                found[rules.record] = found.get(rules.record, frozenset()) | filled | set(rules.added)
        return found

    @property
    def is_traced(self) -> bool:
        """Whether :attr:`steps` is filled."""
        return self._tracing

    def note_added(self, kind: str, patches: Iterable[Patch], places: adding.Places) -> None:
        """Note in :attr:`steps` what the fields were made of that the adapter added to patches of one message.

        Args:
            kind: of the message.
            patches: as they are when nothing more is added.
            places: the message, as the adapter reads it.
        """
        for patch in patches:
            for rules in self._parsed.records:
                if rules.record == patch.type and kind in rules.kinds:
                    for name, one in rules.added.items():
                        if name in patch.fields:
                            value = patch.fields[name]
                            self.steps += adding.steps(patch.type, rules.file, name, one, value, places)

    def placed(self, error: InvalidContent, kind: str) -> InvalidContent:
        """An error about a canonical field, told by the places of the message and the rules that should fill it."""
        return placed(error, kind, self._parsed.records)

    def code_lines(self, table: str, codes: Collection[str]) -> tuple[str, ...]:
        """Lines of an overlay that add these codes to a table, for a person to judge."""
        return tuple(suggesting.code_lines(self._parsed, table, codes))

    def renamed_lines(self, kind: str, fields: Collection[str], old: str, new: Collection[str]) -> tuple[str, ...]:
        """Lines of an overlay that read a place by the likeliest of new names; none where none is like it."""
        name = suggesting.likely_name(old, new)
        return tuple(suggesting.renamed_lines(self._document, self._parsed, kind, fields, old, name)) if name else ()

    def _compiled(self, kind: str) -> tuple[Maker, ...]:
        """The functions of one kind of message, made when the first of it comes: few clinics send all kinds."""
        if kind not in self.kinds:
            return ()
        zone = ZoneInfo(self.zone) if self.zone else None
        arguments = (self._path, self._parsed.tables, zone, self._settings, kind)
        compiler: Generator | TracingCompiler
        if self._tracing:
            compiler = TracingCompiler(self.steps, *arguments, holding=self._holding, barred=self._barred)
        else:
            compiler = Generator(*arguments, holding=self._holding, barred=self._barred)
        made = tuple(compiler.record(rules) for rules in self._parsed.records if kind in rules.kinds)
        self._makers[kind] = made
        return made


def inspect(document: files.Document, path: PathCompiler, parser: Parser) -> tuple[files.Parsed, list[Finding]]:
    """Parse a document and try everything that compiling it will need; the findings are all mistakes."""
    parsed = files.parse(document, parser)
    for rules in parsed.records:
        for rule in rules.every_rule():
            _try(rule, parsed, path, parser)
    return parsed, parser.findings


def _try(rule: Rule, parsed: files.Parsed, path: PathCompiler, parser: Parser) -> None:
    for text in (*rule.reads(), *rule.each):
        try:
            path(text)
        except (InvalidConfiguration, ValueError) as error:
            fix = getattr(error, "fix", "") or "write a path that this adapter can read"
            parser.mistake(rule.file, rule.key, f"has the path {text!r}, which the adapter cannot read", fix)
    if rule.table is not None and rule.table not in parsed.tables:
        parser.mistake(
            rule.file,
            f"{rule.key}.table",
            f"names the code table {rule.table!r}, which is not there",
            f"add codes/{rule.table}.toml or correct the name",
        )
    for name, value in (("value", rule.value), ("default", rule.default)):
        if value is not None and rule.to in CONVERTERS:
            try:
                CONVERTERS[rule.to].bind(ZoneInfo("UTC"))(value)
            except Unconvertible as trouble:
                parser.mistake(rule.file, f"{rule.key}.{name}", f"does not convert: {trouble.what}", "correct it")


def _paths(rule: Rule, inside: str, kind: str) -> Iterator[str]:
    """The paths of a rule and its nested fields; a relative one is put behind the repetition it stands in."""
    if not rule.applies_to(kind):
        return
    places = [absolute(path, inside) for path in rule.each] or [inside]
    yield from (place for place in places if rule.each)
    for place in places:
        yield from (absolute(path, place) for path in rule.reads())
        for alternatives in rule.fields.values():
            for inner in alternatives:
                yield from _paths(inner, place, kind)
