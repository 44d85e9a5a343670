"""Each rule of the scrub finds what it is for, names the line, and leaves a good visit alone."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import msgspec
import pytest

from gateway.model.coverage import Coverage
from gateway.model.visit import Charge, Visit
from gateway_claims.translate_scrub import Rules, scrub

COMMERCIAL, MEDICARE = Coverage(member_id="M", filing_indicator="CI"), Coverage(member_id="M", filing_indicator="MB")


def charge(code: str = "97110", units: int = 2, minutes: int | None = 30, modifiers=("GP",), amount: str = "90.00"):
    return Charge(
        procedure_code=code, units=Decimal(units), minutes=minutes, modifiers=modifiers, amount=Decimal(amount)
    )


def visit(*charges: Charge, **fields) -> Visit:
    return Visit(**{"service_date": date(2026, 7, 1), "diagnoses": ("M54.50",), "charges": charges, **fields})


def rules_found(one: Visit, policy=COMMERCIAL, *, authorized: bool = True, spent: str = "0.00", **rules):
    found = scrub(one, policy, Rules(**rules), authorized=authorized, charged_this_year=Decimal(spent))
    assert all(each.why and each.fix for each in found)
    return [(each.rule, each.line) for each in found]


def test_a_good_visit_has_no_finding():
    """Two codes with minutes, modifiers and a diagnosis go out as they are."""
    good = visit(charge(), charge("97530", 1, 15), charge("97161", 1, None))
    assert rules_found(good) == []
    assert rules_found(good, MEDICARE) == []


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (visit(charge(units=3)), ("units-exceed-minutes", 1)),
        (visit(charge(units=1)), ("units-below-minutes", None)),
        (visit(charge(minutes=None)), ("timed-without-minutes", 1)),
        (visit(charge("97161", 2, None)), ("untimed-units", 1)),
        (visit(charge(modifiers=())), ("modifier-discipline", 1)),
        (visit(charge(modifiers=("GP", "GO"))), ("modifier-discipline", 1)),
        (visit(charge(modifiers=("59", "KX", "GP"))), ("modifier-order", 1)),
        (visit(charge(modifiers=("GP", "CO"))), ("modifier-assistant", 1)),
        (visit(charge(amount="0.00")), ("no-amount", 1)),
        (visit(charge(), diagnoses=()), ("no-diagnosis", None)),
        (visit(), ("no-charges", None)),
        (visit(charge("97150", 1, None), charge("97110", 1, 15)), ("pair-without-modifier", 2)),
        (visit(charge("97140", 1, 15), charge("97124", 1, 15)), ("pair-never", 2)),
        (visit(charge("97110", 7, 105)), ("most-units", 1)),
    ],
)
def test_each_fault_is_found_with_its_line(one, expected):
    """Exactly one finding for exactly one fault."""
    assert rules_found(one) == [expected]


def test_lacking_minutes_are_told_where_the_visit_tells_others():
    """Where minutes are not required their lack says nothing, unless other timed codes of the visit have theirs."""
    counted = visit(charge(minutes=None), charge("97530", 1, None))
    assert rules_found(counted, minutes_required=False) == []
    half = visit(charge(), charge("97530", 1, None))
    assert rules_found(half, minutes_required=False) == [("timed-without-minutes", 2)]
    (found,) = scrub(half, COMMERCIAL, Rules(minutes_required=False), authorized=True)
    assert found.severity == "warning"


def test_a_modifier_sets_a_pair_apart():
    """59 on either line of a pair that may be broken is enough."""
    apart = visit(charge("97150", 1, None), charge("97110", 1, 15, ("GP", "59")))
    assert rules_found(apart) == []


def test_payers_differ_by_their_rules():
    """Midpoint, extra pairs, pairs not used and authorizations are the payer's own."""
    short = visit(charge("97110", 2, 33), charge("97140", 1, 7))
    assert rules_found(short) == []
    assert rules_found(short, midpoint=True) == [("units-exceed-minutes", 2)]
    both = visit(charge("97530", 1, 15), charge("97140", 1, 15))
    assert rules_found(both) == []
    assert rules_found(both, extra_pairs=("97530-97140",)) == [("pair-without-modifier", 2)]
    assert rules_found(visit(charge()), authorization_required=True, authorized=False) == [
        ("authorization-missing", None)
    ]
    never = visit(charge("97140", 1, 15), charge("97124", 1, 15))
    assert rules_found(never, pairs=False) == []


@pytest.mark.parametrize(
    ("year", "spent", "found"), [(2024, "2240.01", 1), (2025, "2320.00", 0), (2026, "2390.01", 1), (2026, "2390.00", 0)]
)
def test_the_threshold_of_each_year(year, spent, found):
    """Above the year's sum Medicare wants KX; with KX, and for other payers, there is nothing to say."""
    one = visit(charge(), service_date=date(year, 7, 1))
    assert len(rules_found(one, MEDICARE, spent=spent)) == found
    assert rules_found(one, COMMERCIAL, spent=spent) == []
    attested = msgspec.structs.replace(one, charges=(charge(modifiers=("GP", "KX")),))
    assert rules_found(attested, MEDICARE, spent=spent) == []


def test_an_assistant_is_billed_as_one():
    """Medicare pays less for assistants and wants to be told."""
    helped = visit(charge(), supervisor="therapist-2")
    assert rules_found(helped, MEDICARE) == [("modifier-assistant", 1)]
    assert rules_found(visit(charge(modifiers=("GP", "CQ")), supervisor="therapist-2"), MEDICARE) == []
