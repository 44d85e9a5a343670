"""The ledger of what was sent: the rows of each route hold as many verdicts as the audit log counts.

Whoever may write to the database could take deliveries away and move the route's cursor back behind them: the gateway
sends again, and every row is as it was written. The audit log counted both times.
"""

from __future__ import annotations

from collections import Counter

import msgspec
from sqlalchemy import Connection

from gateway.flow.ending import ENDED
from gateway.flow.ledger_messages import Report
from gateway.flow.parking import DOUBT
from gateway.store import recount

DELIVER = b'"action":"deliver"'
"""How these entries are told in their canonical text."""
ROUTE = "route:"
VERDICTS = ("delivered", "expired", "quarantined", "suppressed")
"""What a dispatch can come to; whoever releases a delivery counts none."""


class _Dispatch(msgspec.Struct):
    """What is read of an entry."""

    actor: str
    counts: dict[str, int] = {}


class Sent:
    """Verdicts that the audit log counted, by (route, outcome)."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()

    def take(self, body: bytes) -> None:
        """Add what an entry counts."""
        if DELIVER in body:
            entry = _decode(body)
            for outcome in VERDICTS:
                self.counts[entry.actor.removeprefix(ROUTE), outcome] += entry.counts.get(outcome, 0)


_decode = msgspec.json.Decoder(_Dispatch).decode


def count(connection: Connection, tenant: str, sent: Sent, report: Report) -> None:
    """Report routes whose rows hold fewer or more verdicts than were counted.

    What the end of a route suppressed was no dispatch, and is told by its reason, which a policy may give as well.
    """
    held = recount.verdicts(connection, tenant, (ENDED, DOUBT + ENDED))
    for route, outcome in sorted(sent.counts.keys() | held.keys()):
        logged, (rows, ended) = sent.counts[route, outcome], held.get((route, outcome), (0, 0))
        if not rows - (ended if outcome == "suppressed" else 0) <= logged <= rows:
            report("sent-is-logged", f"route {route}", f"the audit log counts {logged} {outcome}, the rows hold {rows}")
