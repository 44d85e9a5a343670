"""The tie-out adds each side up from its own records, so whatever is missing on one side shows."""

from __future__ import annotations

from copy import deepcopy
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from gateway.cli.accounting import tied

ALL = (date.min, date.max)
TODAY = date(2026, 8, 31)


def records() -> dict[str, dict[str, dict[str, Any]]]:
    """Two remittances, one of them sent twice and not yet in the bank, and their journals."""
    told: dict[str, Any] = {"payment_date": "2026-07-14", "payer_id": "1999"}
    return {
        "Remittance": {
            "r1": {"trace_number": "EFT1", "amount": "80.00", **told},
            "r2": {"trace_number": "EFT2", "amount": "20.00", **told},
            "r3": {"trace_number": "EFT2", "amount": "20.00", **told},
        },
        "Settlement": {
            "s1": {"kind": "deposit", "number": "EFT1", "expected": "80.00", "received": "79.99",
                   "difference": "-0.01", "remittances": ["r1"], "bank_lines": ["b1"]},
            "s2": {"kind": "deposit", "number": "EFT2", "expected": "20.00", "received": "0.00",
                   "difference": "-20.00", "remittances": ["r2", "r3"], "repeats": 1},
            "s3": {"kind": "claim", "number": "PCN", "difference": "1.00"},
        },
        "BankTransaction": {"b1": {"amount": "79.99"}, "b2": {"amount": "5.00"}},
        "LedgerEntry": {
            "e1": {"kind": "remittance", "origin": "r1", "lines": [{"account": "cash", "amount": "80.00"}]},
            "e2": {"kind": "remittance", "origin": "r2", "lines": [{"account": "clearing", "amount": "20.00"}]},
            "e3": {"kind": "deposit", "origin": "b1", "lines": [{"account": "cash", "amount": "79.99"}]},
        },
        "Task": {},
    }  # fmt: skip


def test_remittances_are_deposits_and_open_items() -> None:
    """A cent that the bank is short and a deposit that is due are open; a repeat counts once."""
    found = tied(records(), ALL, TODAY)
    assert (found["remittances"], found["deposits"], found["open_items"]) == ("100.00", "79.99", "20.01")
    assert (found["tied"], found["booked"]) == (True, "100.00")
    assert [(one["number"], one["open"]) for one in found["items"]] == [("EFT1", "0.01"), ("EFT2", "20.00")]


@pytest.mark.parametrize(
    ("kind", "id", "difference", "unbooked"),
    [("BankTransaction", "b1", "79.99", "0.00"), ("Settlement", "s2", "20.00", "0.00"),
     ("LedgerEntry", "e1", "0.00", "80.00")],
)  # fmt: skip
def test_whatever_is_missing_shows(kind: str, id: str, difference: str, unbooked: str) -> None:
    """Take one record away and the report does not tie, by just its amount."""
    broken = deepcopy(records())
    del broken[kind][id]
    found = tied(broken, ALL, TODAY)
    assert (found["tied"], found["difference"], found["unbooked"]) == (False, difference, unbooked)


def test_a_remittance_that_is_held_is_accounted_for() -> None:
    """What waits for a person is not booked and not missing."""
    told = records()
    del told["LedgerEntry"]["e1"]
    told["Task"]["t1"] = {"kind": "accounting-unbalanced", "about": "r1", "title": "Find why", "money": "0.01"}
    found = tied(told, ALL, TODAY)
    assert (found["tied"], found["held"], found["unbooked"]) == (True, "80.00", "0.00")


@pytest.mark.parametrize(
    ("amount", "amounts", "booked"), [("0.00", ["80.00"], "0.00"), ("50.00", ["50.00", "30.00"], "50.00")]
)
def test_what_a_payer_takes_off_without_a_reason_is_no_money(amount: str, amounts: list[str], booked: str) -> None:
    """A provider adjustment on clearing counts as booked neither in a remittance of nothing nor beside its money."""
    told = records()
    told["Remittance"]["r1"]["amount"] = told["Settlement"]["s1"]["expected"] = amount
    told["LedgerEntry"]["e1"]["lines"] = [{"account": "clearing", "amount": each} for each in amounts]
    told["LedgerEntry"]["e1"]["lines"].append({"account": "payer-receivable", "amount": "-80.00"})
    total = tied(told, ALL, TODAY)
    assert (total["booked"], total["unbooked"]) == (str(Decimal(booked) + 20), "0.00")


def test_a_period_has_its_own_remittances() -> None:
    """Days are payment dates; outside of the period nothing is counted."""
    assert tied(records(), (date(2026, 7, 15), date(2026, 7, 31)), TODAY)["remittances"] == "0.00"
    assert tied(records(), (date(2026, 7, 14), date(2026, 7, 14)), TODAY)["remittances"] == "100.00"


def test_the_repeat_that_is_held_is_not_counted() -> None:
    """Whichever of two equal remittances was booked, the other one is the repeat."""
    told = records()
    told["LedgerEntry"]["e2"]["origin"] = "r3"
    told["Task"]["t1"] = {"kind": "accounting-repeated", "about": "r2", "title": "See whether", "money": "20.00"}
    found = tied(told, ALL, TODAY)
    assert (found["tied"], found["remittances"], found["held"]) == (True, "100.00", "0.00")


def test_a_remittance_of_a_day_that_may_be_open_is_not_missed() -> None:
    """Just after its payment date a remittance need not be booked; later it must be."""
    told = records()
    del told["LedgerEntry"]["e1"]
    assert tied(told, ALL, date(2026, 7, 15))["tied"]
    assert not tied(told, ALL, date(2026, 7, 26))["tied"]
