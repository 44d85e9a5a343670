"""Mapping files as values: parsed, validated, and with every mistake named by file and key."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping as Dictionary
from dataclasses import dataclass, field
from typing import Any

from gateway.mapping import adding
from gateway.mapping.adding import Addition
from gateway.mapping.converters import CONVERTERS
from gateway.model.exchange import Finding

Scalar = str | int | bool
RULE_KEYS = frozenset(
    {
        "from",
        "join",
        "separator",
        "list",
        "value",
        "setting",
        "clear",
        "to",
        "table",
        "default",
        "ref",
        "each",
        "fields",
        "needs",
        "kinds",
        "when",
        "is",
    }
)
FILE_KEYS = frozenset({"record", "kinds", "optional", "added", "id", "patient", "version", "removed", "fields"})
CONDITION_KEYS = frozenset({"when", "is", "kinds", "value"})
SINGLE_RULES = ("id", "patient", "version", "removed")
SOURCES = ("from", "join", "list", "value", "setting", "clear")


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a mapping file; keys as documented in ``docs/reference/mapping.md``."""

    file: str
    key: str
    target: str
    """The canonical field it fills: ``name.family``, ``identifiers[].value``."""
    paths: tuple[str, ...] = ()
    join: tuple[str, ...] = ()
    separator: str = "/"
    every: tuple[str, ...] = ()
    value: Scalar | None = None
    setting: str | None = None
    clear: bool = False
    to: str | None = None
    table: str | None = None
    default: Scalar | None = None
    ref: str | None = None
    each: tuple[str, ...] = ()
    fields: dict[str, tuple[Rule, ...]] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    when: str | None = None
    among: tuple[str, ...] = ()

    def applies_to(self, kind: str) -> bool:
        """Whether the rule is meant for this kind of message."""
        return not self.kinds or kind in self.kinds

    @property
    def constant(self) -> bool:
        """Whether the rule says something without reading a value from the source."""
        return self.value is not None or self.setting is not None or self.clear

    def refers(self) -> bool:
        """Whether its value is or holds a reference."""
        return self.ref is not None or any(rule.refers() for rules in self.fields.values() for rule in rules)

    def reads(self) -> tuple[str, ...]:
        """The paths this rule itself reads, without those of its nested fields."""
        return (*self.paths, *self.join, *self.every, *((self.when,) if self.when else ()))


@dataclass(frozen=True, slots=True)
class RecordRules:
    """One mapping file: how one record type is made from the named kinds of message."""

    file: str
    record: str
    kinds: tuple[str, ...]
    optional: bool
    added: dict[str, Addition]
    """Fields that the adapter adds from what no rule can say, and what each is made of, for ``explain``."""
    id: tuple[Rule, ...]
    patient: tuple[Rule, ...]
    version: tuple[Rule, ...]
    removed: tuple[Rule, ...]
    fields: dict[str, tuple[Rule, ...]]

    def references(self) -> frozenset[str]:
        """Names of the fields that are or hold references."""
        return frozenset(name for name, rules in self.fields.items() if any(rule.refers() for rule in rules))

    def top_rules(self) -> list[Rule]:
        """The rules outside nested objects."""
        single = [*self.id, *self.patient, *self.version, *self.removed]
        return single + [rule for rules in self.fields.values() for rule in rules]

    def every_rule(self) -> Iterator[Rule]:
        """All rules of the file, nested ones too."""
        pending = self.top_rules()
        while pending:
            rule = pending.pop()
            yield rule
            pending += [inner for rules in rule.fields.values() for inner in rules]


def absolute(path: str, inside: str) -> str:
    """A path as seen from the message: one that begins with a dot stands inside the repetition ``inside``."""
    return inside + path if path.startswith(".") else path


def text_of(value: Scalar) -> str:
    """A scalar as a source would write it: JSON's ``true`` and ``false``, everything else in digits or letters."""
    return str(value).lower() if isinstance(value, bool) else str(value)


