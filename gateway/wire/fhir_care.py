"""Referrals, episodes, plans of care and tasks as FHIR R4 resources."""

from __future__ import annotations

from gateway.wire.fhir_values import (
    ICD,
    OURS,
    UNKNOWN,
    Fields,
    Json,
    by_code,
    clean,
    concept,
    concepts,
    extension,
    identifier,
    money,
    must,
    period,
    quantity,
    reference,
    required,
    text,
)

_REFERRAL = {
    "received": "draft", "accepted": "active", "active": "active", "completed": "completed", "declined": "revoked",
    "cancelled": "revoked", "expired": "revoked",
}  # fmt: skip
_PLAN = {
    "draft": "draft", "sent": "draft", "certified": "active", "expired": "completed", "revoked": "revoked",
    "completed": "completed",
}  # fmt: skip
_EPISODE = {
    "planned": "planned", "active": "active", "on-hold": "onhold", "finished": "finished", "cancelled": "cancelled"
}  # fmt: skip
_TASK = {"open": "requested", "claimed": "accepted", "done": "completed", "dismissed": "cancelled"}


def referral(fields: Fields) -> Json:
    """ServiceRequest."""
    status = fields.get("status")
    where = reference("Location", fields.get("location"))
    made = clean(
        {
            "identifier": identifier(fields.get("number")),
            "intent": "order",
            "code": concept(fields.get("discipline")),
            "quantityQuantity": quantity(fields.get("visits")),
            "subject": must(reference("Patient", fields.get("patient"))),
            "occurrencePeriod": period(fields.get("received_on"), fields.get("expires_on")),
            "authoredOn": fields.get("signed_on"),
            "requester": reference("Practitioner", fields.get("referrer")),
            "locationReference": [where] if where else None,
            "reasonCode": concepts(fields.get("diagnoses", ()), ICD),
        }
    )
    made["status"] = UNKNOWN if status is None else _REFERRAL[status]
    return made


def episode(fields: Fields) -> Json:
    """EpisodeOfCare."""
    status = fields.get("status")
    made = clean(
        {
            "type": [one] if (one := concept(fields.get("title"))) else None,
            "diagnosis": [{"condition": one} for value in fields.get("diagnoses", ()) if (one := by_code(value, ICD))],
            "patient": must(reference("Patient", fields.get("patient"))),
            "period": period(fields.get("started_on"), fields.get("discharged_on")),
            "referralRequest": [one] if (one := reference("ServiceRequest", fields.get("referral"))) else None,
            "careManager": reference("Practitioner", fields.get("practitioner")),
        }
    )
    required(made, "status", None if status is None else _EPISODE[status])
    return made


def plan(fields: Fields) -> Json:
    """CarePlan."""
    status = fields.get("status")
    visits = clean(
        {
            "status": "in-progress" if status == "certified" else "unknown",
            "scheduledString": text(fields.get("frequency")),
            "quantity": quantity(fields.get("planned_visits")),
        }
    )
    made = clean(
        {
            "intent": "plan",
            "subject": must(reference("Patient", fields.get("patient"))),
            "period": period(fields.get("certified_from"), fields.get("certified_to")),
            "author": reference("Practitioner", fields.get("practitioner")),
            "contributor": [one] if (one := reference("Practitioner", fields.get("certifier"))) else None,
            "addresses": [one for value in fields.get("diagnoses", ()) if (one := by_code(value, ICD))],
            "supportingInfo": [one] if (one := reference("EpisodeOfCare", fields.get("episode"))) else None,
            "activity": [{"detail": visits}] if len(visits) > 1 else None,
        }
    )
    made["status"] = UNKNOWN if status is None else _PLAN[status]
    return made


def task(fields: Fields) -> Json:
    """Task."""
    state = fields.get("state")
    where = reference("Location", fields.get("location"))
    made = clean(
        {
            "extension": extension("money", "Money", money(fields.get("money"))),
            "intent": "order",
            "code": concept(fields.get("kind")),
            "description": text(fields.get("title")),
            "focus": by_code(fields.get("about"), f"{OURS}record"),
            "for": reference("Patient", fields.get("patient")),
            "executionPeriod": period(fields.get("created_at"), fields.get("closed_at")),
            "authoredOn": fields.get("created_at"),
            "performerType": [one] if (one := concept(fields.get("role"))) else None,
            "owner": by_code(fields.get("owner"), f"{OURS}principal"),
            "location": where,
            "reasonCode": concept(fields.get("reason")),
            "restriction": clean({"period": period(None, fields.get("due_on"))}),
        }
    )
    required(made, "status", None if state is None else _TASK[state])
    return made
