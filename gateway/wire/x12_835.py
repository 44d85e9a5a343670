"""The arithmetic of the 835: adjustments out of CAS and PLB, and the sums that must agree, exact to the cent.

    line         SVC02 - sum of its CAS                      = SVC03
    claim        CLP03 - sum of every CAS, claim and lines   = CLP04
    transaction  sum of CLP04 - sum of PLB                   = BPR02

A difference is always "as sent less as computed". Nothing here refuses a claim that does not balance.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal

from msgspec import Struct

from gateway.errors import InvalidContent
from gateway.model.values import ZERO, money

Elements = list[str]
"""A segment's id and its elements."""

_NUMBER = re.compile(r"[+-]?(?:\d{1,15}(?:\.\d{0,15})?|\.\d{1,15})", re.ASCII)


class _Seen(dict[str, Decimal]):
    """Numbers that were read before: fee schedules repeat, so that most amounts of a file are among them."""

    def __init__(self, read: Callable[[str], Decimal], most: int) -> None:
        super().__init__()
        self._read = read
        self._most = most

    def __missing__(self, text: str) -> Decimal:
        value = self._read(text)
        if len(self) < self._most:
            self[text] = value
        return value


_CORRECTED = "Ask the payer for a corrected file."


def _number(text: str) -> Decimal:
    if _NUMBER.fullmatch(text) is None:
        raise ValueError("not a number")
    return Decimal(text)


_AMOUNTS = _Seen(money, 16384)
_NUMBERS = _Seen(_number, 1024)


def element(elements: Elements, number: int) -> str:
    """An element by its number; empty when the segment is shorter."""
    return elements[number] if number < len(elements) else ""


def amount(elements: Elements, number: int) -> Decimal:
    """A monetary element as dollars with two places. Raises ``InvalidContent`` when it is empty or not an amount."""
    try:
        return _AMOUNTS[elements[number]]
    except (ValueError, IndexError):
        raise InvalidContent(
            "invalid-amount",
            "not an amount with at most two decimal places",
            where=f"{elements[0]}-{number:02d}",
            fix=_CORRECTED,
        ) from None


def quantity(elements: Elements, number: int) -> Decimal:
    """A count of units, with as many places as were sent. Raises ``InvalidContent`` when it is no number."""
    try:
        return _NUMBERS[elements[number]]
    except (ValueError, IndexError):
        raise InvalidContent(
            "invalid-quantity", "not a number", where=f"{elements[0]}-{number:02d}", fix=_CORRECTED
        ) from None


def pairs(plb: Elements) -> Iterator[Elements]:
    """The adjustments of a PLB segment, up to six, each as a segment of its own: provider, date, reason, amount."""
    for start in range(3, len(plb), 2):
        if plb[start] or element(plb, start + 1):
            yield ["PLB", plb[1], plb[2], *plb[start : start + 2]]


def adjusted(cas: Elements) -> Decimal:
    """The sum of the adjustments of one CAS segment."""
    total = ZERO
    for at in range(3, len(cas) + 1, 3):
        if cas[at - 1] or (at < len(cas) and cas[at]):
            total += amount(cas, at)
    return total


class ClaimBalance(Struct, gc=False):
    """What a claim's amounts come to."""

    charge: Decimal
    paid: Decimal
    responsibility: Decimal
    adjustments: Decimal
    """The sum of every CAS, of the claim and of its lines."""
    lines_off: int
    """Service lines that do not balance."""

    @property
    def difference(self) -> Decimal:
        """CLP04 less what CLP03 and every CAS make of it; zero when the claim balances."""
        return self.paid - (self.charge - self.adjustments)


def claim_balance(segments: Iterable[Elements]) -> ClaimBalance:
    """Balance one claim from its CLP, SVC and CAS segments in their order.

    Raises ``InvalidContent`` when an amount is none.
    """
    charge = paid = responsibility = adjustments = line = ZERO
    lines_off, in_line = 0, False
    for elements in segments:
        id = elements[0]
        if id == "CAS":
            total = amount(elements, 3) if len(elements) == 4 else adjusted(elements)
            adjustments += total
            line += total
        elif id == "SVC":
            lines_off += in_line and line != ZERO
            in_line = True
            line = amount(elements, 3) - amount(elements, 2)
        elif id == "CLP":
            charge, paid = amount(elements, 3), amount(elements, 4)
            responsibility = amount(elements, 5) if element(elements, 5) else ZERO
    return ClaimBalance(charge, paid, responsibility, adjustments, lines_off + (in_line and line != ZERO))


class Totals(Struct, kw_only=True):
    """What the claims of one transaction add up to, counted while they stream by."""

    claims: int = 0
    charge: Decimal = ZERO
    paid: Decimal = ZERO
    responsibility: Decimal = ZERO
    claims_off: int = 0
    """Claims that do not balance."""
    lines_off: int = 0
    """Service lines that do not balance."""
    unread: int = 0
    """Claims with an amount that is none: they are counted, and not in the sums."""

    def add(self, claim: ClaimBalance | None) -> None:
        """Count one claim; None when its amounts cannot be read."""
        self.claims += 1
        if claim is None:
            self.unread += 1
            return
        self.charge += claim.charge
        self.paid += claim.paid
        self.responsibility += claim.responsibility
        self.claims_off += claim.difference != 0
        self.lines_off += claim.lines_off
