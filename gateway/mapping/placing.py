"""From a canonical field back to the places of a source that its rules read: what an analyst can act on.

A record that cannot be made is known by its type's own field (``Appointment.start``). Whoever mends it needs to know
where the sender should have written it, and which rule of which file reads it there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from gateway.errors import InvalidContent
from gateway.mapping.rules import RecordRules, Rule, absolute

_FIELD = re.compile(r"(\w+)\.([\w.\[\]]+)")
_INDEX = re.compile(r"\[[^\]]*\]")


def placed(error: InvalidContent, kind: str, records: Sequence[RecordRules]) -> InvalidContent:
    """The same error, told by the places that the rules of this kind of message read; as it was when there are none.

    Args:
        error: of folding a record; ``where`` is the record type and its field.
        kind: of the message; rules for other kinds count where none of this kind makes such a record, because
            adapters cut messages into groups.
        records: all files of the mapping.
    """
    match = _FIELD.fullmatch(error.where)
    if match is None:
        return error
    record, names = match[1], _INDEX.sub("", match[2]).split(".")
    files = [one for one in records if one.record == record]
    files = [one for one in files if kind in one.kinds] or files
    rules = [rule for one in files for rule in _rules(one.fields, names, kind)]
    places = dict.fromkeys(place for rule, inside in rules for place in _places(rule, inside))
    if not places:
        return error
    named = ", ".join(dict.fromkeys(f"{rule.file}: {rule.key}" for rule, _ in rules))
    fix = f"Fill it at the sender, or replace the rule ({named}) in an overlay; then release."
    what = f"{error.what} ({error.where}, read by {named})"
    return InvalidContent(error.reason, what, where=", ".join(places), fix=fix)


def _rules(
    fields: dict[str, tuple[Rule, ...]], names: Sequence[str], kind: str, inside: str = ""
) -> Iterator[tuple[Rule, str]]:
    """The rules that fill the field, each with the repetition it stands in."""
    for rule in fields.get(names[0], ()):
        if not rule.applies_to(kind):
            continue
        if len(names) == 1 or not rule.fields:
            yield rule, inside
        else:
            for place in [absolute(path, inside) for path in rule.each] or [inside]:
                yield from _rules(rule.fields, names[1:], kind, place)


def _places(rule: Rule, inside: str) -> Iterator[str]:
    """Every place that a rule and those inside it read a value from; a condition is none."""
    for path in (*rule.paths, *rule.join, *rule.every):
        yield absolute(path, inside)
    for place in [absolute(path, inside) for path in rule.each] or [inside]:
        if rule.each and not rule.fields:
            yield place
        for alternatives in rule.fields.values():
            for inner in alternatives:
                yield from _places(inner, place)
