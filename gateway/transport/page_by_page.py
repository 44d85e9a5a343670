"""The intake of one poll: while a page is being stored, the poll's turn belongs to whoever waits for one.

A first reading of a stream takes hours within a vendor's limits. If it held its turn until its end, as many of them as
there are turns would keep every other stream from asking, however short its news. Told through the intake, so that no
adapter has to know of turns.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.model.exchange import Finding, Intake, Item, Receipt
from gateway.transport.budget import Place


class PageByPage:
    """An :class:`~gateway.model.exchange.Intake` that gives a place back for as long as a page is being stored.

    That may be long: a page waits for room while much waits to be normalized. A stream keeps one page in memory then.
    """

    def __init__(self, intake: Intake, place: Place) -> None:
        self._intake = intake
        self._place = place
        self.submit = intake.submit
        self.fate = intake.fate
        self.cursor = intake.cursor
        self.refuse = intake.refuse

    async def accept(
        self, items: Sequence[Item], *, stream: str = "", cursor: str | None = None, findings: Sequence[Finding] = ()
    ) -> Sequence[Receipt]:
        """Store one page, and wait for the next turn."""
        self._place.give_back()
        try:
            return await self._intake.accept(items, stream=stream, cursor=cursor, findings=findings)
        finally:
            await self._place.take()
