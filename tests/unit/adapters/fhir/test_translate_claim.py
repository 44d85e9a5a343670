"""Claims, claim payments and remittances: lines, sums, adjustments, and amounts that cannot be used."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from gateway.errors import InvalidContent
from tests.unit.adapters.fhir.test_translate import WITH, body, coded, only, told, usd

CARC = "https://x12.org/codes/claim-adjustment-reason-codes"
RARC = "https://x12.org/codes/remittance-advice-remark-codes"


def item(**elements: Any) -> dict[str, Any]:
    return {"sequence": 1, "productOrService": coded("97110"), "servicedDate": "2026-05-02", **elements}


def claim(*items: dict[str, Any], **elements: Any):
    return only("Claim", status="active", use="claim", item=list(items), **elements)


def test_a_claim_adds_up_its_lines() -> None:
    """Net amounts, or unit price times quantity, or the sum of details; the total is theirs when none was sent."""
    fields = told(
        claim(
            item(net=usd(60), modifier=[coded("GP")], diagnosisSequence=[1]),
            item(unitPrice=usd(20.5), quantity={"value": 2}),
            item(detail=[item(net=usd(5)), item(net=usd(6))]),
            diagnosis=[{"sequence": 1, "diagnosisCodeableConcept": coded("M54.50")}],
        )
    )
    assert [line["charge"] for line in fields["lines"]] == [Decimal("60.00"), Decimal("41.00"), Decimal("11.00")]
    assert fields["charge"] == Decimal("112.00")
    assert fields["lines"][0]["diagnoses"] == ["M54.50"]
    assert fields["lines"][0]["modifiers"] == ["GP"]


@pytest.mark.parametrize(
    ("amount", "reason"),
    [({"value": 5, "currency": "EUR"}, "foreign-currency"), (usd(5.005), "not-money"), ({}, "missing-charge")],
)
def test_amounts_that_cannot_be_used_are_refused(amount: dict[str, Any], reason: str) -> None:
    """Another currency, a fraction of a cent and a missing amount are never guessed at; the place is named."""
    with pytest.raises(InvalidContent) as refused:
        claim(item(net=amount))
    assert refused.value.reason == reason
    assert refused.value.where.startswith("Claim.item[0].net")


def adjudication(**amounts: float) -> list[dict[str, Any]]:
    return [{"category": coded(name), "amount": usd(amount)} for name, amount in amounts.items()]


def payment(**elements: Any):
    return WITH(body("ExplanationOfBenefit", status="active", use="claim", **elements), b"")


def test_a_payment_tells_shares_adjustments_and_remarks() -> None:
    """What the patient owes has group PR by FHIR's category; other reasons are OA, because FHIR names no group."""
    why = {"category": coded("denialreason"), "reason": coded("45", CARC), "amount": usd(10)}
    remark = {"category": coded("note"), "reason": coded("N130", RARC)}
    lines = [item(adjudication=[*adjudication(submitted=60, benefit=35, copay=15), why, remark])]
    (patch,) = payment(outcome="complete", item=lines).patches
    fields = told(patch)
    assert (fields["charge"], fields["paid"], fields["patient_responsibility"]) == (60, 35, 15)
    assert fields["status"] == "processed-primary"
    assert [(one["group"], one["reason"], one["amount"]) for one in fields["lines"][0]["adjustments"]] == [
        ("PR", "3", Decimal("15.00")),
        ("OA", "45", Decimal("10.00")),
    ]
    assert fields["lines"][0]["remarks"] == ["N130"]


def test_nothing_paid_and_nothing_owed_is_a_denial() -> None:
    """A deductible that takes all is processed; a payer that pays and passes on nothing has denied."""
    (denied,) = payment(outcome="complete", item=[item(adjudication=adjudication(submitted=60, benefit=0))]).patches
    assert told(denied)["status"] == "denied"
    owed = adjudication(submitted=60, benefit=0, deductible=60)
    (passed,) = payment(outcome="complete", item=[item(adjudication=owed)]).patches
    assert told(passed)["status"] == "processed-primary"


def test_what_is_not_adjudicated_is_no_payment() -> None:
    """A queued answer and one without any amount are suppressed; a predetermination is one of its own."""
    assert payment(outcome="queued").suppressed == "not-adjudicated"
    assert payment(outcome="error").suppressed == "not-adjudicated"
    asked = WITH(body("ClaimResponse", status="active", use="predetermination", outcome="complete"), b"")
    assert asked.suppressed == "predetermination"


def test_a_remittance_balances_or_says_by_how_much_not() -> None:
    """Payments of claims and the rest add up to the amount, or the difference is told."""
    detail = [
        {"type": coded("payment"), "amount": usd(3500)},
        {"type": coded("payment"), "amount": usd(4000)},
        {"type": coded("advance"), "amount": usd(-1500), "identifier": {"value": "R1"}},
    ]
    shared = {"status": "active", "paymentIdentifier": {"value": "EFT1"}, "detail": detail}
    fields = told(only("PaymentReconciliation", paymentAmount=usd(6000), **shared))
    assert (fields["balanced"], fields["difference"], fields["claim_count"]) == (True, 0, 2)
    assert fields["provider_adjustments"] == [{"reason": "advance", "amount": Decimal("1500.00"), "reference": "R1"}]
    off = told(only("PaymentReconciliation", paymentAmount=usd(7000), **shared))
    assert (off["balanced"], off["difference"]) == (False, Decimal("1000.00"))
