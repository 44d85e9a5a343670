"""Ledger: recount everything that was accepted from the rows themselves, and name what does not add up.

Two equations hold at any moment, per tenant: messages accepted = normalized + suppressed + quarantined + pending; and
per route, matching changes = delivered + suppressed + quarantined + expired + pending. They are counted from messages,
outcomes, journal positions, deliveries and the counts in the audit log, each against the others, so that no single row
can vanish unseen. A status column is never asked.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection

from gateway.audit import rows_of
from gateway.flow import ledger_pages, ledger_routes
from gateway.store import recount

RECEIVE = b'"action":"receive"'
CONFIGURE = b'"action":"configure"'
"""How these entries are told in their canonical text."""


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
    of that one.
    """
    problems: list[Problem] = []
    _routes(connection, tenant, problems, lane)
    _pages(connection, tenant, problems, patient)
    return problems


def _pages(connection: Connection, tenant: str, problems: list[Problem], patient: bytes | None = None) -> int:
    return ledger_pages.count(connection, tenant, lambda *found: problems.append(Problem(*found)), patient)


def _routes(
    connection: Connection, tenant: str, problems: list[Problem], lane: int | None = None
) -> list[ledger_routes.RouteCount]:
    """Each route's count. The rows of one lane are held for all routes: reading them costs more than comparing them."""
    held = None if lane is None else list(recount.changes_for_routes(connection, tenant, lane))
    return [
        ledger_routes.count(
            connection, tenant, route, recount.changes_for_routes(connection, tenant) if held is None else held,
            lambda *found: problems.append(Problem(*found)), lane,
        )
        for route in recount.route_names(connection, tenant)
    ]  # fmt: skip


def _messages(connection: Connection, tenant: str, problems: list[Problem]) -> Counter[tuple[str, str]]:
    """Every accepted message has its outcomes in sequence, or waits in the inbox; the audit log names each."""
    waiting = recount.inbox_ids(connection, tenant)
    known: set[int] = set()
    counts: Counter[tuple[str, str]] = Counter()
    made: dict[int, int] = {}
    for message_id, answer, history in recount.messages_with_outcomes(connection, tenant):
        known.add(message_id)
        row = f"message {message_id}"
        if [attempt for attempt, *_ in history] != list(range(len(history))):
            problems.append(Problem("outcomes-in-sequence", row, "an outcome row is missing"))
        last = history[-1] if history else None
        open_ = last is None or last[1] == "released"
        if open_ != (message_id in waiting):
            found = "it has neither an outcome nor an inbox row" if open_ else "it is settled and still in the inbox"
            problems.append(Problem("message-accounted", row, found))
        if (last is not None and last[1] == "refused") != (answer != "AA"):
            problems.append(Problem("answer-fits-outcome", row, f"it was answered {answer}"))
        made[message_id] = sum(changes for *_, changes in history)
        if answer == "AA":
            counts[("pending", "") if last is None or open_ else (last[1], last[2])] += 1
    orphans = waiting - known | recount.orphan_outcomes(connection, tenant)
    problems.extend(
        Problem("inbox-has-message", f"message {lost}", "the message row is missing") for lost in sorted(orphans)
    )
    problems.extend(
        Problem("message-has-context", f"context {lost}", "the envelope row is missing")
        for lost in sorted(recount.missing_contexts(connection, tenant))
    )
    received, texts = _named(connection, tenant)
    problems.extend(
        Problem("text-kept", f"text {lost}", "the audit log kept it, no row holds it")
        for lost in sorted(texts - {kept.hex() for kept in recount.text_hashes(connection)})
    )
    problems.extend(
        Problem("received-is-stored", f"message {lost}", "the audit log received it, no row holds it")
        for lost in sorted(received - known)
    )
    problems.extend(
        Problem("stored-is-audited", f"message {lost}", "no receive entry of the audit log names it")
        for lost in sorted(known - received)
    )
    _made(recount.changes_by_message(connection, tenant), made, problems)
    return counts


def _named(connection: Connection, tenant: str) -> tuple[set[int], set[str]]:
    """Messages and texts that the audit log says were stored."""
    received: set[int] = set()
    texts: set[str] = set()
    for body in recount.audit_bodies(connection, tenant):
        if RECEIVE in body:
            received.update(row for row in rows_of(body, "messages") if isinstance(row, int))
        elif CONFIGURE in body:
            texts.update(row for row in rows_of(body, "texts") if isinstance(row, str))
    return received, texts


def _made(journalled: dict[int, int], made: dict[int, int], problems: list[Problem]) -> None:
    for message_id in sorted(set(journalled) | set(made)):
        if journalled.get(message_id, 0) != made.get(message_id, 0):
            found = (
                f"its outcomes say {made.get(message_id, 0)} changes, the journal has {journalled.get(message_id, 0)}"
            )
            problems.append(Problem("changes-by-message", f"message {message_id}", found))


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
    heads = recount.record_heads(connection, tenant)
    latest: dict[bytes, tuple[int, int, int]] = {}
    for record_id, version, lane, position in recount.record_changes(connection, tenant):
        before = latest.get(record_id, (0, 0, 0))[0]
        if version != before + 1:
            problems.append(
                Problem("versions-in-sequence", f"record {record_id.hex()}", f"version {version} follows {before}")
            )
        latest[record_id] = (version, lane, position)
    problems.extend(
        Problem("record-at-latest", f"record {record_id.hex()}", "its row and the journal's last change differ")
        for record_id in sorted(set(heads) | set(latest))
        if heads.get(record_id) != latest.get(record_id)
    )


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
