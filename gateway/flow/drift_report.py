"""Drift as it is told to operators: what changed, what is held for it, and what to do, in words and lines to paste."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import msgspec
from sqlalchemy import Connection

from gateway.flow.clock import iso
from gateway.flow.drift_alarm import EMPTIED, Detail
from gateway.flow.drift_form import LEARN, VANISHED, WRONG_TYPE, Learnt
from gateway.flow.source import Origin, Source
from gateway.store import drift
from gateway.store.rows import Found


class Drifted(msgspec.Struct, frozen=True, kw_only=True):
    """One alarm."""

    id: str
    source: str
    kind: str
    place: str
    what: str
    state: str
    messages: int
    """Messages that showed it."""
    held: int
    """Fields of records that are held for it now."""
    fields: tuple[str, ...]
    codes: tuple[str, ...]
    types: tuple[str, ...]
    since: str
    last: str
    advice: str
    """What to do, in words."""
    overlay: tuple[str, ...]
    """Lines of an overlay that can be pasted; none where no line would help."""


def drifted(connection: Connection, tenant: str, sources: Mapping[tuple[str, str], Origin]) -> list[Drifted]:
    """Every alarm of a tenant, open ones first."""
    held = drift.held_counts(connection, tenant)
    found = []
    for row in drift.alarms(connection, tenant):
        source = sources.get((tenant, row.source))
        detail = msgspec.json.decode(row.detail, type=Detail)
        learnt = _learnt(connection, row) if row.what == VANISHED else Learnt()
        found.append(
            Drifted(
                id=id_of(drift.row_key(row)), source=row.source, kind=row.kind, place=row.place, what=row.what,
                state=row.state, messages=row.count, held=held.get((row.source, row.kind, row.place, row.what), 0),
                fields=tuple(sorted(detail.fields)), codes=tuple(sorted(detail.codes)), types=tuple(detail.types),
                since=iso(row.first_at), last=iso(row.last_at), advice=_advice(row.what, detail),
                overlay=_overlay(row, detail, source, learnt) if isinstance(source, Source) else (),
            )
        )  # fmt: skip
    return found


def id_of(key: Mapping[str, str]) -> str:
    """What an alarm is called on the command line."""
    text = "\0".join(key[name] for name in drift.ALARM_KEY)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _learnt(connection: Connection, row: Found) -> Learnt:
    for form in drift.forms(connection, row.tenant, row.source):
        if form.kind == row.kind:
            return msgspec.json.decode(form.form, type=Learnt)
    return Learnt()


def _overlay(row: Found, detail: Detail, source: Source, learnt: Learnt) -> tuple[str, ...]:
    if detail.table:
        return source.mapping.code_lines(detail.table, detail.codes)
    new = [name for name, place in learnt.places.items() if place.first >= LEARN]
    return source.mapping.renamed_lines(row.kind, detail.fields, row.place, new)


def _advice(what: str, detail: Detail) -> str:
    if what == VANISHED:
        return (
            "Every record had this place, and now it is missing. Where it was renamed, change the rule; where it is "
            "gone for good, accept it: then the fields made of it follow what is left."
        )
    if what == WRONG_TYPE:
        return (
            "The content is of another type than before. Where the mapping can read it, accept it; where it cannot, "
            "read another place in an overlay."
        )
    if what == EMPTIED:
        return "This place used to be filled and is nearly always empty now: ask the clinic whether that is meant."
    if detail.many:
        return "So many different codes came that this place may hold no codes: read it without a code table."
    if detail.table:
        return (
            "The source sends a code that the table does not list: say in an overlay what it means. Its text is told "
            "here once three messages sent it; a single one may hold a name that slipped into the place."
        )
    return f"The content cannot be read by the rule {detail.rule}: correct it at the source, or replace the rule."
