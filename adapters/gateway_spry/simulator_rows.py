"""Rows of the simulated organisation as the API gives them."""

from __future__ import annotations

from typing import Any

from gateway.testing.synthetic_clinic import SyntheticPerson, SyntheticVisit

Row = dict[str, Any]


def case_id(key: int) -> str:
    return f"SPRY_CASE_{key:024x}"


def told(event: str, row: Row) -> Row:
    """What a webhook says of a row: ids and a status."""
    if event.startswith("case"):
        return {"organisation_id": "1", "spry_case_id": row["spry_case_id"], "patient_id": row["patient_id"]}
    return {
        "organisation_id": "1", "appointment_id": row["appointment_id"], "patient_id": row["patient"]["patient_id"],
        "spry_case_id": row["spry_case_id"], "clinic_id": row["clinic_id"], "status": row.get("status", ""),
    }  # fmt: skip


def patient_row(person: SyntheticPerson) -> Row:
    return {
        "patient_id": f"{person.key}", "name": f"{person.given} {person.family}", "first_name": person.given,
        "last_name": person.family, "date_of_birth": person.birth_date.isoformat(), "sex": person.sex.upper(),
        "mobile": person.phone, "email_address": person.email, "suffix": "", "alias": "",
        "address": {
            "line1": person.street, "line2": "", "city": person.city, "state": person.state,
            "postal_code": person.postal_code,
        },
    }  # fmt: skip


def appointment_row(visit: SyntheticVisit, people: dict[int, Row]) -> Row:
    came = visit.outcome == "arrived"
    return {
        "appointment_id": f"{visit.key}", "case_title": visit.kind, "category_id": 1, "comments": "",
        "date_time": f"{int(visit.start.timestamp())}", "end_date_time": f"{int(visit.end.timestamp())}",
        "doctor_id": f"{visit.therapist}", "clinic_id": f"{visit.place}", "patient": people[visit.patient],
        "spry_case_id": case_id(visit.patient), "check_in_time": f"{int(visit.start.timestamp())}" if came else None,
        "in_progress_at": None, "check_out_time": None,
    }  # fmt: skip


_PAYER = {"payer_reg_id": "77", "name": "Simulated Health Plan", "payer_id": "SIM01"}


def case_row(person: SyntheticPerson) -> Row:
    card = {
        "insurance_card_id": f"{person.key}", "insurance_payer": _PAYER, "insurance_number": f"M{person.key:08}",
        "plan_start_date": "2026-01-01", "plan_end_date": "2026-12-31", "insurance_card_type": "PRIMARY",
    }  # fmt: skip
    return {
        "spry_case_id": case_id(person.key), "id": f"{person.key}", "case_title": "Left knee", "patient_id":
        f"{person.key}", "specialization": "MSK", "direct_access": False, "treatment_status": "ACTIVE",
        "payment_mode": "INSURANCE_PAY", "insurance_card_list": [card], "case_visit_limit": 12, "clinic_id": "1",
        "icd_codes": [{"id": "1", "code": "M25.562", "description": "Pain in left knee", "revision": "10"}],
        "treating_icd_codes": [], "treatment_start_date": "2026-02-02", "date_of_injury": "2026-01-15",
        "referring_physician_details": {
            "ref_physician_id": "9", "first_name": "Renee", "last_name": "Okafor", "npi": "1234567893",
        },
    }  # fmt: skip


def authorization_row(person: SyntheticPerson) -> Row:
    return {
        "authorization_id": f"{person.key}", "authorization_reference_number": f"A{person.key:06}",
        "spry_case_id": case_id(person.key), "patient_id": f"{person.key}", "insurance_payer":
        {**_PAYER, "payer_type": "COMMERCIAL", "payer_state": "TX"}, "authorized_visit_count": 12,
        "current_visit_count": 3, "previous_consumed_visit_count": 1, "final_consumed_visit_count": 4,
        "effective_start_date": "2026-02-01T00:00:00", "effective_end_date": "2026-08-01T00:00:00",
        "authorization_status": "ACTIVE", "icd_codes": [{"id": "1", "code": "M25.562"}], "clinic_id": "1",
    }  # fmt: skip


def drift(api: Any) -> None:
    """The title of a case becomes an object and a visit begins an hour later, for every appointment."""
    for row in api.appointments.values():
        row["case_title"] = {"text": row["case_title"]}
        row["date_time"] = f"{int(row['date_time']) + 3600}"
