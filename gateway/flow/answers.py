"""Answers: what peers answered to deliveries is stored as messages before their receipts are."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from gateway.errors import RejectMessage
from gateway.model.exchange import Delivered, Finding, Intake, Outcome

log = structlog.get_logger(__name__)


async def keep_answers(intake: Intake | None, route: str, outcomes: Sequence[Outcome]) -> None:
    """Store them under the source that ``intake`` belongs to; after a crash in between they are repeats."""
    items = [item for one in outcomes if isinstance(one, Delivered) for item in one.answers]
    if intake is None:
        if items:
            log.error("answers-not-kept", route=route, count=len(items))
        return
    for item in items:
        try:
            await intake.accept([item])
        except RejectMessage as error:
            what = Finding(reason=error.reason, what=error.what, where=f"route {route}", fix=error.fix)
            await intake.accept((), findings=[what])
