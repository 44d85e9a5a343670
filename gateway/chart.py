"""A chart of accounts: how a ledger entry becomes a journal of one bookkeeping system, the same way for all of them.

A journal is known by its number, which follows from the entry's id and version, so every attempt and every look-up
has the same. An entry is never edited: one that is removed is booked once more with the signs turned round.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Literal

import msgspec
from pydantic import Field

from gateway.model.exchange import Delivered, Delivery, Rejected
from gateway.model.ledger_entry import AccountRole, LedgerEntry
from gateway.model.values import ZERO
from gateway.settings import Part

Dimension = Literal["class", "department", "location"]
EVERYWHERE = "*"
NUMBER_LENGTH = 21
"""The shortest document number that a bookkeeping system of ours takes."""

_read = msgspec.json.Decoder(LedgerEntry).decode


class Chart(Part):
    """Accounts and dimensions of one set of books: part of a route's settings."""

    accounts: dict[AccountRole, str] = Field(description="The books' own account for each role: cash, revenue ...")
    dimensions: dict[str, dict[Dimension, str]] = Field(
        default_factory=dict,
        description='Class, department and location in the books by the record id of a clinic; "*" for all others.',
    )


class JournalLine(msgspec.Struct, frozen=True):
    """One side of a journal."""

    account: str
    role: AccountRole
    amount: Decimal
    """US dollars, never zero; positive is a debit."""
    dimensions: Mapping[Dimension, str]

    @property
    def debit(self) -> bool:
        """Whether it is a debit."""
        return self.amount > 0


class Journal(msgspec.Struct, frozen=True):
    """What is booked: balanced to the cent."""

    number: str
    """At most :data:`NUMBER_LENGTH` letters; the same for every attempt."""
    day: date
    memo: str
    lines: tuple[JournalLine, ...]
    reverses: str = ""
    """Number of the journal that it takes back."""

    def key(self) -> str:
        """At most 38 letters that differ when anything that is booked differs: accounts may have been set anew."""
        told = repr((self.day, self.memo, [(one.account, one.amount, *one.dimensions.items()) for one in self.lines]))
        return f"{self.number}-{hashlib.sha256(told.encode()).hexdigest()[:16]}"


def journal(delivery: Delivery, chart: Chart) -> Journal | Delivered | Rejected:
    """The journal of one delivery, or the outcome when there is nothing to book or it cannot be booked."""
    if delivery.type != "LedgerEntry":
        return Delivered("nothing to book")
    if delivery.change not in ("created", "removed"):
        return Rejected("ledger-entry-edited")
    try:
        entry = _read(delivery.body)
    except msgspec.ValidationError:
        return Rejected("view-lacks-ledger-fields")
    back = delivery.change == "removed"
    merged: dict[tuple[str, AccountRole, tuple[tuple[Dimension, str], ...]], Decimal] = {}
    for line in entry.lines:
        account = chart.accounts.get(line.account)
        if account is None:
            return Rejected(f"no-account-for-{line.account}")
        here = chart.dimensions.get(line.location or EVERYWHERE, chart.dimensions.get(EVERYWHERE, {}))
        place = account, line.account, tuple(sorted(here.items()))
        merged[place] = merged.get(place, ZERO) + (-line.amount if back else line.amount)
    lines = tuple(
        JournalLine(account, role, amount, dict(here)) for (account, role, here), amount in merged.items() if amount
    )
    if not lines:
        return Delivered("nothing to book: it sums to nothing")
    memo = f"{entry.kind} {entry.trace_number}" if entry.trace_number else entry.kind
    first = number_of(entry.booked_on, delivery.record_id, delivery.version - 1) if back else ""
    return Journal(
        number_of(entry.booked_on, delivery.record_id, delivery.version), entry.booked_on,
        f"Reversal of {first}: {memo}" if back else memo, lines, first,
    )  # fmt: skip


def number_of(day: date, record_id: str, version: int) -> str:
    """Number of the journal of one version of an entry: its day and 70 bits that tell it from every other."""
    digest = hashlib.sha256(f"{record_id}/{version}".encode()).digest()
    return f"{day:%y%m%d}-{base64.b32encode(digest).decode()[:14]}"
