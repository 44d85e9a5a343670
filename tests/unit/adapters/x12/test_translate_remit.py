"""Claims and remittances to patches."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import InvalidContent
from tests.unit.adapters.x12.remittances import NORMALIZE, cut, interchange, read, records

EXAMPLES = int(20 * float(os.environ.get("GATEWAY_FAULT_SCALE", "1")))
CLAIM = (
    "CLP*PT1*1*200*100*60*12*ICN1*11*7~CAS*CO*A2*10*2~NM1*QC*1*DOE*JANE*Q***MI*M1~NM1*IL*1*ROE*RICHARD****MI*M2~"
    "NM1*82*1*THERAPIST*TINA****XX*1987654328~MOA***MA01*N706~REF*G1*AUTH1~REF*EA*MRN1~DTM*232*20260701~"
    "DTM*233*20260702~DTM*050*20260703~AMT*AU*150~AMT*I*1.5~SVC*HC:97110:GP:KX*120*60**2*HC:97112*3~DTM*150*20260701~"
    "DTM*151*20260702~CAS*PR*1*20*1*2*30~CAS*CO*45*10~REF*6R*L1~REF*LU*11~AMT*B6*110~LQ*HE*N1~LQ*HE*N2~"
    "SVC*HC:97140*80*50~DTM*472*20260702~CAS*CO*45*30~"
)


def one(claim: str = CLAIM, paid: str = "100"):
    """The first message of a file, normalized."""
    item = cut(interchange(claim, paid=paid))[0][0]
    return NORMALIZE(item.body, item.context)


def test_a_claim_payment_holds_what_the_loop_says():
    """Every element that has a place in the model is there, amounts and dates typed."""
    claim = records(one())["ClaimPayment"]
    assert (claim.status, claim.charge, claim.paid) == ("processed-primary", Decimal("200.00"), Decimal("100.00"))
    assert claim.patient_responsibility == Decimal("60.00")
    assert (claim.patient_control_number, claim.payer_claim_number) == ("PT1", "ICN1")
    assert (claim.filing_indicator, claim.facility, claim.frequency) == ("12", "11", "7")
    assert (claim.patient_name, claim.member_id, claim.rendering_npi) == ("DOE, JANE", "M1", "1987654328")
    assert claim.authorization_number == "AUTH1"
    dates = claim.starts_on, claim.ends_on, claim.received_on
    assert dates == (date(2026, 7, 1), date(2026, 7, 2), date(2026, 7, 3))
    assert (claim.allowed, claim.interest, claim.remarks) == (Decimal("150.00"), Decimal("1.50"), ("MA01", "N706"))
    (adjustment,) = claim.adjustments
    assert (adjustment.group, adjustment.reason, adjustment.amount) == ("CO", "A2", Decimal("10.00"))
    assert adjustment.quantity == 2
    assert claim.claim_balanced
    assert claim.line_balanced


def test_service_lines_hold_every_triplet_remark_and_change_of_code():
    """Modifiers, units, what was billed instead, dates, allowed amount and all adjustments of each line."""
    first, second = records(one())["ClaimPayment"].lines
    assert (first.qualifier, first.procedure_code, first.modifiers) == ("HC", "97110", ("GP", "KX"))
    assert (first.charge, first.paid, first.units) == (Decimal("120.00"), Decimal("60.00"), Decimal(2))
    assert (first.submitted_code, first.submitted_units) == ("97112", Decimal(3))
    assert (first.starts_on, first.ends_on) == (date(2026, 7, 1), date(2026, 7, 2))
    assert (first.line_control_number, first.allowed, first.remarks) == ("L1", Decimal("110.00"), ("N1", "N2"))
    assert [(a.group, a.reason, a.amount, a.quantity) for a in first.adjustments] == [
        ("PR", "1", Decimal("20.00"), 1), ("PR", "2", Decimal("30.00"), None), ("CO", "45", Decimal("10.00"), None),
    ]  # fmt: skip
    assert (second.procedure_code, second.modifiers, second.units) == ("97140", (), None)
    assert second.difference is None


def test_the_patient_is_named_by_payer_member_and_given_name():
    """A family shares a member number: each of them is a patient of their own."""
    patient = records(one())["Patient"]
    assert (patient.name.family, patient.name.given, patient.name.middle) == ("DOE", "JANE", "Q")
    assert [(one.value, one.type) for one in patient.identifiers] == [("M1", "MB")]
    ids = {patch.type: patch.native_id for patch in one().patches}
    sibling = {patch.type: patch.native_id for patch in one(CLAIM.replace("JANE", "JOHN")).patches}
    assert ids["Patient"] == "1999999999/M1/jane"
    assert sibling["Patient"] != ids["Patient"]
    assert {patch.patient for patch in one().patches} == {ids["Patient"]}


def test_without_a_member_number_the_claim_tells_who_it_is():
    """The insured's number serves with the patient's name; without any, patients of two claims stay apart."""
    insured = one(CLAIM.replace("****MI*M1", "").replace("*Q***MI*M1", "*Q"))
    assert insured.patches[0].patient == "1999999999/M2/jane"
    nameless = one("CLP*PT1*1*0*0~")
    assert nameless.patches[0].patient == "1999999999/claim/PT1"


def test_a_reversal_and_its_correction_are_two_claim_payments():
    """They share CLP01 and CLP07 and differ in status; equal ones are told apart by their ordinal."""
    body = "CLP*PT1*22*-10*-10**12*ICN~CLP*PT1*1*10*10**12*ICN~CLP*PT1*1*10*10**12*ICN~"
    items, _ = cut(interchange(body, paid="10"))
    ids = [NORMALIZE(item.body, item.context).patches[0].native_id for item in items[:3]]
    base = "SENDER/000000101/7/0001/TRACE1/PT1"
    assert ids == [f"{base}/22/ICN", f"{base}/1/ICN", f"{base}/1/ICN/3"]


def test_a_remittance_holds_payment_totals_and_verdict():
    """Trace, amount, method, parties, dates, provider adjustments with their sum, totals of the claims, difference."""
    body = f"{CLAIM}PLB*1234567893*20261231*WO:OLD1*25*L6*-10.5~"
    (remittance,), _ = read(interchange(body, paid="85.51"))
    assert (remittance.trace_number, remittance.amount, remittance.method) == ("TRACE1", Decimal("85.51"), "ACH")
    assert (remittance.payer_name, remittance.payer_id, remittance.payer) == ("SOME PLAN", "1999999999", "1999999999")
    assert (remittance.payee_name, remittance.payee_id, remittance.payee_id_type) == ("SOME CLINIC", "1234567893", "XX")
    assert (remittance.payment_date, remittance.production_date) == (date(2026, 7, 14), date(2026, 7, 13))
    assert [(a.reason, a.reference, a.amount, a.fiscal_period_end) for a in remittance.provider_adjustments] == [
        ("WO", "OLD1", Decimal("25.00"), date(2026, 12, 31)), ("L6", None, Decimal("-10.50"), date(2026, 12, 31)),
    ]  # fmt: skip
    assert (remittance.claim_count, remittance.charge_total, remittance.paid_total) == (1, 200, 100)
    assert (remittance.balanced, remittance.difference) == (False, Decimal("0.01"))
    assert remittance.balance.claim
    assert remittance.balance.line
    assert not remittance.balance.transaction


def test_a_debit_is_negative():
    """BPR03 D takes money back."""
    data = interchange("CLP*A*22*-10*-10~", paid="10").replace(b"*10*C*ACH", b"*10*D*ACH")
    (remittance,), _ = read(data)
    assert (remittance.amount, remittance.balanced) == (Decimal("-10.00"), True)


def test_a_claim_with_a_broken_amount_is_refused_and_counted():
    """The claim is quarantined by the place of the element; its remittance cannot be called balanced."""
    items, _ = cut(interchange("CLP*A*1*TEN*10~CLP*B*1*5*5~", paid="5"))
    with pytest.raises(InvalidContent) as caught:
        NORMALIZE(items[0].body, items[0].context)
    assert (caught.value.where, "TEN" in str(caught.value)) == ("CLP-03", False)
    remittance = records(NORMALIZE(items[2].body, items[2].context))["Remittance"]
    assert (remittance.claim_count, remittance.paid_total, remittance.difference) == (2, 5, 0)
    assert not remittance.balanced
    assert remittance.balance.claims_off == 1


def test_a_date_that_is_none_does_not_hold_up_money():
    """It is left out and named as residue."""
    normalized = one(CLAIM.replace("DTM*232*20260701", "DTM*232*20269901"))
    assert records(normalized)["ClaimPayment"].starts_on is None
    assert "DTM[232]-02" in normalized.residue


def test_residue_names_segments_that_nothing_reads():
    """What has no place in the model is counted by name, of the claim and of its lines."""
    assert one().residue == ("REF[EA]", "REF[LU]")


def test_the_same_bytes_give_the_same_patches():
    """Normalizing is pure: twice the same, and the input untouched."""
    assert one() == one()


def test_text_outside_ascii_is_read():
    """UTF-8 where it is, Latin-1 where it is not."""
    items, _ = cut(interchange(CLAIM.replace("DOE", "MUÑOZ")))
    assert records(NORMALIZE(items[0].body, items[0].context))["Patient"].name.family == "MUÑOZ"
    latin = items[0].body.decode().encode("latin-1")
    assert records(NORMALIZE(latin, items[0].context))["Patient"].name.family == "MUÑOZ"


def cents(amount: int) -> str:
    """An amount as some payers write it: without zeros that say nothing."""
    return f"{Decimal(amount) / 100}"


def random_remittance(draw: Random) -> tuple[list[list[str]], list[list[list[str]]], list[list[str]]]:
    """A remittance that balances at every level: BPR, claims with lines and adjustments of any sign, PLB."""
    claims, paid_total = [], 0
    for number in range(draw.randrange(1, 4)):
        own = [draw.randrange(-9999, 9999) for _ in range(draw.randrange(3))]
        loop: list[list[str]] = []
        charge = paid = 0
        for _ in range(draw.randrange(3)):
            billed, taken = draw.randrange(100000), [draw.randrange(-9999, 50000) for _ in range(draw.randrange(4))]
            loop.append(["SVC", "HC:97110", cents(billed), cents(billed - sum(taken))])
            if taken:
                loop.append(["CAS", "CO", *(part for one in taken for part in ("45", cents(one), ""))][: 1 + 3 * 6])
            charge, paid = charge + billed, paid + billed - sum(taken)
        if not loop:
            charge = paid = draw.randrange(100000)
        paid -= sum(own)
        head = [["CLP", f"P{number}", "1", cents(charge), cents(paid), ""]]
        head += [["CAS", "PR", "3", cents(one)] for one in own]
        claims.append([*head, ["NM1", "QC", "1", "DOE", "JANE", "", "", "", "MI", f"M{number}"], *loop])
        paid_total += paid
    plb = [draw.randrange(-9999, 9999) for _ in range(draw.randrange(5))]
    pairs = [part for one in plb for part in ("WO:1", cents(one))]
    provider = [["PLB", "1234567893", "20261231", *pairs]] if pairs else []
    return [["BPR", "I", cents(paid_total - sum(plb)), "C", "ACH"]], claims, provider


def written(bpr: list[list[str]], claims: list[list[list[str]]], plb: list[list[str]]) -> bytes:
    """The remittance as a file."""
    body = "".join("*".join(one) + "~" for one in [*(one for claim in claims for one in claim), *plb])
    return interchange(body, paid=bpr[0][2])


def amounts(bpr: list[list[str]], claims: list[list[list[str]]], plb: list[list[str]]) -> Iterator[tuple[Any, ...]]:
    """Every amount that is part of an equation: its segment, its place there, and which claim and line it is of."""
    yield bpr[0], 2, None, None
    for one in plb:
        yield from ((one, at, None, None) for at in range(4, len(one), 2))
    for number, claim in enumerate(claims):
        line = None
        for one in claim:
            if one[0] == "SVC":
                line = 0 if line is None else line + 1
                yield from ((one, at, number, line) for at in (2, 3))
            elif one[0] == "CAS":
                yield from ((one, at, number, line) for at in range(3, len(one), 3))
            elif one[0] == "CLP":
                yield from ((one, at, number, None) for at in (3, 4))


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from((1, -1)))
def test_what_balances_is_called_balanced_and_every_cent_is_caught_where_it_is(seed, cent):
    """At random remittances: nothing is flagged as they are; any one amount off by a cent is, at its own place."""
    parts = random_remittance(Random(seed))
    (remittance,), claims = read(written(*parts))
    assert (remittance.balanced, remittance.difference) == (True, Decimal("0.00"))
    assert (remittance.balance.claims_off, remittance.balance.lines_off) == (0, 0)
    assert all(claim.claim_balanced and claim.line_balanced for claim in claims)
    for segment, at, number, line in list(amounts(*parts)):
        before = segment[at]
        segment[at] = str(Decimal(before) + Decimal(cent) / 100)
        (remittance,), claims = read(written(*parts))
        segment[at] = before
        off = [(one.patient_control_number, one.difference) for one in claims if not one.claim_balanced]
        lines = [
            (claim.patient_control_number, place)
            for claim in claims for place, one in enumerate(claim.lines) if one.difference is not None
        ]  # fmt: skip
        whole = segment[0] in {"BPR", "PLB"} or (segment[0] == "CLP" and at == 4)
        assert remittance.balanced is not whole
        assert lines == ([] if line is None else [(f"P{number}", line)])
        claimed = number is not None and segment[0] != "SVC"
        assert [name for name, _ in off] == ([f"P{number}"] if claimed else [])
        found = [value for _, value in off] + ([remittance.difference] if whole else [])
        assert all(abs(value) == Decimal("0.01") for value in found)


REVERSED = (
    "CLP*P1*22*-100*-60**12*ICN1~CAS*CO*45*-40~NM1*QC*1*DOE*JANE****MI*M1~"
    "CLP*P1*1*100*80**12*ICN2~CAS*CO*45*20~NM1*QC*1*DOE*JANE****MI*M1~"
    "CLP*P2*1*10*10**12*ICN3~NM1*QC*1*ROE*JIM****MI*M2~"
)


def test_a_correction_names_the_reversal_before_it():
    """22 and then 1 of the same number are a pair; another claim is none, and the money of both counts."""
    (remittance,), (reversal, correction, other) = read(interchange(REVERSED, paid="30"))
    ids = [
        patch.native_id
        for item in cut(interchange(REVERSED, paid="30"))[0]
        for patch in NORMALIZE(item.body, item.context).patches
        if patch.type == "ClaimPayment"
    ]
    assert (reversal.status, reversal.corrects, other.corrects) == ("reversal", None, None)
    assert correction.corrects == ids[0]
    assert (remittance.balanced, remittance.paid_total) == (True, Decimal("30.00"))


def test_corrected_forwarded_and_secondary_claims_say_so():
    """Names and numbers as the payer has them, who it was passed on to, and who should have paid first."""
    claim = (
        "CLP*P1*19*10*10**12*ICN1~NM1*QC*1*DOE*JANE****MI*M1~NM1*74*1*DOE*JANET****C*M9~NM1*TT*2*SECOND PLAN*****PI*S2~"
        "NM1*PR*2*FIRST PLAN*****PI*F1~MOA*.8**MA18~REF*1L*GRP~REF*F8*OLD1~DTM*036*20261231~AMT*F5*2~AMT*D8*1~"
    )
    _, (found,) = read(interchange(claim, paid="10"))
    assert (found.status, found.corrected_name, found.corrected_member_id) == (
        "processed-primary-forwarded", "DOE, JANET", "M9",
    )  # fmt: skip
    assert (found.forwarded_to, found.forwarded_to_id, found.other_payer_id) == ("SECOND PLAN", "S2", "F1")
    assert (found.outpatient_rate, found.remarks, found.group_number) == (Decimal(".8"), ("MA18",), "GRP")
    assert (found.original_claim_number, found.coverage_ends_on) == ("OLD1", date(2026, 12, 31))
    assert (found.patient_paid, found.discount) == (Decimal("2.00"), Decimal("1.00"))


@pytest.mark.parametrize("reason", ["WO", "FB", "L6", "72", "J1", "CS", "AP", "B2", "IR", "LE", "50", "51", "90", "E3"])
def test_every_provider_adjustment_reason_counts_in_the_balance(reason):
    """Withholding, forwarding balance, recovery, interest and the rest move the payment by their amount."""
    data = interchange(f"CLP*A*1*10*10~NM1*QC*1*DOE*JANE****MI*M1~PLB*1*20261231*{reason}:REF1*-2.5~", paid="12.5")
    (remittance,), _ = read(data)
    (one,) = remittance.provider_adjustments
    assert (one.reason, one.reference, one.amount, remittance.balanced) == (reason, "REF1", Decimal("-2.50"), True)


def test_a_4010_file_reads_like_a_5010_one():
    """Same loops, older guide, ISA11 U and no repetition separator."""
    body = "CLP*A*1*10*10**12*ICN1~NM1*QC*1*DOE*JANE****MI*M1~SVC*HC:97110*10*10~DTM*150*20260701~"
    data = interchange(body, paid="10").replace(b"*^*00501*", b"*U*00401*").replace(b"005010X221A1", b"004010X091A1")
    (remittance,), (claim,) = read(data)
    assert (remittance.balanced, claim.lines[0].starts_on) == (True, date(2026, 7, 1))
