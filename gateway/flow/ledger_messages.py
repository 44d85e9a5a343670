"""The ledger of messages: each has its outcomes in sequence or waits, the audit log names it, its changes are there."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from sqlalchemy import Connection

from gateway.audit import rows_of
from gateway.store import recount

Report = Callable[[str, str, str], None]
RECEIVE = b'"action":"receive"'
CONFIGURE = b'"action":"configure"'
"""How these entries are told in their canonical text."""
STORED, RECEIVED = 1, 2
"""A row holds it; the audit log received it."""
_PAGE_BITS = 16
_MOST = 2**31 - 1


class ByMessage:
    """A number for each message, zero until said otherwise, in four bytes: years of messages are told apart in memory.

    Ids follow each other, so nearly every place of a page is used. What no message can have counts as the most of all.
    """

    def __init__(self) -> None:
        self._pages: dict[int, array[int]] = {}

    def __getitem__(self, message_id: int) -> int:
        page = self._pages.get(message_id >> _PAGE_BITS)
        return 0 if page is None else page[message_id & (1 << _PAGE_BITS) - 1]

    def __setitem__(self, message_id: int, number: int) -> None:
        page = self._pages.get(message_id >> _PAGE_BITS)
        if page is None:
            page = self._pages[message_id >> _PAGE_BITS] = array("i", bytes(4 << _PAGE_BITS))
        page[message_id & (1 << _PAGE_BITS) - 1] = max(-_MOST, min(number, _MOST))

    def __iter__(self) -> Iterator[int]:
        """Messages whose number is not zero, in order."""
        for at, page in sorted(self._pages.items()):
            yield from ((at << _PAGE_BITS) + place for place, number in enumerate(page) if number)


def count(
    connection: Connection, tenant: str, report: Report, heard: Callable[[bytes], None]
) -> Counter[tuple[str, str]]:
    """Recount the messages of a tenant by (last outcome, reason); what does not add up is reported.

    A report is (rule, row, what was found). ``heard`` gets every entry of the audit log, which is read once for all.
    """
    waiting = recount.inbox_ids(connection, tenant)
    seen, made = ByMessage(), ByMessage()
    counts: Counter[tuple[str, str]] = Counter()
    for message_id, answer, history in recount.messages_with_outcomes(connection, tenant):
        state = _state(f"message {message_id}", answer, history, message_id in waiting, report)
        seen[message_id] = STORED
        made[message_id] = sum(changes for *_, changes in history)
        if answer == "AA":
            counts[state] += 1
    for lost in sorted({one for one in waiting if not seen[one]} | recount.orphan_outcomes(connection, tenant)):
        report("inbox-has-message", f"message {lost}", "the message row is missing")
    for lost in sorted(recount.missing_contexts(connection, tenant)):
        report("message-has-context", f"context {lost}", "the envelope row is missing")
    _compare_with_audit(connection, tenant, seen, report, heard)
    _compare_with_journal(made, recount.messages_of_changes(connection, tenant), report)
    return counts


def _state(row: str, answer: str, history: list[recount.Outcome], waits: bool, report: Report) -> tuple[str, str]:
    """How a message stands, by its last outcome, after a look at all of them."""
    if [attempt for attempt, *_ in history] != list(range(len(history))):
        report("outcomes-in-sequence", row, "an outcome row is missing")
    last = history[-1] if history else None
    open_ = last is None or last[1] == "released"
    if open_ != waits:
        found = "it has neither an outcome nor an inbox row" if open_ else "it is settled and still in the inbox"
        report("message-accounted", row, found)
    if (last is not None and last[1] == "refused") != (answer != "AA"):
        report("answer-fits-outcome", row, f"it was answered {answer}")
    return ("pending", "") if last is None or open_ else (last[1], last[2])


def _compare_with_audit(
    connection: Connection, tenant: str, seen: ByMessage, report: Report, heard: Callable[[bytes], None]
) -> None:
    """What the audit log says was stored is there, and nothing else is; so are the texts."""
    texts: set[str] = set()
    for body in recount.audit_bodies(connection, tenant):
        heard(body)
        if RECEIVE in body:
            for row in rows_of(body, "messages"):
                if isinstance(row, int):
                    seen[row] |= RECEIVED
        elif CONFIGURE in body:
            texts.update(row for row in rows_of(body, "texts") if isinstance(row, str))
    for text in sorted(texts - {kept.hex() for kept in recount.text_hashes(connection)}):
        report("text-kept", f"text {text}", "the audit log kept it, no row holds it")
    for message_id in seen:
        if seen[message_id] == RECEIVED:
            report("received-is-stored", f"message {message_id}", "the audit log received it, no row holds it")
        elif seen[message_id] == STORED:
            report("stored-is-audited", f"message {message_id}", "no receive entry of the audit log names it")


def _compare_with_journal(made: ByMessage, changes: Iterable[int], report: Report) -> None:
    """Each message made as many changes as its outcomes say."""
    journalled = ByMessage()
    for message_id in changes:
        journalled[message_id] += 1
    for message_id in sorted(
        {
            *(one for one in made if made[one] != journalled[one]),
            *(one for one in journalled if made[one] != journalled[one]),
        }
    ):
        found = f"its outcomes say {made[message_id]} changes, the journal has {journalled[message_id]}"
        report("changes-by-message", f"message {message_id}", found)
