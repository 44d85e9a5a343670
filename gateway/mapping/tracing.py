"""The same compiler with a recorder: which rule read what, for ``explain``. Steps stay in memory, they hold values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.mapping.adding import Step
from gateway.mapping.compiler import Compiler, Getter
from gateway.mapping.converters import Convert
from gateway.mapping.rules import RecordRules, Rule, absolute
from gateway.model.null import NULL
from gateway.model.patch import Patch


class TracingCompiler(Compiler):
    """Compiles getters that note every step in ``steps``, in the order they are taken."""

    def __init__(self, steps: list[Step], *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.steps = steps
        self.type_name = ""
        self.places: list[int] = []
        """Index of the item being made at each level of ``each``."""
        self.kept: dict[str, int] = {}
        """How many items each list has so far, by the key of its rule."""

    def record(self, rules: RecordRules) -> Callable[[Any], Patch | None]:
        """As compiled, noting which record the steps belong to."""
        patch = super().record(rules)

        def traced(record: Any) -> Patch | None:
            self.type_name = rules.record
            self.places.clear()
            return patch(record)

        return traced

    def leaf(self, rule: Rule, path: str, read: Getter, convert: Convert) -> Getter:
        """A leaf that notes what it read and made, also when it raises."""
        seen: list[Any] = []
        where = absolute(path, self.inside)

        def reading(record: Any) -> Any:
            seen[:] = [read(record)]
            return seen[0]

        get = super().leaf(rule, path, reading, convert)

        def traced(record: Any) -> Any:
            result = None
            try:
                result = get(record)
            finally:
                self.note(rule, where, seen[0] if seen else None, result)
            return result

        return traced

    def constant(self, rule: Rule, value: Any) -> Getter:
        """A constant that notes that it was used."""
        get = super().constant(rule, value)

        def traced(record: Any) -> Any:
            result = get(record)
            self.note(rule, "", None, result)
            return result

        return traced

    def each(self, rule: Rule) -> Getter:
        """A list whose items know their index in the result."""
        get = super().each(rule)

        def traced(record: Any) -> Any:
            self.kept[rule.key] = 0
            return get(record)

        return traced

    def item(self, rule: Rule) -> Getter:
        """One repetition, counted when it made something."""
        get = super().item(rule)

        def traced(repetition: Any) -> Any:
            self.places.append(self.kept[rule.key])
            value = get(repetition)
            self.places.pop()
            if value is not None and value is not NULL:
                self.kept[rule.key] += 1
            return value

        return traced

    def note(self, rule: Rule, path: str, raw: Any, result: Any) -> None:
        """Add one step, with the index of each repetition that the rule stands in."""
        field = rule.target
        for place in self.places:
            field = field.replace("[]", f"[{place}]", 1)
        self.steps.append(Step(self.type_name, field, path, raw, rule.file, rule.key, result))
