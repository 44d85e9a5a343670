"""What ``gateway mappings check`` finds beyond what loading refuses: rules against the canonical model."""

from __future__ import annotations

from collections.abc import Mapping as Dictionary
from importlib.resources.abc import Traversable
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec

from gateway.mapping import files
from gateway.mapping.compiler import PathCompiler
from gateway.mapping.converters import CONVERTERS
from gateway.mapping.engine import inspect
from gateway.mapping.rules import Parser, RecordRules, Rule
from gateway.mapping.tables import KEEP, REJECT, Table
from gateway.model.exchange import Finding
from gateway.model.identity import RecordId

MAY_SAY_NOTHING = frozenset({"e164", "family_name", "given_names", "last_segment"})
"""Converters that find nothing in some texts, so that another rule may still read the same place."""
Types = Dictionary[str, type[msgspec.Struct]]


def check(
    adapter_mappings: Traversable, overlay: Traversable | None, path: PathCompiler, types: Types, profile: str = ""
) -> list[Finding]:
    """Every mistake in an adapter's mapping files, a profile and an overlay, against the canonical ``types``.

    Finds what :meth:`Mapping.load` refuses, and: unknown record types and fields, references to unknown types,
    constants and codes the field's type does not allow, converters that yield another type than the field's,
    required fields without a rule, and rules that can never fire.
    """
    parser = Parser()
    document = files.read(adapter_mappings, overlay, parser, profile)
    parsed, _ = inspect(document, path, parser)
    checker = _Checker(parser, parsed.tables, types)
    for rules in parsed.records:
        checker.record(rules)
    checker.required(parsed.records)
    return parser.findings


