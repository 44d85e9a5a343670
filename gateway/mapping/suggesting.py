"""What to write into an overlay when a source has drifted: lines that can be pasted, for a person to judge."""

from __future__ import annotations

import difflib
import json
from collections.abc import Collection, Iterator
from typing import Any

from gateway.mapping.files import Document, Parsed


def code_lines(parsed: Parsed, table: str, codes: Collection[str]) -> Iterator[str]:
    """An addition to a code table, each new code beside the listed one that looks most like it."""
    found = parsed.tables.get(table)
    if found is None or not codes:
        return
    canonical = sorted(set(found.codes.values()))
    yield f"# codes/{table}.toml in the overlay folder of the source; one of: {', '.join(canonical)}"
    yield "[codes]"
    for code in sorted(codes):
        near = difflib.get_close_matches(code.lower(), [one.lower() for one in found.codes], 1, 0.0)
        like = next((means for one, means in found.codes.items() if near and one.lower() == near[0]), canonical[0])
        yield f"{_text(code)} = {_text(like)}"


def renamed_lines(
    document: Document, parsed: Parsed, kind: str, fields: Collection[str], old: str, new: str
) -> Iterator[str]:
    """The rules of these fields (``Appointment.status``) as they stand, reading ``new`` where they read ``old``."""
    for rules in parsed.records:
        file = rules.file.rpartition("/")[2].removesuffix(".toml")
        names = sorted(name for name in rules.fields if f"{rules.record}.{name}" in fields)
        if kind not in rules.kinds or not names:
            continue
        lines = []
        for name in names:
            raw = _rule(document, file, name)
            changed = _replaced(raw, old, new)
            if changed != raw:
                lines.append(f"{name} = {_inline(changed)}")
        if lines:
            yield f"# {file}.toml in the overlay folder of the source, if {new} is the new name of {old}"
            yield "[fields]"
            yield from lines


def likely_name(old: str, candidates: Collection[str]) -> str:
    """The new place whose name looks most like the one that vanished; empty when none does."""
    return next(iter(difflib.get_close_matches(old, sorted(candidates), 1, 0.6)), "")


def _rule(document: Document, file: str, field: str) -> Any:
    """A field's rule as its topmost layer writes it."""
    found = None
    for _, layer in document.layers():
        found = layer.get(file, {}).get("fields", {}).get(field, found)
    return found


def _replaced(raw: Any, old: str, new: str) -> Any:
    if isinstance(raw, dict):
        return {
            key: value if key in ("table", "to", "ref", "value", "is", "setting") else _replaced(value, old, new)
            for key, value in raw.items()
        }
    if isinstance(raw, list):
        return [_replaced(one, old, new) for one in raw]
    return new if raw == old else raw


def _inline(raw: Any) -> str:
    """A rule on one line of TOML."""
    if isinstance(raw, dict):
        return "{ " + ", ".join(f"{key} = {_inline(value)}" for key, value in raw.items()) + " }"
    if isinstance(raw, list):
        return "[" + ", ".join(_inline(one) for one in raw) + "]"
    return str(raw).lower() if isinstance(raw, bool) else str(raw) if isinstance(raw, int) else _text(raw)


def _text(raw: Any) -> str:
    return json.dumps(str(raw), ensure_ascii=False)
