"""Validation of single items against the published fields: types, formats and code sets, by kind of item."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from gateway.model.exchange import Finding
from gateway_spry.records import APPOINTMENT, AUTHORIZATION, CARD, CASE

Id = str | int
Epoch = Annotated[str, Meta(pattern=r"^\d{1,11}$")]
Local = Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?)?$")]


def _all(kind: Any, *names: str) -> dict[str, Any]:
    return dict.fromkeys(names, kind | None)


SCHEMA: dict[str, dict[str, Any]] = {
    APPOINTMENT: _all(Epoch, "date_time", "end_date_time")
    | _all(Id, "appointment_id", "category_id", "doctor_id", "clinic_id", "check_in_time", "check_out_time")
    | _all(Id, "in_progress_at")
    | _all(str, "case_title", "comments", "spry_case_id")
    | {"patient": dict[str, Any]},
    CASE: _all(Id, "id", "patient_id", "clinic_id", "created_date", "updated_date")
    | _all(str, "case_title", "specialization", "frequency_and_duration", "body_pain_notes")
    | _all(str, "treatment_start_date", "date_of_injury", "date_of_surgery")
    | _all(bool, "direct_access", "visit_track_required")
    | _all(int, "number_of_past_visits_for_this_case", "case_visit_limit")
    | _all(dict[str, Any], "referring_physician_details", "secondary_referring_physician_details")
    | _all(dict[str, Any], "patient_case_identifier")
    | _all(list[dict[str, Any]], "icd_codes", "treating_icd_codes", "insurance_card_list", "affected_body_part_details")
    | {"spry_case_id": Annotated[str, Meta(pattern=r"^SPRY_CASE_[0-9a-f]{24}$")]}
    | {"treatment_status": Literal["ACTIVE", "DISCHARGED"] | None}
    | {"payment_mode": Literal["INSURANCE_PAY", "SELF_PAY", "CASH", "CARD", "UPI", "WALLET"] | None},
    CARD: _all(Id, "insurance_card_id")
    | _all(str, "insurance_number", "plan_start_date", "plan_end_date", "insurance_card_type")
    | _all(dict[str, Any], "insurance_payer"),
    AUTHORIZATION: _all(Id, "authorization_id", "patient_id", "organisation_id", "clinic_id")
    | _all(str, "authorization_reference_number", "spry_case_id", "case_title", "phone_number", "fax_number")
    | _all(str, "comments", "patient_name")
    | _all(Id, "created_at", "updated_at", "created_date")
    | _all(Local, "plan_start_date", "plan_end_date", "effective_start_date", "effective_end_date")
    | _all(int, "authorized_visit_count", "current_visit_count", "previous_consumed_visit_count")
    | _all(int, "final_consumed_visit_count")
    | _all(dict[str, Any], "insurance_payer")
    | _all(list[dict[str, Any]], "icd_codes", "cpt_code_authorization_details")
    | {"authorization_status": Literal["ACTIVE", "INACTIVE", "EXPIRED"] | None},
}
KEYS = {
    APPOINTMENT: "appointment_id",
    CASE: "spry_case_id",
    CARD: "insurance_card_id",
    AUTHORIZATION: "authorization_id",
}


def check(kind: str, body: bytes) -> list[Finding]:
    """Every way in which one item differs from what is published, each named by its field and never by its value."""
    try:
        fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return [Finding(reason="not-an-object", what="The item is not a JSON object", where="$")]
    findings: list[Finding] = []
    if KEYS[kind] not in fields:
        what = "A field that every item has is absent"
        findings.append(Finding(reason="missing-field", what=what, where=KEYS[kind]))
    for name, raw in fields.items():
        wanted = SCHEMA[kind].get(name)
        if wanted is None:
            findings.append(Finding(reason="undocumented-field", what="The field is not published", where=name[:64]))
            continue
        try:
            msgspec.json.decode(raw, type=wanted)
        except (msgspec.DecodeError, UnicodeDecodeError):
            findings.append(Finding(reason="wrong-type", what="The value is not what is published", where=name))
    return findings
