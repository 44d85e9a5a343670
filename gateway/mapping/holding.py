"""Holding: where one field cannot be read, the field is held back and the rest of its record goes on.

A held field is left out of the patch, so what the record says stays as it was; the patch names it, and the core keeps
the message for it. The patient and the rules for id, version and removal are never held: without them nobody knows
what the rest would be folded onto.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gateway.errors import InvalidContent
from gateway.mapping.rules import Rule
from gateway.mapping.times import Unconvertible
from gateway.model.patch import HeldField, PartialPatch, Patch

HELD = object()
"""Stands for a held field while a record is made, so that no default takes its place."""
UNMAPPED = "unmapped-code"
NEVER = frozenset({"patient"})
"""Canonical fields that decide whose record it is."""
UNREAD = (InvalidContent, Unconvertible)
"""What says that a field cannot be read."""
MOST_CODE = 40
"""Characters of a code that may be told; what is longer is no code."""


class Unread(InvalidContent):
    """A value that a rule cannot read, with what may be told about it where the mapping says that it is a code."""

    def __init__(self, trouble: Unconvertible, rule: Rule, where: str, raw: object) -> None:
        what = f"{trouble.what[0].upper()}{trouble.what[1:]} ({rule.file}: {rule.key})"
        fix = trouble.fix or f"Correct it at the sender, or replace rule {rule.key} in an overlay; then release."
        super().__init__(trouble.reason, what, where=where, fix=fix)
        self.rule = f"{rule.file}: {rule.key}"
        self.table = rule.table or ""
        self.shown = code_of(raw) if trouble.reason == UNMAPPED else ""


def code_of(raw: object) -> str:
    """The code as sent; empty when it is too long for one, or no text on one line."""
    text = raw.strip() if isinstance(raw, str) else ""
    return text if len(text) <= MOST_CODE and text.isprintable() else ""


def hold(fields: dict[str, Any], name: str, error: InvalidContent | Unconvertible) -> HeldField:
    """Mark a field as held, and say why."""
    fields[name] = HELD
    return HeldField(
        field=name,
        place=getattr(error, "where", name),
        reason=error.reason,
        fix=error.fix,
        rule=getattr(error, "rule", ""),
        table=getattr(error, "table", ""),
        code=getattr(error, "shown", ""),
    )


def partial(patch: Patch, held: Sequence[HeldField]) -> PartialPatch:
    """The patch without the fields that are held."""
    told = {name: getattr(patch, name) for name in patch.__struct_fields__}
    told["fields"] = {name: value for name, value in patch.fields.items() if value is not HELD}
    return PartialPatch(**told, held=tuple(held))


def refusing(place: str, reason: str, what: str) -> Callable[[Any], Any]:
    """A reader of a place that must not be read for now."""

    def refuse(_record: Any) -> Any:
        raise InvalidContent(
            reason, what, where=place, fix="See `gateway drift list`; accept it there, or change the mapping."
        )

    return refuse
