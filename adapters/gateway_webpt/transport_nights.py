"""What is remembered from night to night: the newest night of each table, and a digest of each of its rows.

Unchanged rows are not brought in again; an appointment that is missing inside the window of a newer night is told as
absent; a night that is left out, and a file that does not come in time, become findings. An older night that comes late
or again is brought in with its own night as version, so that nothing newer gives way to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from gateway.model.exchange import Finding, Item
from gateway_webpt.config import DAYS
from gateway_webpt.records import Opened, rows
from gateway_webpt.records_row import ABSENT, SUMMARY, Context, Row, day_of, iso

if TYPE_CHECKING:
    from gateway_webpt.config import WebptConfig

WINDOWED = "appointments"
ANY = "any table"
"""Stands for all while no file came yet."""
_FEW = 20
"""So many absences are believed whatever share they are: a small clinic has them on a quiet day.

Not those of a file without any row: two weeks back and ahead, no clinic is as quiet as that.
"""


class Remembered(Struct, array_like=True):
    """The last state of one row that was brought in."""

    digest: str
    start: str = ""
    patient: str = ""
    case: str = ""


class Memory(Struct):
    """Of one table; kept as the cursor of its stream."""

    night: str = ""
    rows: dict[str, Remembered] = {}
    full: bool = False
    """More rows than are remembered: an absence proves nothing."""


class Seen(Struct):
    """When files last came, by table; ``told`` is the night whose lateness was told already."""

    at: dict[str, datetime] = {}
    night: dict[str, str] = {}
    told: dict[str, str] = {}


class Night:
    """One file of one night on its way in."""

    def __init__(self, opened: Opened, memory: Memory, config: WebptConfig) -> None:
        self._opened = opened
        self._memory = memory
        self._config = config
        self._context = opened.shape.context
        self.is_newer = self._context.night > memory.night
        self._windowed = self._context.table == WINDOWED
        self._found: dict[str, Remembered] = {}
        self._full = memory.full
        self.rows = self.changed = 0
        self._broken = False

    def parts(self) -> Iterator[Item | Finding]:
        """The rows that changed, and what is wrong with others."""
        known = self._memory.rows
        for part in rows(self._opened):
            if isinstance(part, Finding):
                self._broken = True
                yield part
                continue
            row, line = part
            self.rows += 1
            key, digest = row.key, row.digest
            before = self._found.get(key) or known.get(key)
            if len(self._found) < self._config.remember_rows:
                self._found[key] = self._remembered(row, digest)
            else:
                self._full = True
            if before is None or before.digest != digest:
                self.changed += 1
                yield row.item(self._opened.context, line)

    def after(self) -> tuple[list[Item], list[Finding], Memory]:
        """What follows from the file as a whole: absent appointments, a summary, and what to remember now."""
        findings: list[Finding] = []
        absent: list[str] = []
        if not self.is_newer:
            known = self._found | self._memory.rows if not self._windowed else self._memory.rows
            memory = msgspec.structs.replace(self._memory, rows=self._bounded(known))
        else:
            findings += self._left_out()
            absent, doubted = self._absent()
            findings += doubted
            kept = self._still_ahead(absent) if self._windowed and not doubted else self._memory.rows
            gone = {key: Remembered("") for key in absent if key in self._found}
            memory = Memory(self._context.night, self._bounded(kept | self._found | gone), self._full)
        return [*self._absences(absent), self._summary(len(absent))], findings, memory

    def _remembered(self, row: Row, digest: str) -> Remembered:
        if not self._windowed:
            return Remembered(digest)
        start = iso(row.column("start_date") or "", self._context.order)
        return Remembered(digest, start, row.patient, row.column("case_id") or "")

    def _bounded(self, known: dict[str, Remembered]) -> dict[str, Remembered]:
        """At most as many as are to be remembered: the newest."""
        spare = len(known) - self._config.remember_rows
        return dict(list(known.items())[spare:]) if spare > 0 else known

    def _absent(self) -> tuple[list[str], list[Finding]]:
        """Appointments that the window must hold and does not; leaving the window says nothing."""
        night = day_of(self._context.night)
        if not self._windowed or self._config.absent == "unknown" or night is None or self._full or self._broken:
            return [], []
        reach = timedelta(days=max(self._config.window_days - 1, 0))
        inside = [
            key
            for key, row in self._memory.rows.items()
            if row.digest and (day := day_of(row.start)) is not None and night - reach <= day <= night + reach
        ]
        gone = [key for key in inside if key not in self._found]
        if len(gone) > max(_FEW, len(inside) * self._config.most_absent) or (gone and not self._found):
            what = f"{len(gone)} of {len(inside)} appointments are missing from a night; none is taken for gone"
            fix = "ask whether the file is whole; raise most_absent if it is"
            return [], [Finding(reason="window-shrank", what=what, where=f"{WINDOWED} {self._context.night}", fix=fix)]
        return gone + list(self._shadowed()), []

    def _still_ahead(self, absent: list[str]) -> dict[str, Remembered]:
        """Appointments that are not listed yet or no longer, and that a later night's window must hold."""
        gone, night = set(absent), self._context.night[:10]
        return {key: row for key, row in self._memory.rows.items() if key not in gone and row.start[:10] > night}

    def _shadowed(self) -> Iterator[str]:
        """Recurrences still listed under their negative id though the visit was checked in under a positive one."""
        taken = {(row.case, row.start) for key, row in self._found.items() if not key.startswith("-")}
        for key, row in self._found.items():
            if key.startswith("-") and row.case and (row.case, row.start) in taken:
                yield key

    def _absences(self, keys: list[str]) -> Iterator[Item]:
        context = msgspec.json.encode(Context(ABSENT, ("appointment_id", "patient_id"), night=self._context.night))
        for key in keys:
            known = self._memory.rows.get(key) or self._found[key]
            yield Item(
                body=f"{key},{known.patient}".encode(), kind=ABSENT, control_id=f"{ABSENT}:{key}:{self._context.night}",
                order_key=known.patient or None, context=context,
            )  # fmt: skip

    def _left_out(self) -> Iterator[Finding]:
        before, now = day_of(self._memory.night), day_of(self._context.night)
        if before is not None and now is not None and (now - before).days > DAYS[self._config.every]:
            what = f"no file came between {before} and {now}"
            fix = "ask for the files of the days between; they are applied where nothing newer is known"
            yield Finding(reason="night-missing", what=what, where=f"{self._context.table} {now}", fix=fix)

    def _summary(self, absent: int) -> Item:
        """A message that says how many rows the file had, so that those not brought in are accounted for."""
        table, night = self._context.table + self._context.twin, self._context.night
        told = {"table": table, "night": night, "rows": self.rows, "changed": self.changed, "absent": absent}
        context = msgspec.json.encode(Context(SUMMARY, ("summary",), delimiter="\n", night=night))
        return Item(
            body=msgspec.json.encode(told), kind=SUMMARY, control_id=f"{SUMMARY}:{table}:{night}", order_key=None,
            context=context,
        )  # fmt: skip


def late(seen: Seen, now: datetime, config: WebptConfig) -> list[Finding]:
    """Tables whose next file should have come by now, each told once for a night; marks them as told."""
    found = []
    longest = timedelta(hours=config.late_hours) + timedelta(days=DAYS[config.every] - 1)
    for table, at in seen.at.items():
        if table == ANY and len(seen.at) > 1:
            continue
        night = seen.night.get(table, "")
        if now - at > longest and seen.told.get(table) != night + at.isoformat():
            seen.told[table] = night + at.isoformat()
            what = f"no file came since {at.astimezone(UTC):%Y-%m-%d %H:%M} UTC" + ("" if night else ", the first look")
            fix = "look whether the vendor built and sent the extract, and whether its files have names that are taken"
            found.append(Finding(reason="extract-late", what=what, where=table, fix=fix))
    return found
