"""Compiles rules to closures: everything that can be decided when a mapping is loaded is decided then.

Every getter takes a source record and returns a canonical value, ``NULL`` (the source deletes it) or None (the source
does not speak of it). Nothing is evaluated from text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import tzinfo
from typing import Any

from gateway.errors import InvalidContent
from gateway.mapping.combining import first_of, joined, list_of, repeated
from gateway.mapping.converters import CONVERTERS, Convert, text
from gateway.mapping.holding import NEVER, UNREAD, Unread, hold, partial
from gateway.mapping.rules import RecordRules, Rule, absolute
from gateway.mapping.tables import Table
from gateway.mapping.times import Unconvertible
from gateway.model.identity import Ref
from gateway.model.null import NULL
from gateway.model.patch import HeldField, Patch

Getter = Callable[[Any], Any]
Condition = Callable[[Any], bool]
PathCompiler = Callable[[str], Getter]
Fields = tuple[tuple[tuple[str, Getter], ...], tuple[tuple[str, Getter], ...]]
"""(name, getter) of the fields that are read, and of those that complete an object which is there."""
Alternatives = tuple[Rule, ...]
Part = tuple[str, Sequence[Rule | Getter]]
"""Name of a field and its alternatives; a getter among them is a constant that is converted already."""


class Compiler:
    """Makes getters for one kind of message, bound to a clinic's zone and a source's settings."""

    def __init__(
        self, path: PathCompiler, tables: dict[str, Table], zone: tzinfo | None, settings: dict[str, str], kind: str,
        *, holding: bool = False, barred: dict[str, Getter] | None = None,
    ) -> None:  # fmt: skip
        self.path = path
        self.kind = kind
        self.holding = holding
        """Whether a field that cannot be read is left out, and told, instead of failing the message."""
        self.barred = barred or {}
        """Readers that take the place of a path's own, by path as seen from the message."""
        self.inside = ""
        """The repeating place whose rules are being compiled, as seen from the message; empty outside any."""
        self.lookups = {name: table.lookup() for name, table in tables.items()}
        self.zone = zone
        self.settings = settings

    def reader(self, path: str) -> Getter:
        """The reader of a path at the place whose rules are being compiled."""
        return self.barred.get(absolute(path, self.inside)) or self.path(path)

    def record(self, rules: RecordRules) -> Callable[[Any], Patch | None]:
        """A function from a source record to the patch of one record type."""
        type_name, optional = rules.record, rules.optional
        get_id, get_version = self.alternatives(rules.id), self.alternatives(rules.version)
        get_patient = self.patient(rules)
        is_removed = self.alternatives(rules.removed)
        reads, completes = self.fields(rules.fields)
        places = ", ".join(path for rule in rules.id for path in rule.reads())
        references = rules.references()

        def patch(record: Any) -> Patch | None:
            native_id = get_id(record)
            if native_id is None or native_id is NULL:
                if optional:
                    return None
                raise InvalidContent(
                    "missing-id",
                    f"The message does not identify its {type_name}",
                    where=places,
                    fix="Name the place that holds it under [id] in an overlay; then release.",
                )
            version = get_version(record)
            removed = is_removed(record) is True
            fields, held = dict[str, Any](), list[HeldField]()
            if not removed:
                for name, get in (*reads, *completes):
                    try:
                        value = None if name in fields else get(record)
                    except UNREAD as error:
                        if not self.holding or name in NEVER:
                            raise
                        held.append(hold(fields, name, error))
                    else:
                        if value is not None:
                            fields[name] = None if value is NULL else value
            made = Patch(
                type=type_name,
                native_id=native_id,
                fields=fields,
                operation="remove" if removed else "upsert",
                patient=get_patient(record, native_id, fields),
                source_version=None if version is NULL else version,
                references=references,
            )
            return partial(made, held) if held else made

        return patch

    def patient(self, rules: RecordRules) -> Callable[[Any, str, dict[str, Any]], str | None]:
        """The patient by its own rule; without one a Patient is its own, others take theirs from `fields.patient`."""
        if rules.record == "Patient" and not rules.patient:
            return lambda _record, native_id, _fields: native_id
        read = self.alternatives(rules.patient or rules.fields.get("patient", ()))
        is_field = not rules.patient

        def find(record: Any, _native_id: str, fields: dict[str, Any]) -> str | None:
            found = fields["patient"] if is_field and "patient" in fields else read(record)
            if type(found) is Ref:
                return found.native_id
            return None if found is NULL else found

        return find

    def fields(self, fields: dict[str, Alternatives]) -> Fields:
        """Getters of named fields; constants and defaults only complete, they never make an object present."""
        reads, completes = self.parts(fields)
        return (
            tuple(
                (name, first_of([self.rule(one) if isinstance(one, Rule) else one for one in several]))
                for name, several in reads
            ),
            tuple(
                (name, first_of([self.rule(one) if isinstance(one, Rule) else one for one in several]))
                for name, several in completes
            ),
        )

    def parts(self, fields: dict[str, Alternatives]) -> tuple[list[Part], list[Part]]:
        """The alternatives of the fields that are read, and of those that complete an object which is there."""
        reads: list[Part] = []
        completes: list[Part] = []
        for name, all_rules in fields.items():
            rules = [rule for rule in all_rules if rule.applies_to(self.kind)]
            if not rules:
                continue
            last = rules[-1]
            if all(rule.constant for rule in rules):
                completes.append((name, rules))
            elif last.constant and last.when is None:
                reads.append((name, rules[:-1]))
                completes.append((name, [last]))
            else:
                reads.append((name, rules))
            if last.default is not None and not last.constant:
                completes.append((name, [self.constant(last, last.default)]))
        return reads, completes

    def alternatives(self, rules: Sequence[Rule]) -> Getter:
        """The first rule that says something."""
        return first_of([self.rule(rule) for rule in rules if rule.applies_to(self.kind)])

    def rule(self, rule: Rule) -> Getter:
        """One rule, with its condition and its repetition."""
        if rule.each:
            return self.each(rule)
        if rule.when is None:
            return self.single(rule)
        return guarded(self.condition(rule), self.single(rule))

    def single(self, rule: Rule) -> Getter:
        """What one rule says about one record or one repetition, its condition aside."""
        if rule.fields:
            return self.object(rule)
        if rule.clear:
            return self.constant(rule, NULL)
        if rule.value is not None:
            return self.constant(rule, rule.value)
        if rule.setting is not None:
            return self.constant(rule, self.settings.get(rule.setting, rule.default))
        convert = self.conversion(rule)
        if rule.join:
            return self.leaf(
                rule, "+".join(rule.join), joined([self.reader(path) for path in rule.join], rule.separator), convert
            )
        getters = [self.leaf(rule, path, self.reader(path), convert) for path in rule.paths or rule.every]
        if rule.every:
            return list_of(getters)
        if not getters:  # `removed` alone: the condition is all there is
            return lambda _record: True
        return first_of(getters)

    def leaf(self, rule: Rule, path: str, read: Getter, convert: Convert) -> Getter:
        """Read one place and convert what is there; the hottest function of the engine."""
        if convert is text:
            return plain(rule, absolute(path, self.inside), read)
        where = absolute(path, self.inside)

        def get(record: Any) -> Any:
            raw = read(record)
            if raw is None or raw is NULL:
                return raw
            try:
                return convert(raw)
            except Unconvertible as trouble:
                raise Unread(trouble, rule, where, raw) from None

        return get

    def conversion(self, rule: Rule) -> Convert:
        """``to``, then ``table``, then ``ref``."""
        if rule.to is None and rule.table is not None:
            convert = self.lookups[rule.table]
        else:
            convert = CONVERTERS[rule.to or "text"].bind(self.zone)
            if rule.table is not None:
                convert = after(convert, self.lookups[rule.table])
        return convert if rule.ref is None else referring(convert, rule.ref)

    def constant(self, rule: Rule, value: Any) -> Getter:
        """A value that does not depend on the message, converted once."""
        if rule.to is not None and value is not None and value is not NULL:
            try:
                value = CONVERTERS[rule.to].bind(self.zone)(value)
            except Unconvertible as trouble:
                raise Unread(trouble, rule, rule.key, value) from None
        if rule.ref is not None and isinstance(value, str):
            value = Ref(rule.ref, value)
        return lambda _record: value

    def condition(self, rule: Rule) -> Condition | None:
        """Whether the place of ``when`` holds one of ``is``, or anything where ``is`` is left out."""
        if rule.when is None:
            return None
        read, holds = self.reader(rule.when), among(rule)
        return lambda record: holds(read(record))

    def object(self, rule: Rule) -> Getter:
        """A nested object: there when one of its fields is; only deleted fields mean that it is deleted as a whole."""
        reads, completes = self.fields(rule.fields)
        needs = rule.needs

        def get(record: Any) -> Any:
            found: dict[str, Any] = {}
            deleted = False
            for name, read in reads:
                value = read(record)
                if value is NULL:
                    deleted = True
                elif value is not None:
                    found[name] = value
            if not found:
                return NULL if deleted else None
            for name, complete in completes:
                if name not in found:
                    value = complete(record)
                    if value is not None and value is not NULL:
                        found[name] = value
            for name in needs:
                if name not in found:
                    return None
            return found

        return get

    def each(self, rule: Rule) -> Getter:
        """A list with one value for every repetition that has one and meets the condition."""
        lists: list[tuple[Getter, Condition | None, Getter]] = []
        outside = self.inside
        for path in rule.each:
            self.inside = outside
            read = self.reader(path)
            self.inside = absolute(path, outside)
            lists.append((read, self.condition(rule), self.item(rule)))
        self.inside = outside

        return repeated(lists)

    def item(self, rule: Rule) -> Getter:
        """One repetition of ``each``."""
        return self.single(rule)


