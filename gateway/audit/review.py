"""Review: find entries by who, whom, why, what and when, and sum them up for those who must look at them.

The log is read from its newest entry backwards. Entries that name no patient but the records or messages that were
opened are a patient's too: whose a record is, the store tells.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime, time
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import Connection

from gateway.audit.entry import rows_of
from gateway.model import TYPES
from gateway.store import audit as rows
from gateway.store import reviewing

PAGE = 5000
PEOPLE = ("cli:", "user:", "console:")
"""How the names of actors begin who are people; the others are programs that never sleep."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What is looked for; what is empty does not matter. Times are ISO 8601 in UTC, compared as text."""

    actor: str = ""
    action: str = ""
    purpose: str = ""
    patient: str = ""
    since: str = ""
    until: str = ""


class Logged(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the log, as it stands in the tree."""

    entry: int
    at: str
    actor: str
    action: str
    purpose: str
    outcome: str
    patients: tuple[str, ...] = ()
    counts: dict[str, int] = {}
    rows: dict[str, list[int | str]] = {}


class _Body(msgspec.Struct):
    at: str
    actor: str
    action: str
    purpose: str
    outcome: str
    patients: tuple[str, ...] = ()
    counts: dict[str, int] = {}
    rows: dict[str, object] = {}


_decode = msgspec.json.Decoder(_Body).decode


class Search:
    """One question to one tenant's log."""

    def __init__(self, connection: Connection, tenant: str, wanted: Wanted) -> None:
        self._connection = connection
        self._tenant = tenant
        self._wanted = wanted
        asked = {"actor": wanted.actor, "action": wanted.action, "purpose": wanted.purpose}
        self._needles = [f'"{name}":"{word}"'.encode() for name, word in asked.items() if word]
        self._records: set[str] = set()
        self._messages: set[int] = set()
        if wanted.patient:
            ids = reviewing.records_of(connection, tenant, tuple(TYPES), UUID(wanted.patient).bytes)
            self._records = {str(UUID(bytes=one)) for one in ids}
            self._messages = reviewing.messages_of(connection, tenant, ids)

    def found(self, before: int | None = None) -> Iterator[Logged]:
        """Matching entries below position ``before``, newest first."""
        while page := rows.entries_before(self._connection, self._tenant, before, PAGE):
            for leaf, _, _, body in page:
                text = bytes(body)
                if all(needle in text for needle in self._needles) and (one := self._matching(leaf, text)):
                    yield one
            before = page[-1].leaf

    def _matching(self, leaf: int, text: bytes) -> Logged | None:
        wanted, body = self._wanted, _decode(text)
        if (wanted.since and body.at < wanted.since) or (wanted.until and body.at >= wanted.until):
            return None
        for asked, word in ((wanted.actor, body.actor), (wanted.action, body.action), (wanted.purpose, body.purpose)):
            if asked and asked != word:
                return None
        named = {table: rows_of(text, table) for table in body.rows}
        if wanted.patient and not self._concerns(body.patients, named):
            return None
        return Logged(
            entry=leaf, at=body.at, actor=body.actor, action=body.action, purpose=body.purpose, outcome=body.outcome,
            patients=body.patients, counts=body.counts, rows=named,
        )  # fmt: skip

    def _concerns(self, patients: tuple[str, ...], named: dict[str, list[int | str]]) -> bool:
        return (
            self._wanted.patient in patients
            or any(str(row).partition("/")[0] in self._records for row in named.get("changes", ()))
            or any(row in self._messages for row in named.get("messages", ()))
        )


def concerned(connection: Connection, tenant: str, one: Logged) -> dict[str, list[str]]:
    """The patients an entry concerns, each with the record versions of theirs that it names."""
    found: dict[str, list[str]] = {patient: [] for patient in one.patients}
    named = [str(row) for row in one.rows.get("changes", ())]
    owners = reviewing.patients_of(connection, tenant, {UUID(row.partition("/")[0]).bytes for row in named})
    for row in named:
        owner = owners.get(UUID(row.partition("/")[0]).bytes)
        if owner is not None:
            found.setdefault(str(UUID(bytes=owner)), []).append(row)
    return found


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """What one actor did, in sum."""

    who: str
    entries: int
    actions: dict[str, int]
    purposes: tuple[str, ...]
    first: str
    last: str


def summed(found: Iterable[Logged], by: str) -> list[Tally]:
    """Entries summed up by ``actor`` or by ``day``, busiest first."""
    groups: dict[str, list[Logged]] = defaultdict(list)
    for one in found:
        groups[one.actor if by == "actor" else one.at[:10]].append(one)
    tallies = [
        Tally(
            who=who, entries=len(group), actions=dict(sorted(Counter(one.action for one in group).items())),
            purposes=tuple(sorted({one.purpose for one in group})), first=min(one.at for one in group),
            last=max(one.at for one in group),
        )
        for who, group in groups.items()
    ]  # fmt: skip
    return sorted(tallies, key=lambda one: (-one.entries, one.who))


class Unusual(msgspec.Struct, frozen=True, kw_only=True):
    """Something a person should look at: who, on which day, what is unusual, and how much of it."""

    who: str
    day: str
    reason: str
    count: int
    entries: tuple[int, ...]
    """The first of the entries concerned, to look them up."""


class Habits(msgspec.Struct, frozen=True, kw_only=True):
    """What counts as usual."""

    most_patients: int
    """Patients whose data one person opens in a day."""
    opens: time
    closes: time
    zone: ZoneInfo


def unusual(connection: Connection, tenant: str, wanted: Wanted, habits: Habits) -> list[Unusual]:
    """Days on which a person looked at many patients, or looked outside office hours or at a weekend."""
    patients: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    many: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    late: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for one in Search(connection, tenant, wanted).found():
        if one.action not in {"access", "read", "export"} or not one.actor.startswith(PEOPLE):
            continue
        local = datetime.fromisoformat(one.at).astimezone(habits.zone)
        key = one.actor, local.date().isoformat()
        whose = concerned(connection, tenant, one)
        if whose:
            patients[key].update(whose)
            many[key].append(one.entry)
            if local.weekday() >= 5 or not habits.opens <= local.time() < habits.closes:
                late[key].append(one.entry)
    found = [
        Unusual(who=who, day=day, reason="many-patients", count=len(whose), entries=tuple(many[who, day][-20:]))
        for (who, day), whose in patients.items()
        if len(whose) > habits.most_patients
    ]
    found += [
        Unusual(who=who, day=day, reason="off-hours", count=len(entries), entries=tuple(entries[-20:]))
        for (who, day), entries in late.items()
    ]
    return sorted(found, key=lambda one: (one.day, one.who, one.reason), reverse=True)
