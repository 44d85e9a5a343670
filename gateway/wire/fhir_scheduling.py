"""Appointments, slots and visits as FHIR R4 resources."""

from __future__ import annotations

from typing import Any

from gateway.wire.fhir_values import (
    ICD,
    MASKED,
    TERMS,
    UNKNOWN,
    UNSUPPORTED,
    Fields,
    Json,
    by_code,
    clean,
    concept,
    counted,
    identifier,
    period,
    reference,
    required,
    zone,
)

_APPOINTMENT = {
    "booked": "booked", "confirmed": "booked", "arrived": "arrived", "completed": "fulfilled",
    "cancelled": "cancelled", "no-show": "noshow",
}  # fmt: skip
_ACCEPTED = {"confirmed", "arrived", "completed"}
_UNATTENDED = {"cancelled", "no-show", None}
"""States in which FHIR has a reason; None where the state is not granted."""
_VISIT = {"in-progress": "in-progress", "finished": "finished", "signed": "finished", "cancelled": "cancelled"}
_SLOT = {"free": "free", "busy": "busy", "held": "busy-tentative"}


def appointment(fields: Fields) -> Json:
    """Appointment. A confirmed one is booked with the patient's participation accepted."""
    status = fields.get("status")
    made = clean(
        {
            "extension": zone(fields),
            "identifier": identifier(fields.get("visit_number"), words="visit number"),
            "cancelationReason": concept(fields.get("cancel_reason")) if status in _UNATTENDED else None,
            "serviceType": [concept("telehealth")] if fields.get("telehealth") else None,
            "appointmentType": concept(fields.get("type")),
            "reasonCode": [one] if (one := concept(fields.get("reason"))) else None,
            "supportingInformation": _supporting(fields),
            "start": fields.get("start"),
            "end": fields.get("end"),
            "minutesDuration": counted(fields.get("minutes"), 1),
            "created": fields.get("created_at"),
            "participant": _participants(fields, status),
        }
    )
    required(made, "status", None if status is None else _APPOINTMENT[status])
    if status != "cancelled" or {"start", "end"} & made.keys():  # FHIR: both are there, or neither of a cancelled one
        for name in ("start", "end"):
            required(made, name, made.get(name))
    return made


def _supporting(fields: Fields) -> list[Json]:
    found = (reference("ClaimResponse", fields.get("authorization")), reference("EpisodeOfCare", fields.get("episode")))
    return [one for one in found if one]


def _participants(fields: Fields, status: Any) -> list[Json]:
    answer = "accepted" if status in _ACCEPTED else "needs-action"
    found = [
        {"actor": actor, "required": "required", "status": answer if type == "Patient" else "accepted"}
        for type, name in (("Patient", "patient"), ("Practitioner", "practitioner"), ("Location", "location"))
        if (actor := reference(type, fields.get(name)))
    ]
    return found or [{"extension": MASKED, "type": [{"text": "not disclosed"}], "status": "needs-action"}]


def slot(fields: Fields) -> Json:
    """Slot; whose schedule it is stands in an extension, for the gateway keeps no Schedules."""
    made = clean({"extension": zone(fields), "schedule": UNSUPPORTED, "appointmentType": concept(fields.get("type"))})
    required(made, "status", _SLOT[fields.get("status", "free")])
    required(made, "start", fields.get("start"))
    required(made, "end", fields.get("end"))
    return made


def visit(fields: Fields) -> Json:
    """Encounter, ambulatory."""
    seen = [
        {"individual": who, "type": [concept(role, f"{TERMS}v3-ParticipationType")]}
        for role, name in (("PPRF", "practitioner"), ("SPRF", "supervisor"))
        if (who := reference("Practitioner", fields.get(name)))
    ]
    where = reference("Location", fields.get("location"))
    minutes = counted(fields.get("minutes"))
    made = clean(
        {
            "extension": zone(fields),
            "class": {"system": f"{TERMS}v3-ActCode", "code": "AMB", "display": "ambulatory"},
            "subject": reference("Patient", fields.get("patient")),
            "participant": seen,
            "period": period(fields.get("start") or fields.get("service_date"), fields.get("end")),
            "appointment": [one] if (one := reference("Appointment", fields.get("appointment"))) else None,
            "episodeOfCare": [one] if (one := reference("EpisodeOfCare", fields.get("episode"))) else None,
            "location": [{"location": where}] if where else None,
            "length": None if minutes is None else _minutes(minutes),
            "diagnosis": [{"condition": one} for value in fields.get("diagnoses", ()) if (one := by_code(value, ICD))],
        }
    )
    status = fields.get("status")
    made["status"] = UNKNOWN if status is None else _VISIT[status]
    return made


def _minutes(number: int) -> Json:
    return {"value": number, "unit": "min", "system": "http://unitsofmeasure.org", "code": "min"}