class Parser:
    """Parses mapping files and collects what is wrong with them instead of stopping at the first mistake."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []

    def mistake(self, file: str, key: str, what: str, fix: str) -> None:
        """Note one mistake at ``key`` of ``file``."""
        self.findings.append(Finding(reason="mapping", what=what, where=f"{file}: {key}" if key else file, fix=fix))

    def record(self, file: str, data: Dictionary[str, Any], origins: Dictionary[str, str]) -> RecordRules:
        """One file, base and overlay already laid over each other; ``origins`` names the file each rule came from."""
        for key in data.keys() - FILE_KEYS:
            self.mistake(file, key, "is not a key of a mapping file", f"use one of {', '.join(sorted(FILE_KEYS))}")
        record = data.get("record")
        if not isinstance(record, str) or not record:
            self.mistake(file, "record", "names no record type", 'write record = "Appointment" or another type')
            record = ""
        kinds = self.texts(file, "kinds", data.get("kinds"))
        if "id" not in data:
            self.mistake(file, "id", "is missing", "add [id] with the path of the source's own id of this record")
        optional = data.get("optional", False)
        if not isinstance(optional, bool):
            self.mistake(file, "optional", "is neither true nor false", "write optional = true or leave it out")
        added = adding.parse(self, file, data["added"]) if "added" in data else {}
        single = {
            name: self.rules(origins.get(name, file), name, name, data[name]) if name in data else ()
            for name in SINGLE_RULES
        }
        fields = {
            name: self.rules(origins.get(f"fields.{name}", file), f"fields.{name}", name, raw)
            for name, raw in self.group(file, "fields", data.get("fields", {})).items()
        }
        return RecordRules(file, record, kinds, optional is True, added, fields=fields, **single)

    def rules(self, file: str, key: str, target: str, raw: Any) -> tuple[Rule, ...]:
        """One rule, or a list of alternatives of which the first that says something counts."""
        alternatives = raw if isinstance(raw, list) else [raw]
        if not alternatives:
            self.mistake(file, key, "is an empty list", "write at least one rule")
        names = [key] if not isinstance(raw, list) else [f"{key}[{at}]" for at in range(len(raw))]
        return tuple(self.rule(file, name, target, one) for name, one in zip(names, alternatives, strict=True))

    def rule(self, file: str, key: str, target: str, raw: Any) -> Rule:
        """One rule; a broken part is noted and left out, so that the rest is still looked at."""
        raw = self.group(file, key, raw)
        target += "[]" if "each" in raw else ""
        for name in raw.keys() - RULE_KEYS:
            self.mistake(file, f"{key}.{name}", "is not a key of a rule", f"use one of {', '.join(sorted(RULE_KEYS))}")
        self.shape(file, key, raw)
        return Rule(
            file=file,
            key=key,
            target=target,
            paths=self.paths(file, key, raw, "from"),
            join=self.paths(file, key, raw, "join"),
            every=self.paths(file, key, raw, "list"),
            separator=self.word(file, key, raw, "separator", empty=True) or "" if "separator" in raw else "/",
            value=self.scalar(file, key, raw, "value"),
            setting=self.word(file, key, raw, "setting"),
            clear=raw.get("clear") is True,
            to=self.word(file, key, raw, "to"),
            table=self.word(file, key, raw, "table"),
            default=self.scalar(file, key, raw, "default"),
            ref=self.word(file, key, raw, "ref"),
            each=self.paths(file, key, raw, "each"),
            fields={
                name: self.rules(file, f"{key}.fields.{name}", f"{target}.{name}", inner)
                for name, inner in self.group(file, f"{key}.fields", raw.get("fields", {})).items()
            },
            needs=self.paths(file, key, raw, "needs"),
            kinds=self.paths(file, key, raw, "kinds"),
            when=self.word(file, key, raw, "when"),
            among=self.among(file, key, raw),
        )

    def shape(self, file: str, key: str, raw: Dictionary[str, Any]) -> None:
        """Which keys may and must stand together."""
        if key.partition("[")[0] == "removed":
            self.condition(file, key, raw)
            return
        given = [name for name in SOURCES if name in raw]
        if "fields" in raw and given:
            self.mistake(file, key, f"has both `fields` and `{given[0]}`", "an object has fields only: remove one")
        elif len(given) > 1:
            self.mistake(file, key, f"has both `{given[0]}` and `{given[1]}`", "keep one of them")
        elif not given and "fields" not in raw:
            self.mistake(file, key, "says nothing", "add `from`, `join`, `value`, `setting` or `fields`")
        for needed, by in (("when", "is"), ("join", "separator"), ("fields", "needs")):
            if by in raw and needed not in raw:
                self.mistake(file, f"{key}.{by}", f"stands without `{needed}`", f"add `{needed}` or remove `{by}`")
        for scalar_only in ("to", "table", "ref", "default"):
            if scalar_only in raw and "fields" in raw:
                self.mistake(file, f"{key}.{scalar_only}", "cannot apply to an object", "move it to one of its fields")
        if given and given[0] in ("value", "setting", "clear"):
            for useless in ("default", "table", "each") if given[0] != "setting" else ("table", "each"):
                if useless in raw:
                    self.mistake(file, f"{key}.{useless}", f"has no effect beside `{given[0]}`", "remove it")
        if "clear" in raw and raw["clear"] is not True:
            self.mistake(file, f"{key}.clear", "is not true", "write clear = true or remove it")
        if isinstance(raw.get("to"), str) and raw["to"] not in CONVERTERS:
            self.mistake(file, f"{key}.to", "is not a converter", f"use one of {', '.join(sorted(CONVERTERS))}")
        needs, fields = raw.get("needs", []), raw.get("fields", {})
        if isinstance(fields, dict) and isinstance(needs, list) and any(name not in list(fields) for name in needs):
            self.mistake(file, f"{key}.needs", "names a field that has no rule", "name fields of this object")

    def condition(self, file: str, key: str, raw: Dictionary[str, Any]) -> None:
        """A rule of ``removed`` only holds or does not hold."""
        if "when" not in raw:
            self.mistake(file, key, "has no `when`", "name the path that tells that the record is gone")
        for name in sorted(raw.keys() & RULE_KEYS - CONDITION_KEYS):
            self.mistake(file, f"{key}.{name}", "has no effect on a condition", "use `when`, `is` and `kinds` only")
        if raw.get("value", True) is not True:
            self.mistake(file, f"{key}.value", "is not true", "write value = true or leave it out")

    def among(self, file: str, key: str, raw: Dictionary[str, Any]) -> tuple[str, ...]:
        """The values of ``is`` as a source would write them."""
        values = raw.get("is", [])
        values = values if isinstance(values, list) else [values]
        if "is" in raw and not values:
            self.mistake(file, f"{key}.is", "is an empty list", "list values, or remove it to ask for presence only")
        if any(not isinstance(value, (str, int)) for value in values):
            self.mistake(file, f"{key}.is", "holds something other than text, numbers and booleans", "use plain values")
        return tuple(text_of(value) for value in values)

    def group(self, file: str, key: str, raw: Any) -> Dictionary[str, Any]:
        """A TOML table."""
        if isinstance(raw, dict):
            return raw
        self.mistake(file, key, "is not a table", f"write [{key}] with keys below it")
        return {}

    def texts(self, file: str, key: str, raw: Any) -> tuple[str, ...]:
        """A list of at least one text."""
        if isinstance(raw, list) and raw and all(isinstance(one, str) and one for one in raw):
            return tuple(raw)
        self.mistake(file, key, "is not a list of texts", 'write a list such as ["A", "B"]')
        return ()

    def paths(self, file: str, key: str, raw: Dictionary[str, Any], name: str) -> tuple[str, ...]:
        """One text or a list of texts; empty when the key is not there."""
        if name not in raw:
            return ()
        value = raw[name]
        return self.texts(file, f"{key}.{name}", [value] if isinstance(value, str) else value)

    def word(self, file: str, key: str, raw: Dictionary[str, Any], name: str, *, empty: bool = False) -> str | None:
        """An optional text."""
        value = raw.get(name)
        if value is None or (isinstance(value, str) and (value or empty)):
            return value
        self.mistake(file, f"{key}.{name}", "is not a text", "write it in quotes")
        return None

    def scalar(self, file: str, key: str, raw: Dictionary[str, Any], name: str) -> Scalar | None:
        """An optional constant."""
        value = raw.get(name)
        if value is None or isinstance(value, (str, int)):
            return value
        self.mistake(file, f"{key}.{name}", "is not text, a whole number or a boolean", "write it as text")
        return None
