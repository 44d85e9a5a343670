from __future__ import annotations

from decimal import Decimal

import pytest

from gateway.errors import InvalidContent
from gateway.wire.x12_835 import adjusted, amount, claim_balance, pairs


def segments(*texts: str) -> list[list[str]]:
    return [text.split("*") for text in texts]


def test_all_six_triplets_of_a_cas_are_read():
    """Every reason of a CAS counts, and gaps are skipped."""
    (cas,) = segments("CAS*CO*45*1.5**59*2*3*A2*4**1*5**2*6**3*7*9")
    assert adjusted(cas) == Decimal("25.50")
    assert adjusted(segments("CAS*PR*1*2*****3*4")[0]) == Decimal(6)
    assert adjusted(segments("CAS*PR")[0]) == adjusted(segments("CAS*PR**")[0]) == 0


@pytest.mark.parametrize(("cas", "where"), [("CAS*CO*45", "CAS-03"), ("CAS*CO*45*1**A2*x", "CAS-06")])
def test_an_amount_of_a_cas_that_is_none_is_named_by_its_place(cas, where):
    """The second reason's amount is the sixth element, not the third."""
    with pytest.raises(InvalidContent) as caught:
        adjusted(segments(cas)[0])
    assert caught.value.where == where


def test_all_six_pairs_of_a_plb_are_read():
    """Every reason and amount of a PLB counts, each with provider and date."""
    (plb,) = segments("PLB*NPI*20261231*WO:A*1*L6*-2*72*3*CS*4*FB*5*B2*6")
    assert [one[3:] for one in pairs(plb)] == [
        ["WO:A", "1"],
        ["L6", "-2"],
        ["72", "3"],
        ["CS", "4"],
        ["FB", "5"],
        ["B2", "6"],
    ]


@pytest.mark.parametrize(("text", "value"), [("34", "34.00"), ("-5.5", "-5.50"), (".5", "0.50"), ("-0", "0.00")])
def test_amounts_have_two_places(text, value):
    """Payers leave zeros away; the canonical amount has them."""
    assert str(amount(["CLP", text], 1)) == value


@pytest.mark.parametrize("text", ["", "1.005", "1,000", "1e3", "NaN", "١", "JANE", "1" * 19])
def test_what_is_no_amount_is_refused_by_its_place(text):
    """The error names the element and never holds the value."""
    with pytest.raises(InvalidContent) as caught:
        amount(["CLP", "A", text], 2)
    assert caught.value.where == "CLP-02"
    assert not text or text not in str(caught.value).replace("CLP-02", "")


def test_a_claim_balances_over_its_own_and_its_lines_adjustments():
    """CLP03 less every CAS is CLP04, and each line has its own sum."""
    balance = claim_balance(segments("CLP*A*1*800*450*300", "CAS*CO*A2*50", "SVC*HC:99211*800*500", "CAS*PR*1*300"))
    assert (balance.difference, balance.lines_off, balance.responsibility) == (0, 0, Decimal(300))


def test_a_cent_at_a_line_shows_at_line_and_claim():
    """A wrong adjustment is seen at both levels, with the exact difference."""
    balance = claim_balance(segments("CLP*A*1*100*80", "SVC*HC:1*60*40", "CAS*CO*45*20.01", "SVC*HC:2*40*40"))
    assert (balance.difference, balance.lines_off) == (Decimal("0.01"), 1)


def test_claim_adjustments_do_not_spoil_the_first_line():
    """A CAS before the first SVC belongs to the claim alone."""
    assert claim_balance(segments("CLP*A*1*10*5", "CAS*CO*45*5", "SVC*HC:1*10*10")).lines_off == 0
