"""Figures beside the balance are kept by their places, and a slip in one holds nothing up."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from tests.unit.adapters.x12.remittances import NORMALIZE, cut, interchange, read

CLAIM = "CLP*A*1*10*10~NM1*QC*1*DOE*JANE****MI*M1~MOA*.8*7.5*MA18*****2.25~"


def told(found) -> dict[str, Decimal]:
    return {one.place: one.amount for one in found}


def test_a_claim_keeps_what_medicare_states_beside_its_payment():
    """MOA and MIA: amounts are kept, rates and remarks are none."""
    _, (claim,) = read(interchange(CLAIM))
    assert told(claim.stated) == {"MOA02": Decimal("7.50"), "MOA08": Decimal("2.25")}
    inpatient = CLAIM.replace("MOA*.8*7.5*MA18*****2.25", "MIA*3*1*2*900.5*MA01*4")
    _, (claim,) = read(interchange(inpatient))
    assert told(claim.stated) == {"MIA02": Decimal("1.00"), "MIA04": Decimal("900.50"), "MIA06": Decimal("4.00")}
    assert claim.remarks == ("MA01",)


def test_a_remittance_keeps_what_it_sums_up_for_each_provider():
    """TS3 with its TS2: whose, until when, how many, how much; counts of days are no amounts."""
    summary = "TS3*1234567893*11*20261231*2*350.5*************12.25~TS2*500*******7***8~"
    (found,), _ = read(interchange(f"LX*1~{summary}{CLAIM}"))
    (one,) = found.summaries
    assert (one.provider_id, one.facility, one.fiscal_period_end) == ("1234567893", "11", date(2026, 12, 31))
    assert (one.claim_count, one.charge_total) == (2, Decimal("350.50"))
    assert told(one.amounts) == {"TS318": Decimal("12.25"), "TS201": Decimal("500.00"), "TS208": Decimal("7.00")}


def test_a_figure_that_is_none_is_named_and_holds_nothing_up():
    """The payment balances without it; its place is residue."""
    item = cut(interchange(CLAIM.replace("7.5", "much")))[0][0]
    made = NORMALIZE(item.body, item.context)
    assert made.residue == ("MOA-02",)
    (payment,) = (one for one in made.patches if one.type == "ClaimPayment")
    assert payment.fields["claim_balanced"]


def test_a_summary_that_cannot_be_told_apart_is_left_out():
    """Two providers and one TS2: whose it is, is not told."""
    item = cut(interchange(f"LX*1~TS3*1*11*20261231*1*5~TS2*500~TS3*2*11*20261231*1*5~{CLAIM}"))[0][-1]
    made = NORMALIZE(item.body, item.context)
    assert made.residue == ("TS2",)
    remittance = next(one for one in made.patches if one.type == "Remittance")
    assert [one["amounts"] for one in remittance.fields["summaries"]] == [[], []]
