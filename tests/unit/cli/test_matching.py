"""A bank line without a number is matched by a person to the cent, and what was said of it can be taken back."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from gateway.cli.matching import PART, parts, unmatched
from gateway.errors import InvalidConfiguration
from gateway.flow.decisions import Decision, Decisions, decision_item


def settlement(number: str, expected: str, received: str = "0.00") -> dict[str, Any]:
    return {"kind": "deposit", "number": number, "expected": expected, "received": received}


OPEN = [settlement("CHK 007", "40.00"), settlement("CHK008", "35.00", "5.00"), settlement("CHK009", "9.00", "9.00")]


@pytest.mark.parametrize(
    ("amount", "numbers", "shares"),
    [
        ("70.00", ["chk007", "CHK008"], {"CHK 007": "40.00", "CHK008": "30.00"}),
        ("39.99", ["CHK007"], {"CHK 007": "39.99"}),
        ("-9.00", ["CHK009"], {"CHK009": "-9.00"}),
    ],
    ids=["two checks", "one that is short", "a returned check"],
)
def test_a_line_is_shared_out_to_the_cent(amount: str, numbers: list[str], shares: dict[str, str]) -> None:
    """Several remittances get what each lacks, one gets all of it; numbers are found as the bank writes them."""
    found = parts(Decimal(amount), numbers, OPEN)
    assert {number: str(share) for number, share in found.items()} == shares
    assert sum(found.values()) == Decimal(amount)


@pytest.mark.parametrize(
    ("amount", "numbers"),
    [("70.01", ["CHK007", "CHK008"]), ("40.00", ["CHK007", "CHK009"]), ("40.00", ["CHK007", "CHK 007"]),
     ("40.00", ["nobody"])],
    ids=["a cent off", "nothing lacking", "named twice", "not known"],
)  # fmt: skip
def test_what_does_not_add_up_is_not_matched(amount: str, numbers: list[str]) -> None:
    """Nothing is guessed: the amounts are told, and nothing is stored."""
    with pytest.raises(InvalidConfiguration):
        parts(Decimal(amount), numbers, OPEN)


def test_only_lines_that_nobody_explained_are_listed() -> None:
    """A line with a number is found by it; one that was matched has its parts beside it."""
    named = {"id": "1", "trace_number": "EFT1", "description": "TRN*1*EFT1"}
    plain, other = {"id": "2", "description": "DEPOSIT"}, {"id": "3"}
    part = {"id": "4", "trace_number": "CHK007", "description": f"{PART}2"}
    assert unmatched([named, plain, other]) == [plain, other]
    assert unmatched([named, plain, other, part]) == [other]


def test_a_decision_can_be_taken_back() -> None:
    """The message says so, and its record is removed; no other type is made by decision than those that may be."""
    normalize = Decisions("north").normalize
    for removed, operation in ((False, "upsert"), (True, "remove")):
        item = decision_item(Decision("BankTransaction", "2/CHK007", {}, removed=removed), "2026-07-14T12:00:00Z")
        (patch,) = normalize(item.body, item.context).patches
        assert (patch.type, patch.native_id, patch.operation) == ("BankTransaction", "2/CHK007", operation)
