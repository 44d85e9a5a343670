"""Policies, what they cover, and permissions to treat, as FHIR R4 resources."""

from __future__ import annotations

from typing import Any

from gateway.wire.fhir_values import (
    TERMS,
    UNSUPPORTED,
    Fields,
    Json,
    clean,
    concept,
    counted,
    identifier,
    money,
    must,
    number,
    period,
    reference,
    required,
    text,
)

_REVIEW = "http://hl7.org/fhir/us/davinci-pas/StructureDefinition/extension-reviewAction"
_ACTIONS = {
    "approved": "A1", "exhausted": "A1", "expired": "A1", "modified": "A6", "denied": "A3", "pended": "A4",
    "cancelled": "C",
}  # fmt: skip
_OUTCOMES = {"requested": "queued", "pended": "queued"}
_BENEFITS = (
    ("copay", "copay", "copay", None),
    ("deductible", "deductible", "deductible", "deductible_left"),
    ("copay-maximum", "out_of_pocket", "out_of_pocket", "out_of_pocket_left"),
)


def coverage(fields: Fields) -> Json:
    """Coverage."""
    active = fields.get("active")
    classes = [
        {"type": concept(kind, f"{TERMS}coverage-class"), "value": value}
        for kind, name in (("group", "group_number"), ("plan", "plan_name"))
        if (value := text(fields.get(name)))
    ]
    made = clean(
        {
            "type": concept(fields.get("filing_indicator"), "https://codesystem.x12.org/005010/1032"),
            "subscriberId": text(fields.get("member_id")),
            "beneficiary": must(reference("Patient", fields.get("patient"))),
            "relationship": concept(fields.get("relationship"), f"{TERMS}subscriber-relationship"),
            "period": period(fields.get("starts_on"), fields.get("ends_on")),
            "payor": [must(reference("Organization", fields.get("payer")))],
            "class": classes,
            "order": counted(fields.get("priority"), 1),
        }
    )
    required(made, "status", None if active is None else "active" if active else "cancelled")
    return made


def benefit(fields: Fields) -> Json:
    """CoverageEligibilityResponse."""
    rejection = text(fields.get("rejection"))
    item = clean(
        {
            "category": concept(fields.get("service_type"), "https://x12.org/codes/service-type-codes"),
            "network": _network(fields.get("in_network")),
            "benefit": _benefits(fields),
            "authorizationRequired": fields.get("authorization_required"),
        }
    )
    insured = clean(
        {
            "coverage": must(reference("Coverage", fields.get("coverage"))),
            "inforce": fields.get("active"),
            "item": [item] if item else None,
        }
    )
    notes = [one for note in fields.get("notes", ()) if (one := text(note))]
    made = clean(
        {
            "status": "active",
            "purpose": ["benefits"],
            "patient": must(reference("Patient", fields.get("patient"))),
            "request": UNSUPPORTED,
            "outcome": "error" if rejection else "complete",
            "disposition": "\n".join(notes),
            "insurer": UNSUPPORTED,
            "insurance": [insured],
            "error": [{"code": {"text": rejection}}] if rejection else None,
        }
    )
    required(made, "created", fields.get("checked_at"))
    return made


def _network(value: Any) -> Json | None:
    return None if value is None else concept("in" if value else "out", f"{TERMS}benefit-network")


def _benefits(fields: Fields) -> list[Json]:
    """Allowed and used amounts; FHIR counts what was used, so what is left is turned round where both are known."""
    found = []
    for word, _, total, left in _BENEFITS:
        allowed, rest = number(fields.get(total)), None if left is None else number(fields.get(left))
        used = None if allowed is None or rest is None else allowed - rest
        if allowed is not None:
            found.append(
                clean(
                    {
                        "type": concept(word, f"{TERMS}benefit-type"),
                        "allowedMoney": money(allowed),
                        "usedMoney": money(used),
                    }
                )
            )
    share = number(fields.get("coinsurance"))
    percent = None if share is None else share * 100
    if percent is not None and percent == int(percent) and 0 <= percent <= 100:
        found.append({"type": concept("copay-percent", f"{TERMS}benefit-type"), "allowedUnsignedInt": int(percent)})
    limit, visits = counted(fields.get("visit_limit")), counted(fields.get("visits_used"))
    if limit is not None or visits is not None:
        found.append(
            clean(
                {
                    "type": concept("visit", f"{TERMS}benefit-type"),
                    "allowedUnsignedInt": limit,
                    "usedUnsignedInt": visits,
                }
            )
        )
    return found


def authorization(fields: Fields) -> Json:
    """ClaimResponse of use ``preauthorization``, with the review action as Da Vinci PAS tells it."""
    status = fields.get("status")
    numbers = [
        {"category": concept(word), "value": value}
        for word, name in (
            ("visits-approved", "visits_approved"),
            ("visits-used", "visits_used"),
            ("visits-booked", "visits_booked"),
            ("visits-remaining", "visits_remaining"),
            ("units-approved", "units_approved"),
            ("units-used", "units_used"),
            ("units-remaining", "units_remaining"),
        )
        if (value := number(fields.get(name))) is not None
    ]
    made = clean(
        {
            "extension": _action(fields, status),
            "identifier": identifier(fields.get("tracking_number"), words="tracking number"),
            "type": concept("professional", f"{TERMS}claim-type"),
            "use": "preauthorization",
            "patient": must(reference("Patient", fields.get("patient"))),
            "insurer": must(reference("Organization", fields.get("payer"))),
            "preAuthRef": text(fields.get("number")),
            "preAuthPeriod": period(fields.get("starts_on"), fields.get("ends_on")),
            "adjudication": numbers,
            "insurance": _insurance(fields),
        }
    )
    required(made, "status", None if status is None else "cancelled" if status == "cancelled" else "active")
    required(made, "outcome", None if status is None else _OUTCOMES.get(status, "complete"))
    required(made, "created", fields.get("decided_at") or fields.get("requested_at"))
    return made


def _insurance(fields: Fields) -> list[Json] | None:
    found = reference("Coverage", fields.get("coverage"))
    return None if found is None else [{"sequence": 1, "focal": True, "coverage": found}]


def _action(fields: Fields, status: Any) -> list[Json]:
    action = concept(_ACTIONS.get(status), "https://codesystem.x12.org/005010/306")
    if action is None:
        return []
    parts: list[Json] = [{"url": f"{_REVIEW}Code", "valueCodeableConcept": action}]
    if number_ := text(fields.get("number")):
        parts.append({"url": "number", "valueString": number_})
    if reason := concept(fields.get("reason"), "https://codesystem.x12.org/external/886"):
        parts.append({"url": "reasonCode", "valueCodeableConcept": reason})
    return [{"url": _REVIEW, "extension": parts}]
