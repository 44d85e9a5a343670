"""Claims and remittances to patches."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from gateway.errors import InvalidContent
from tests.unit.adapters.x12.remittances import NORMALIZE, cut, interchange, read, records

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
