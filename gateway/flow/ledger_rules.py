"""What the rules of the ledger say, and what to do when one is broken: whatever a recount finds names its rule."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

RESTORE = (
    "Keep a copy of the store as it is, and restore the newest backup in which nothing is missing"
    " (gateway backup restore; with PostgreSQL, the server's own). Sources that are polled bring again what came since;"
    " ask the others to send it again."
)
FOREIGN = (
    "Find out who can write to the store, and change its passwords. Keep a copy of it as it is, and restore the newest"
    " backup in which this row is not there."
)
KEEP_TEXT = (
    "Start the gateway once with the mapping or view as it was then: what has the same hash is kept again."
    " Or restore a backup that has it."
)
SENT = (
    "What was sent stands in the audit log: gateway audit search --action deliver. Ask the receiver whether it came"
    " twice, and find out who can write to the store."
)
REWRITTEN = (
    "These rows were written behind the gateway's back: restore the server's latest backup in which they are whole."
    " Only after a restored copy that is older than MACs are: gateway keys bind."
)


class Rule(NamedTuple):
    """One rule of the ledger."""

    holds: str
    """What is so while nobody meddles."""
    fix: str
    """What to do when it is not so."""


RULES: Mapping[str, Rule] = {
    "received-is-stored": Rule("What the audit log says was received has its row.", RESTORE),
    "stored-is-audited": Rule("Every message's row is named by a receive entry of the audit log.", FOREIGN),
    "inbox-has-message": Rule("What waits or has an outcome is a message that is there.", RESTORE),
    "message-has-context": Rule("The envelope that a message was cut from is there.", RESTORE),
    "outcomes-in-sequence": Rule("The outcomes of a message count 0, 1, 2 without a gap.", RESTORE),
    "message-accounted": Rule("A message waits or is settled: one of them, never both or none.", RESTORE),
    "answer-fits-outcome": Rule("Refused is what was answered AE or AR, and nothing else.", FOREIGN),
    "changes-by-message": Rule("A message made as many changes as its outcomes say.", RESTORE),
    "emptied-on-purpose": Rule("What has no content any more was dropped by retention or shredded.", RESTORE),
    "lane-has-head": Rule("Each of the journal's 64 lanes has the row that says how far it goes.", RESTORE),
    "lane-head": Rule("A lane goes as far as that row says.", RESTORE),
    "journal-gap-free": Rule("The positions of a lane count 1, 2, 3 without a gap.", RESTORE),
    "barrier-has-twin": Rule("Both patients of a merge have its mark in their lanes.", RESTORE),
    "versions-in-sequence": Rule("The versions of a record count 1, 2, 3 without a gap.", RESTORE),
    "record-at-latest": Rule("A record stands at the journal's last change of it.", RESTORE),
    "mapping-kept": Rule("The text of each mapping that made a change is kept.", KEEP_TEXT),
    "text-kept": Rule("The text of each mapping and view that the audit log names is kept.", KEEP_TEXT),
    "view-kept": Rule("The text of each view that somebody read by is kept.", KEEP_TEXT),
    "route-has-editions": Rule("Each filter that a route ever had is kept.", RESTORE),
    "route-has-cursor": Rule("A route knows for each lane how far it has read.", RESTORE),
    "change-accounted": Rule("What a route wanted is delivered, has another verdict, or waits.", RESTORE),
    "merge-is-waited-for": Rule("A survivor waits for what still waits of the patient merged into it.", RESTORE),
    "delivery-has-change": Rule("What was delivered is a change that the route wanted.", FOREIGN),
    "deliveries-in-sequence": Rule("The verdicts of a change on a route count 0, 1, 2 without a gap.", RESTORE),
    "sent-is-logged": Rule("A route's rows hold as many verdicts as the audit log counts.", SENT),
    "shown-is-disclosed": Rule("Whom a page told of stands in the accounting of disclosures.", RESTORE),
    "disclosed-is-audited": Rule("Every disclosure by a page is named by an entry of the audit log.", FOREIGN),
    "row-as-written": Rule("Every row on PostgreSQL is as the gateway wrote it, by its MAC.", REWRITTEN),
}
"""In the order of a message's life."""


def fixes(broken: Iterable[str]) -> dict[str, str]:
    """What to do about each of these rules, in the order of :data:`RULES`."""
    names = set(broken)
    return {name: rule.fix for name, rule in RULES.items() if name in names}
