"""Coming appointments that no calendar lists any more, for an organisation that says what that means.

Whether calendars list cancelled rows is not published. An organisation that knows that its own do not may say so; then
what two whole readings of all calendars in a row miss is gone: cancelled, or moved to where nobody here reads. One
reading is not enough, for a row may be pushed to another page while pages are read, and one that shows fewer rows than
it counts is none. Too many are believed by nobody: a
permission that was taken away looks like a closed clinic.
"""

from __future__ import annotations

import msgspec

from gateway.errors import SourceUnavailable
from gateway.model.exchange import Intake
from gateway.wire.json_decoder import decoder
from gateway_spry.records import CalendarPage, coming, unlisted_item

FEW, MOST = 20, 0.1
"""So many are believed at once, or this part of all that come."""


class _Coming(msgspec.Struct, frozen=True, array_like=True):
    starts: int
    """Seconds since 1970."""
    patient: str
    calendar: str
    """Stream of the calendar that listed it last: one that is not read any more misses nothing."""
    missed: bool = False
    """Whether the reading before this one missed it."""


class _Cursor(msgspec.Struct, frozen=True):
    known: dict[str, _Coming] = {}


_cursor = decoder(_Cursor)


class Listing:
    """What one reading of all calendars lists."""

    stream = "unlisted"

    def __init__(self) -> None:
        self._coming: dict[str, _Coming] = {}
        self._short: dict[str, int] = {}
        """By calendar that was read: rows that it counts and has not shown."""
        self._whole = True

    def page(self, calendar: str, page: CalendarPage, *, first: bool) -> None:
        """One page of a calendar was read; with a row that nobody can tell, the reading is not whole."""
        before = page.total if first else self._short.get(calendar, 0)
        self._short[calendar] = before - len(page.content)
        for raw in page.content:
            try:
                number, patient, starts = coming(bytes(raw))
            except msgspec.DecodeError:
                self._whole = False
            else:
                self._coming[number] = _Coming(starts, patient, calendar)

    async def judge(self, intake: Intake, now: float, until: float, look: str) -> None:
        """At the end of a reading: store what is gone by it, and remember what comes.

        Args:
            intake: of the source.
            now: seconds since 1970; what has begun is no longer waited for.
            until: end of the window that was read.
            look: tells this reading from the next.

        Raises:
            SourceUnavailable: more is gone than can be believed; nothing of it was stored.
        """
        if not self._whole or any(short > 0 for short in self._short.values()):
            return
        kept = await intake.cursor(self.stream)
        before = (_cursor(kept) if kept else _Cursor()).known
        known = {number: one for number, one in self._coming.items() if now < one.starts < until}
        missing = {
            number: msgspec.structs.replace(one, missed=True)
            for number, one in before.items()
            if number not in self._coming and one.starts > now and one.calendar in self._short
        }
        gone = [number for number in missing if before[number].missed]
        # Without a single row, past ones included, calendars are not empty but shut.
        believed = len(gone) <= (max(FEW, MOST * (len(known) + len(missing))) if self._coming else 0)
        items = [unlisted_item(number, missing[number].patient, look) for number in gone] if believed else []
        waits = {number: one for number, one in missing.items() if not (believed and before[number].missed)}
        text = msgspec.json.encode(_Cursor(known | waits)).decode()
        if text != kept:
            await intake.accept(items, stream=self.stream, cursor=text)
        if not believed:
            raise SourceUnavailable(
                "More coming appointments are listed no more than can be believed", where="calendars",
                fix='See what the client may still read; `unlisted = "unknown"` leaves them as they are.',
            )  # fmt: skip
