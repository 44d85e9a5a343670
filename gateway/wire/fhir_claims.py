"""Claims, what payers answered, and payments, as FHIR R4 resources."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gateway.wire.fhir_values import (
    CARC,
    ICD,
    NPI,
    TERMS,
    UNSUPPORTED,
    Fields,
    Json,
    billed,
    by_code,
    clean,
    concept,
    concepts,
    identifier,
    money,
    must,
    period,
    quantity,
    reference,
    required,
    text,
)

_CLAIM = {"draft": "draft", "void": "cancelled"}
_PROFESSIONAL = concept("professional", f"{TERMS}claim-type")
_REMARKS = "https://x12.org/codes/remittance-advice-remark-codes"


def claim(fields: Fields) -> Json:
    """Claim."""
    diagnoses = [one for value in fields.get("diagnoses", ()) if (one := concept(value, ICD))]
    insured = clean(
        {
            "sequence": 1,
            "focal": True,
            "coverage": must(reference("Coverage", fields.get("coverage"))),
            "preAuthRef": [permitted] if (permitted := text(fields.get("authorization_number"))) else None,
        }
    )
    replaced = text(fields.get("payer_claim_number"))
    made = clean(
        {
            "identifier": identifier(fields.get("control_number"), words="patient control number"),
            "type": _PROFESSIONAL,
            "use": "claim",
            "patient": must(reference("Patient", fields.get("patient"))),
            "insurer": reference("Organization", fields.get("payer")),
            "provider": must(by_code(fields.get("billing_npi"), NPI)),
            "priority": concept("normal", f"{TERMS}processpriority"),
            "related": [{"reference": {"value": replaced}}] if replaced else None,
            "diagnosis": [
                {"sequence": place, "diagnosisCodeableConcept": one} for place, one in enumerate(diagnoses, 1)
            ],
            "insurance": [insured],
            "item": [_billed(place, line) for place, line in enumerate(fields.get("lines", ()), 1)],
            "total": money(fields.get("charge")),
        }
    )
    status = fields.get("status")
    required(made, "status", None if status is None else _CLAIM.get(status, "active"))
    required(made, "created", fields.get("submitted_at"))
    return made


def _billed(place: int, line: Fields) -> Json:
    return clean(
        {
            "sequence": place,
            "productOrService": must(billed(line.get("procedure_code"))),
            "modifier": [one for code in line.get("modifiers", ()) if (one := billed(code))],
            "servicedDate": line.get("service_date"),
            "quantity": quantity(line.get("units")),
            "net": money(line.get("charge")),
        }
    )


def claim_payment(fields: Fields) -> Json:
    """ExplanationOfBenefit: a payer's adjudication of one claim."""
    paid = money(fields.get("paid"))
    totals = [
        {"category": concept(word, f"{TERMS}adjudication"), "amount": amount}
        for word, name in (
            ("submitted", "charge"), ("benefit", "paid"), ("eligible", "allowed"), ("copay", "patient_responsibility"),
        )
        if (amount := money(fields.get(name)))
    ]  # fmt: skip
    numbers = identifier(fields.get("payer_claim_number"), words="payer claim number")
    numbers += identifier(fields.get("patient_control_number"), words="patient control number")
    made = clean(
        {
            "identifier": numbers,
            "status": "active",
            "type": _PROFESSIONAL,
            "use": "claim",
            "patient": must(reference("Patient", fields.get("patient"))),
            "billablePeriod": period(fields.get("starts_on"), fields.get("ends_on")),
            "insurer": UNSUPPORTED,
            "provider": must(by_code(fields.get("rendering_npi"), NPI)),
            "claim": reference("Claim", fields.get("claim")),
            "outcome": "complete",
            "preAuthRef": [one] if (one := text(fields.get("authorization_number"))) else None,
            "insurance": [
                {"focal": True, "coverage": must(by_code(fields.get("member_id"), "urn:emr-gateway:member"))}
            ],
            "item": [_paid(place, line) for place, line in enumerate(fields.get("lines", ()), 1)],
            "adjudication": _adjusted(fields.get("adjustments", ())) + _remarks(fields.get("remarks", ())),
            "total": totals,
            "payment": {"amount": paid} if paid else None,
        }
    )
    required(made, "created", fields.get("received_on"))
    return made


def _paid(place: int, line: Fields) -> Json:
    amounts = [
        {"category": concept(word, f"{TERMS}adjudication"), "amount": amount}
        for word, name in (("submitted", "charge"), ("benefit", "paid"), ("eligible", "allowed"))
        if (amount := money(line.get(name)))
    ]
    return clean(
        {
            "sequence": place,
            "productOrService": must(billed(line.get("procedure_code"))),
            "modifier": [one for code in line.get("modifiers", ()) if (one := billed(code))],
            "servicedPeriod": period(line.get("starts_on"), line.get("ends_on")),
            "quantity": quantity(line.get("units")),
            "adjudication": amounts + _adjusted(line.get("adjustments", ())) + _remarks(line.get("remarks", ())),
        }
    )


def _adjusted(found: Iterable[Fields]) -> list[Json]:
    """Adjustments: the group says who owes it, the reason is a CARC."""
    return [
        clean(
            {
                "category": must(concept(one.get("group"), "https://codesystem.x12.org/005010/1033")),
                "reason": concept(one.get("reason"), CARC),
                "amount": money(one.get("amount")),
            }
        )
        for one in found
    ]


def _remarks(found: Iterable[Any]) -> list[Json]:
    return [{"category": concept("remark"), "reason": one} for one in concepts(found, _REMARKS)]


def remittance(fields: Fields) -> Json:
    """PaymentReconciliation; adjustments outside any claim are its details, and take from the amount."""
    details = [
        clean(
            {
                "type": must(concept(one.get("reason"), "https://codesystem.x12.org/005010/426")),
                "identifier": next(iter(identifier(one.get("reference"))), None),
                "amount": money(one.get("amount")),
            }
        )
        for one in fields.get("provider_adjustments", ())
    ]
    payer = reference("Organization", fields.get("payer"))
    made = clean(
        {
            "status": "active",
            "paymentIssuer": payer or clean({"display": text(fields.get("payer_name"))}),
            "outcome": "complete",
            "paymentAmount": must(money(fields.get("amount"))),
            "paymentIdentifier": next(iter(identifier(fields.get("trace_number"))), None),
            "detail": details,
        }
    )
    required(made, "created", fields.get("production_date") or fields.get("payment_date"))
    required(made, "paymentDate", fields.get("payment_date"))
    return made