class _Checker:
    """One run of :func:`check`."""

    def __init__(self, parser: Parser, tables: dict[str, Table], types: Types) -> None:
        self.mistake = parser.mistake
        self.tables = tables
        self.types = types
        self.kinds: tuple[str, ...] = ()
        """The kinds of the file being checked."""

    def record(self, rules: RecordRules) -> None:
        """One mapping file."""
        struct = self.types.get(rules.record)
        for single in (rules.id, rules.patient, rules.version, rules.removed):
            self.reachable(single, rules.kinds)
        if struct is None:
            if rules.record:
                self.mistake(
                    rules.file, "record", "is not a canonical record type", "name one of `gateway.model.TYPES`"
                )
            return
        for name in rules.added:
            if name not in struct.__struct_fields__:
                self.mistake(rules.file, "added", f"names {name!r}, which {rules.record} does not have", "correct it")
        self.kinds = rules.kinds
        self.fields(struct, rules.fields)

    def required(self, records: tuple[RecordRules, ...]) -> None:
        """A field that a record cannot be without must have a rule in some file for that record type."""
        for name in sorted({rules.record for rules in records} & self.types.keys()):
            files_of = [rules for rules in records if rules.record == name]
            given = {field for rules in files_of for field in (*rules.fields, *rules.added)}
            for field in msgspec.structs.fields(self.types[name]):
                if field.required and field.name not in given:
                    self.mistake(
                        files_of[0].file,
                        f"fields.{field.name}",
                        f"has no rule, and every {name} needs it",
                        f"add [fields.{field.name}]",
                    )

    def fields(self, struct: type[msgspec.Struct], fields: dict[str, tuple[Rule, ...]]) -> None:
        """The fields of a record or a nested object."""
        hints = get_type_hints(struct)
        for name, alternatives in fields.items():
            self.reachable(alternatives, self.kinds)
            for rule in alternatives:
                if name in hints:
                    self.value(rule, hints[name])
                else:
                    self.mistake(
                        rule.file,
                        rule.key,
                        f"fills a field that {struct.__name__} does not have",
                        f"use one of {', '.join(struct.__struct_fields__)}",
                    )

    def value(self, rule: Rule, hint: Any) -> None:
        """Whether what a rule yields fits the field's type."""
        if rule.each or rule.every:
            inner = _item(hint)
            if inner is None:
                self.mistake(rule.file, rule.key, "makes a list for a field that holds one value", "use `from`")
                return
            hint = inner
        elif _item(hint) is not None and not rule.clear:
            self.mistake(rule.file, rule.key, "makes one value for a field that holds a list", "use `each` or `list`")
            return
        struct = next(
            (one for one in _members(hint) if isinstance(one, type) and issubclass(one, msgspec.Struct)), None
        )
        if rule.fields:
            if struct is None:
                self.mistake(rule.file, rule.key, "makes an object for a field that holds a value", "use `from`")
            else:
                self.fields(struct, rule.fields)
                self.needed(rule, struct)
        elif struct is not None:
            self.mistake(rule.file, rule.key, "makes a value for a field that holds an object", "use `fields`")
        else:
            self.scalar(rule, hint)

    def needed(self, rule: Rule, struct: type[msgspec.Struct]) -> None:
        """Required fields of a nested object: an object without them would send the whole message to quarantine."""
        for field in msgspec.structs.fields(struct):
            always = any(
                (one.constant and one.when is None) or one.default is not None
                for one in rule.fields.get(field.name, ())
            )
            if field.required and not always and field.name not in rule.needs:
                self.mistake(
                    rule.file,
                    rule.key,
                    f"may make a {struct.__name__} without its required {field.name}",
                    f'add needs = ["{field.name}"]',
                )

    def scalar(self, rule: Rule, hint: Any) -> None:
        """Constants, codes, references and converters of a single value."""
        is_reference = RecordId in _members(hint)
        if rule.ref is not None and rule.ref not in self.types:
            self.mistake(
                rule.file, f"{rule.key}.ref", "is not a canonical record type", "name one of `gateway.model.TYPES`"
            )
        if is_reference != (rule.ref is not None) and not rule.clear:
            self.mistake(
                rule.file,
                rule.key,
                "gives a plain value to a reference" if is_reference else "gives a reference to a plain field",
                "add `ref`" if is_reference else "remove `ref`",
            )
            return
        if is_reference or rule.clear:
            return
        if rule.table in self.tables:
            table = self.tables[rule.table]
            words = {*table.codes.values(), *({table.unknown} - {REJECT, KEEP})}
            for word in sorted(words):
                self.allowed(rule, f"{rule.key}.table", word, hint, f"the table {table.name} gives a word")
        elif rule.value is None and rule.setting is None and not self.yields(rule, hint):
            self.mistake(
                rule.file,
                f"{rule.key}.to",
                f"gives {rule.to or 'text'} to a field of another type",
                "choose the converter of the field's type",
            )
        if rule.to is None or rule.to == "text":
            for key, value in (("value", rule.value), ("default", rule.default)):
                if value is not None:
                    self.allowed(rule, f"{rule.key}.{key}", value, hint, "is a constant")

    def yields(self, rule: Rule, hint: Any) -> bool:
        """Whether the converter's type is among the field's types."""
        made = CONVERTERS[rule.to].yields if rule.to in CONVERTERS else str
        return any(
            one is Any or one is made or (made in (bool, int, str) and type(one) is made) for one in _members(hint)
        )

    def allowed(self, rule: Rule, key: str, value: Any, hint: Any, what: str) -> None:
        """A constant that the field's type refuses would send every message that uses it to quarantine."""
        try:
            msgspec.convert(value, hint)
        except msgspec.ValidationError:
            self.mistake(
                rule.file, key, f"{what} that the field does not allow: {value!r}", "use one of the field's words"
            )

    def reachable(self, alternatives: tuple[Rule, ...], kinds: tuple[str, ...]) -> None:
        """Rules that can never fire: for kinds the file is not for, or behind one that always says something."""
        for rule in alternatives:
            if not any(rule.applies_to(kind) for kind in kinds):
                self.mistake(
                    rule.file, rule.key, "can never fire: it is for kinds that the file is not for", "correct `kinds`"
                )
        for at, rule in enumerate(alternatives):
            always = rule.default is not None or (rule.constant and rule.when is None)
            for later in alternatives[at + 1 :]:
                if not {kind for kind in kinds if later.applies_to(kind)} <= {k for k in kinds if rule.applies_to(k)}:
                    continue
                if always or _reads_the_same(rule, later):
                    what = "always says something" if always else "reads the same place"
                    self.mistake(later.file, later.key, f"can never fire: {rule.key} before it {what}", "remove one")


def _reads_the_same(rule: Rule, later: Rule) -> bool:
    """Whether ``later`` reads nothing that ``rule`` has not read before it."""
    if rule.to in MAY_SAY_NOTHING or later.constant or later.fields:
        return False
    if rule.when is not None and (rule.when != later.when or (rule.among and not set(later.among) <= set(rule.among))):
        return False
    same = (rule.each, rule.join, rule.every) == (later.each, later.join, later.every)
    return same and set(later.paths) <= set(rule.paths)


def _members(hint: Any) -> tuple[Any, ...]:
    """The types that a field may hold, None aside; of a Literal its values."""
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        return tuple(inner for one in get_args(hint) if one is not NoneType for inner in _members(one))
    return get_args(hint) if str(origin) == "typing.Literal" else (hint,)


def _item(hint: Any) -> Any:
    """The item type of a list field, None for other fields."""
    for one in _members(hint):
        if get_origin(one) in (tuple, list):
            return get_args(one)[0]
    return None
