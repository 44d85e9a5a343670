"""Golden messages: inputs as a system sends them, and what each message of them means, kept beside the adapter.

``golden/<case>`` is a file that the adapter cuts into messages; ``golden/<case>.expected.json`` tells of each what it
becomes. ``gateway certify NAME --accept`` writes the latter anew, for its author to look through.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import msgspec

from gateway.errors import InvalidConfiguration, RejectMessage
from gateway.flow.source import Source
from gateway.model.exchange import Finding, Item
from gateway.testing.conformance import Result, judged
from gateway.testing.conformance_subject import EXPECTED, Subject

CHUNK = 997
"""Inputs are cut once whole and once in pieces of this size, which falls on no boundary of any format."""


def golden_rule(subject: Subject) -> Result:
    """golden-messages."""
    return judged("golden-messages", _faults(subject))


def accept(subject: Subject) -> list[str]:
    """Write what golden inputs become now as what is expected of them; gives the names of the files written."""
    source = subject.bound()
    written = []
    for case in subject.golden():
        if not isinstance(case, Path):
            raise InvalidConfiguration("The adapter is not installed from a folder", where=subject.name)
        told = case.with_name(case.name + EXPECTED)
        told.write_text(_text(_meaning(source, [case.read_bytes()])), "utf-8")
        written.append(told.name)
    return written


def parts(subject: Subject) -> list[Item | Finding]:
    """All golden inputs, cut."""
    source = subject.bound()
    return [part for case in subject.golden() for part in source.adapter.cut([case.read_bytes()], source.config)]


def _faults(subject: Subject) -> Iterator[str]:
    cases = subject.golden()
    if not cases:
        yield "there are no golden inputs beside the adapter"
        return
    source = subject.bound()
    for case in cases:
        data = case.read_bytes()
        found = _meaning(source, [data])
        if not found:
            yield f"{case.name}: nothing was read"
        if _meaning(source, [data[at : at + CHUNK] for at in range(0, len(data), CHUNK)]) != found:
            yield f"{case.name}: in pieces it is read otherwise than whole"
        yield from _differences(case, found, _sibling(subject, case))


def _differences(case: Traversable, found: Sequence[Any], told: Traversable) -> Iterator[str]:
    if not told.is_file():
        yield f"{case.name}: no file says what is expected"
        return
    expected = json.loads(told.read_text("utf-8"))
    if len(expected) != len(found):
        yield f"{case.name}: {len(found)} messages, {len(expected)} are expected"
    for number, (one, other) in enumerate(zip(found, expected, strict=False), 1):
        if one != other:
            keys = sorted(key for key in {*one, *other} if one.get(key) != other.get(key))
            yield f"{case.name}: message {number} differs in {', '.join(keys)}"


def _sibling(subject: Subject, case: Traversable) -> Traversable:
    return subject.place / "golden" / (case.name + EXPECTED)


def _meaning(source: Source, chunks: Sequence[bytes]) -> list[dict[str, Any]]:
    """Each message in order, as plain JSON values."""
    found = [_told(source, part) for part in source.adapter.cut(chunks, source.config)]
    return list(json.loads(_text(found)))


def _told(source: Source, part: Item | Finding) -> dict[str, Any]:
    if isinstance(part, Finding):
        return {"finding": part.reason, "where": part.where}
    line: dict[str, Any] = {"kind": part.kind, "control_id": part.control_id, "order_key": part.order_key}
    try:
        result = source.normalize(part.body, part.context)
    except RejectMessage as error:
        return line | {"quarantined": error.reason, "where": error.where}
    if result.suppressed is not None:
        return line | {"suppressed": result.suppressed}
    patches = [
        {
            "type": patch.type, "native_id": patch.native_id, "operation": patch.operation, "patient": patch.patient,
            "source_version": patch.source_version, "into": patch.into, "fields": patch.fields,
        }
        for patch in result.patches
    ]  # fmt: skip
    return line | {"patches": patches, "residue": list(result.residue)}


def _text(found: Sequence[Any]) -> str:
    return json.dumps(msgspec.to_builtins(found), indent=1, sort_keys=True, ensure_ascii=False) + "\n"