def among(rule: Rule) -> Condition:
    """Whether what stands in the place of ``when`` is one of ``is``, or anything where ``is`` is left out."""
    wanted = frozenset(rule.among)

    def holds(raw: Any) -> bool:
        if raw is None or raw is NULL:
            return False
        if not wanted:
            return not isinstance(raw, (str, list)) or len(raw) > 0
        found = raw if type(raw) is str else text(raw)
        return found in wanted or (found is not None and found.strip() in wanted)

    return holds


def plain(rule: Rule, where: str, read: Getter) -> Getter:
    """A leaf of text, with the call of the converter spared where the source has text."""

    def get(record: Any) -> Any:
        raw = read(record)
        if type(raw) is str:
            return raw.strip() or None
        if raw is None or raw is NULL:
            return raw
        try:
            return text(raw)
        except Unconvertible as trouble:
            raise Unread(trouble, rule, where, raw) from None

    return get


def guarded(condition: Condition | None, get: Getter) -> Getter:
    """``get`` where the condition holds, nothing elsewhere."""
    if condition is None:
        return get
    return lambda record: get(record) if condition(record) else None


def after(first: Convert, second: Convert) -> Convert:
    """Two conversions in a row; the second sees real values only."""

    def convert(raw: Any) -> Any:
        value = first(raw)
        return value if value is None or value is NULL else second(value)

    return convert


def referring(convert: Convert, type_name: str) -> Convert:
    """A reference to the record with the converted native id."""

    def refer(raw: Any) -> Any:
        value = convert(raw)
        return value if value is None or value is NULL else Ref(type_name, value)

    return refer
