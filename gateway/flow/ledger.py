"""Ledger: recount everything that was accepted from the rows themselves, and name what does not add up.

Two equations hold at any moment, per tenant: messages accepted = normalized + suppressed + quarantined + pending; and
per route, matching changes = delivered + suppressed + quarantined + expired + pending. They are counted from messages,
outcomes, journal positions, deliveries and the counts in the audit log, each against the others, so that no single row
can vanish unseen. A status column is never asked. On PostgreSQL, whose pages have no MACs, each row is held against its
own as well.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import merge
from itertools import groupby, islice
from operator import itemgetter
from typing import Any

import msgspec
from sqlalchemy import Connection

from gateway.flow import ledger_emptied, ledger_messages, ledger_pages, ledger_routes, ledger_sent
from gateway.store import bound, recount

BOUND = "row-as-written"
"""The rule that a bound row breaks."""
MOST_NAMED = 1_000
"""Rows of one table that are named; of a table that is wrong as a whole, the others are counted."""
_RECORD = itemgetter(0)


class Problem(msgspec.Struct, frozen=True):
    """Something that does not add up: which rule, which row, and what was found."""

    rule: str
    row: str
    found: str


class Ledger(msgspec.Struct, frozen=True, kw_only=True):
    """The recount of one tenant."""

    tenant: str
    accepted: int
    normalized: int
    suppressed: dict[str, int]
    quarantined: dict[str, int]
    pending: int
    refused: int
    changes: int
    routes: list[ledger_routes.RouteCount]
    disclosed: int
    """Patients told of on pages over HTTP, each page counted."""
    problems: list[Problem]

    @property
    def unaccounted(self) -> int:
        """How many rows are missing or surplus: zero, or something is wrong."""
        return len(self.problems)


def recount_tenant(connection: Connection, tenant: str) -> Ledger:
    """Recount one tenant from scratch, in one snapshot."""
    problems: list[Problem] = []
    counts = _messages(connection, tenant, problems)
    _journal(connection, tenant, problems)
    _records(connection, tenant, problems)
    _kept(connection, tenant, problems)
    routes = _routes(connection, tenant, problems)
    disclosed = _pages(connection, tenant, problems)
    _bound(bound.wrong_everywhere(connection, tenant), problems)
    return Ledger(
        tenant=tenant,
        accepted=sum(counts.values()),
        normalized=sum(n for (outcome, _), n in counts.items() if outcome == "normalized"),
        suppressed={reason: n for (outcome, reason), n in sorted(counts.items()) if outcome == "suppressed"},
        quarantined={reason: n for (outcome, reason), n in sorted(counts.items()) if outcome == "quarantined"},
        pending=sum(n for (outcome, _), n in counts.items() if outcome == "pending"),
        refused=recount.refused(connection, tenant),
        changes=recount.change_count(connection, tenant),
        routes=routes,
        disclosed=disclosed,
        problems=problems,
    )


def recount_deliveries(
    connection: Connection, tenant: str, lane: int | None = None, patient: bytes | None = None
) -> list[Problem]:
    """What does not add up of what left: a missing or surplus delivery of a route, or disclosure of a page.

    With ``lane``, deliveries of that lane only: all that can be one patient's; with ``patient``, only what pages told
    of that one. What is told of each is as it was written.
    """
    problems: list[Problem] = []
    _routes(connection, tenant, problems, lane)
    _pages(connection, tenant, problems, patient)
    _bound(bound.wrong_of_what_left(connection, tenant, lane, patient), problems)
    return problems


def _bound(tables: Iterator[tuple[str, Iterator[bound.Wrong]]], problems: list[Problem]) -> None:
    """Rows that somebody else wrote or changed."""
    for name, wrong in tables:
        problems.extend(Problem(BOUND, *found) for found in islice(wrong, MOST_NAMED))
        if more := sum(1 for _ in wrong):
            problems.append(Problem(BOUND, f"{name} and {more} rows more", "they are not as the gateway wrote them"))


def _messages(connection: Connection, tenant: str, problems: list[Problem]) -> Counter[tuple[str, str]]:
    """The messages, and what else the audit log is held against: it is read once."""
    report, drops, sent = _into(problems), ledger_emptied.Drops(), ledger_sent.Sent()

    def heard(body: bytes) -> None:
        drops.take(body)
        sent.take(body)

    counts = ledger_messages.count(connection, tenant, report, heard)
    ledger_emptied.count(connection, tenant, drops, report)
    ledger_sent.count(connection, tenant, sent, report)
    return counts


def _pages(connection: Connection, tenant: str, problems: list[Problem], patient: bytes | None = None) -> int:
    return ledger_pages.count(connection, tenant, _into(problems), patient)


def _routes(
    connection: Connection, tenant: str, problems: list[Problem], lane: int | None = None
) -> list[ledger_routes.RouteCount]:
    """Each route's count. The rows of one lane are held for all routes: reading them costs more than comparing them."""
    held = None if lane is None else list(recount.changes_for_routes(connection, tenant, lane))
    return [
        ledger_routes.count(
            connection, tenant, route, recount.changes_for_routes(connection, tenant) if held is None else held,
            _into(problems), lane,
        )
        for route in recount.route_names(connection, tenant)
    ]  # fmt: skip


