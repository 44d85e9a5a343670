"""One entry of the audit log: who did what to which rows, why, and with what outcome. Never a patient's value."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec

from gateway.vault.place import row_bytes

FORMAT = 1
Row = int | str
"""A row's id: a number, or a record id or another key made of ids."""
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+=-]{0,199}")
_encode = msgspec.json.Encoder(order="sorted", decimal_format="string").encode


class Entry:
    """A canonical row: JSON with sorted keys and no spaces, the same bytes for the same facts.

    ``position`` is (writer, seq) once the entry was appended; it counts only when that unit of work was committed.
    """

    __slots__ = ("_rows", "body", "position", "tenant")

    def __init__(self, tenant: str, body: bytes, rows: Mapping[str, Sequence[Row]]) -> None:
        self.tenant = tenant
        self.body = body
        self._rows = {table: tuple(ids) for table, ids in rows.items()}
        self.position: tuple[int, int] | None = None

    def covers(self) -> frozenset[tuple[str, bytes]]:
        """The cells' rows that a grant on this entry opens: (table, row)."""
        return frozenset((table, row_bytes(row)) for table, ids in self._rows.items() for row in ids)


def entry(
    tenant: str,
    *,
    action: str,
    actor: str,
    purpose: str,
    outcome: str = "done",
    patients: Iterable[str] = (),
    counts: Mapping[str, int] | None = None,
    at: datetime | None = None,
    **rows: Sequence[Row],
) -> Entry:
    """Build an entry.

    Args:
        tenant: whose log it belongs to.
        action: receive, access, normalize, deliver, release, read, export, or what was done to a key.
        actor: who did it: a person's or client's id, ``source:name``, ``gateway:part``.
        purpose: why, as a stable word.
        outcome: how it ended, as a stable word.
        patients: record ids of the patients concerned, where they are known.
        counts: what was counted, by stable words.
        at: when; now, if not given.
        rows: ids by table (``messages=[1, 2]``): what this entry is about, and what a grant on it may open.

    Raises:
        ValueError: a word has spaces or other characters that no id has; it might be a patient's value.
    """
    words = {"action": action, "actor": actor, "purpose": purpose, "outcome": outcome}
    for name, word in words.items():
        _check(word, name)
    moment = datetime.now(UTC) if at is None else at.astimezone(UTC)
    facts: dict[str, Any] = {**words, "at": moment.isoformat(timespec="microseconds")[:26] + "Z", "v": FORMAT}
    if named := {_check(table, "table"): _compact(ids) for table, ids in rows.items() if ids}:
        facts["rows"] = named
    if about := sorted({_check(patient, "patients") for patient in patients}):
        facts["patients"] = about
    if counts:
        facts["counts"] = {_check(name, "counts"): int(count) for name, count in counts.items()}
    return Entry(tenant, _encode(facts), rows)


def rows_of(body: bytes, table: str) -> list[Row]:
    """The ids that an entry names in one table, in order."""
    found: list[Row] = []
    for item in msgspec.json.decode(body).get("rows", {}).get(table, ()):
        if isinstance(item, list):
            found.extend(range(item[0], item[1] + 1))
        else:
            found.append(item)
    return found


def _compact(ids: Sequence[Row]) -> list[Any]:
    """Sorted ids without repeats, runs of numbers as ``[first, last]``, texts after numbers."""
    numbers = sorted({row for row in ids if isinstance(row, int)})
    packed: list[Any] = []
    first = last = None
    for number in numbers:
        if last is not None and number == last + 1:
            last = number
            continue
        if last is not None:
            packed.append(last if first == last else [first, last])
        first = last = number
    if last is not None:
        packed.append(last if first == last else [first, last])
    return packed + sorted({_check(row, "rows") for row in ids if isinstance(row, str)})


@lru_cache(maxsize=8192)
def _check(word: str, name: str) -> str:
    if not _WORD.fullmatch(word):
        raise ValueError(f"{name} of an audit entry must be a word or an id, not {len(word)} characters of text")
    return word
