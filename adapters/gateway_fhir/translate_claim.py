"""Claims and what payers answer: lines, sums and adjustments, which are amounts and not fields that a rule can move.

FHIR says what was paid and what the patient owes, but not all of what an 835 says: an adjustment has a reason and no
group. So groups are given only where FHIR's category names one (copay, deductible and coinsurance are the patient's),
anything else is ``OA``, and no balance is claimed.
"""

from __future__ import annotations

from typing import Any

from gateway.errors import InvalidContent
from gateway.model.values import ZERO
from gateway_fhir.records_financial import Answer, Claim, ClaimItem, PaymentReconciliation
from gateway_fhir.translate_authorization import codes
from gateway_fhir.translate_item import (
    PATIENT,
    adjustments,
    category_sum,
    charge_of,
    dollars,
    remarks,
    service,
    submitted,
    total_of,
)

_PAID = ("benefit", "paidtoprovider")


def claim(read: Claim, record_type: str) -> dict[str, Any]:
    """Of a Claim: lines and total. Of one that asks for an authorization: what it asks for."""
    if record_type == "Authorization":
        return codes(read.item)
    by_sequence = {
        one.sequence: one.diagnosis_codeable_concept.code
        for one in read.diagnosis
        if one.diagnosis_codeable_concept is not None
    }
    lines = []
    for number, one in enumerate(read.item):
        charge = charge_of(one, f"Claim.item[{number}]")
        if charge is None:
            what = "The item has no amount"
            raise InvalidContent(
                "missing-charge", what, where=f"Claim.item[{number}].net", fix="Ask the sender for it."
            )
        line = service(one, f"Claim.item[{number}]") | {"charge": charge}
        pointed = [code for sequence in one.diagnosis_sequence if (code := by_sequence.get(sequence))]
        if pointed:
            line["diagnoses"] = pointed
        if one.sequence is not None:
            line["line_control_number"] = str(one.sequence)
        lines.append(line)
    total = dollars(read.total, "Claim.total")
    charge = total if total is not None else sum((line["charge"] for line in lines), ZERO)
    return {"lines": lines, "charge": charge} if lines or total is not None else {}


def answer(read: Answer) -> dict[str, Any] | None:
    """What a payer decided about a claim; None while it has not, or could not say any amount."""
    place = read.resource_type
    items = (*read.item, *read.add_item)
    charge = total_of(read.total, ("submitted",), place)
    if charge is None:
        amounts = [submitted(one, f"{place}.item") for one in items]
        known = [one for one in amounts if one is not None]
        charge = sum(known, ZERO) if known and len(known) == len(amounts) else None
    if read.outcome == "queued" or charge is None:
        return None
    paid = dollars(read.payment.amount, f"{place}.payment.amount") if read.payment else None
    if paid is None:
        paid = total_of(read.total, _PAID, place)
    if paid is None:
        paid = sum((category_sum(one.adjudication, _PAID, f"{place}.item") or ZERO for one in items), ZERO)
    fields: dict[str, Any] = {
        "charge": charge,
        "paid": paid,
        "adjustments": adjustments(read.adjudication, place),
        "remarks": remarks(read.adjudication),
    }
    owed = total_of(read.total, ("memberliability",), place)
    shares = [category_sum(one.adjudication, (*PATIENT,), f"{place}.item") for one in items]
    if owed is None and any(share is not None for share in shares):
        owed = sum((share for share in shares if share is not None), ZERO)
    if owed is not None:
        fields["patient_responsibility"] = owed
    allowed = total_of(read.total, ("eligible",), place)
    if allowed is not None:
        fields["allowed"] = allowed
    nothing = charge > 0 and not paid and not owed and not allowed
    fields["status"] = "denied" if read.outcome == "error" or nothing else "processed-primary"
    lines = [line for one in items if (line := _adjudicated(one, place)) is not None]
    return fields | ({"lines": lines} if lines else {})


def _adjudicated(one: ClaimItem, place: str) -> dict[str, Any] | None:
    """One service line; a ClaimResponse names no procedure and then tells of no line that stands for itself."""
    where = f"{place}.item"
    charge = submitted(one, where)
    if one.product_or_service is None or charge is None:
        return None
    line = service(one, where, ("starts_on", "ends_on")) | {
        "charge": charge,
        "paid": category_sum(one.adjudication, _PAID, where) or ZERO,
        "adjustments": adjustments(one.adjudication, where),
        "remarks": remarks(one.adjudication),
    }
    allowed = category_sum(one.adjudication, ("eligible",), where)
    if allowed is not None:
        line["allowed"] = allowed
    if one.sequence is not None:
        line["line_control_number"] = str(one.sequence)
    return line


def reconciliation(read: PaymentReconciliation) -> dict[str, Any]:
    """Sums of a payment: what belongs to claims, and what belongs to none (advances, adjustments)."""
    amount = dollars(read.payment_amount, "PaymentReconciliation.paymentAmount")
    if amount is None:
        what = "The payment has no amount"
        raise InvalidContent("missing-amount", what, where="PaymentReconciliation.paymentAmount", fix="Ask the payer.")
    paid = ZERO
    others: list[dict[str, Any]] = []
    claims = 0
    for number, one in enumerate(read.detail):
        part = dollars(one.amount, f"PaymentReconciliation.detail[{number}].amount") or ZERO
        type = one.type.code if one.type else None
        if type in (None, "payment"):
            paid += part
            claims += 1
        else:
            others.append({"reason": type, "amount": -part or ZERO} | _reference(one.identifier))
    if not read.detail:
        return {"amount": amount}
    difference = amount - (paid - sum((one["amount"] for one in others), ZERO))
    return {
        "amount": amount,
        "provider_adjustments": others,
        "claim_count": claims,
        "paid_total": paid,
        "balanced": not difference,
        "difference": difference or ZERO,
    }


def _reference(identifier: Any) -> dict[str, str]:
    return {"reference": identifier.value} if identifier and identifier.value else {}