def _into(problems: list[Problem]) -> Callable[[str, str, str], None]:
    """A report that is kept."""
    return lambda *found: problems.append(Problem(*found))


def _journal(connection: Connection, tenant: str, problems: list[Problem]) -> None:
    """Every lane counts 1, 2, 3 ... to its head."""
    heads = recount.lane_heads(connection, tenant)
    problems.extend(
        Problem("lane-has-head", f"lane {lane}", "its head row is missing")
        for lane in sorted(set(range(recount.LANES)) - set(heads))
    )
    last: dict[int, int] = defaultdict(int)
    for lane, position in recount.positions(connection, tenant):
        problems.extend(_gap(lane, range(last[lane] + 1, position)))
        last[lane] = position
    for lane, head in sorted(heads.items()):
        problems.extend(_gap(lane, range(last[lane] + 1, head + 1)))
        if last[lane] > head:
            problems.append(
                Problem("lane-head", f"lane {lane}", f"the head says {head}, the journal goes to {last[lane]}")
            )


def _kept(connection: Connection, tenant: str, problems: list[Problem]) -> None:
    """What changes rest on is still there: barriers in pairs, and the text of every mapping."""
    problems.extend(
        Problem("barrier-has-twin", f"lane {lane} position {position}", "the other patient's barrier is missing")
        for lane, position in recount.lone_barriers(connection, tenant)
    )
    problems.extend(
        Problem("mapping-kept", f"mapping {lost.hex()}", "the text of the mapping is missing")
        for lost in sorted(recount.missing_mappings(connection, tenant))
    )


def _gap(lane: int, missing: Iterable[int]) -> list[Problem]:
    return [
        Problem("journal-gap-free", f"lane {lane} position {position}", "the change is missing") for position in missing
    ]


def _records(connection: Connection, tenant: str, problems: list[Problem]) -> None:
    """Every record stands at its latest change, and its versions count 1, 2, 3 ..."""
    both = merge(recount.record_heads(connection, tenant), recount.record_changes(connection, tenant), key=_RECORD)
    for record_id, rows in groupby(both, key=_RECORD):
        head = last = (0, 0, 0)
        for _, journalled, *place in rows:
            if not journalled:
                head = (place[0], place[1], place[2])
                continue
            if place[0] != last[0] + 1:
                found = f"version {place[0]} follows {last[0]}"
                problems.append(Problem("versions-in-sequence", f"record {record_id.hex()}", found))
            last = (place[0], place[1], place[2])
        if head != last:
            found = "its row and the journal's last change differ"
            problems.append(Problem("record-at-latest", f"record {record_id.hex()}", found))


def totals(ledgers: Sequence[Ledger]) -> dict[str, Any]:
    """Totals over tenants, as the demo and `verify ledger --json` print them."""
    routes = [route for ledger in ledgers for route in ledger.routes]
    return {
        "messages_accepted": sum(ledger.accepted for ledger in ledgers),
        "normalized": sum(ledger.normalized for ledger in ledgers),
        "changes": sum(ledger.changes for ledger in ledgers),
        "delivered": sum(route.delivered for route in routes),
        "suppressed": sum(sum(ledger.suppressed.values()) for ledger in ledgers)
        + sum(sum(route.suppressed.values()) for route in routes),
        "quarantined": sum(sum(ledger.quarantined.values()) for ledger in ledgers)
        + sum(sum(route.quarantined.values()) for route in routes),
        "pending": sum(ledger.pending for ledger in ledgers) + sum(route.pending for route in routes),
        "unaccounted": sum(ledger.unaccounted for ledger in ledgers),
    }
