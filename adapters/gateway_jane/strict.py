"""Validation of single items against the documented schema: types, formats and code sets, by resource."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from gateway.model.exchange import Finding

Uuid = Annotated[str, Meta(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
Instant = Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$")]
Country = Annotated[str, Meta(pattern=r"^[A-Z]{2}$")]


class Phone(msgspec.Struct, forbid_unknown_fields=True):
    number: str
    type: Literal["home", "mobile", "work", "fax"] = "mobile"
    is_primary: bool = False


def _all(kind: Any, *names: str) -> dict[str, Any]:
    return dict.fromkeys(names, kind)


_WHERE = _all(str, "street_address", "street_address_2", "city", "province", "postal") | {"country": Country}
_WHO = _all(str, "first_name", "middle_name", "last_name", "prefix", "preferred_name", "pronouns", "email")
SCHEMA: dict[str, dict[str, Any]] = {
    "appointments": _all(Uuid, "id", "staff_member_id", "patient_id", "location_id", "treatment_id")
    | _all(Instant, "start_at", "end_at", "booked_at")
    | _all(Instant | None, "cancelled_at", "no_show_at", "arrived_at", "archived_at", "checked_in_at")
    | {"first_visit": bool, "cancelled_reason": str | None}
    | {"state": Literal["reserved", "booked", "arrived", "no_show", "cancelled", "archived"]},
    "patients": _WHO
    | _WHERE
    | _all(str, "gender", "guardian_name", "patient_number", "mobile_country_code", "mobile_phone_number")
    | _all(date, "date_of_birth", "patient_since")
    | _all(bool, "send_marketing_emails", "do_not_email")
    | {"id": Uuid, "sex": Literal["male", "female", "x"], "phone_numbers": list[Phone], "deep_links": dict[str, Any]}
    | {"status": Literal["active", "discharged", "deceased", "archived"]},
    "staff_members": _WHO | {"id": Uuid} | _all(str, "bio", "suffix", "work_phone", "fax_phone"),
    "locations": _WHERE
    | _all(str, "name", "email", "phone", "fax", "hours", "legal_name", "short_description", "long_description")
    | {"id": Uuid, "online_bookable": bool},
}


def check(kind: str, body: bytes) -> list[Finding]:
    """Every way in which one item differs from the schema, each named by its field and never by its value."""
    try:
        fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return [Finding(reason="not-an-object", what="The item is not a JSON object", where="$")]
    findings: list[Finding] = []
    if "id" not in fields:
        findings.append(Finding(reason="missing-field", what="A field that every item has is absent", where="id"))
    for name, raw in fields.items():
        wanted = SCHEMA[kind].get(name)
        if wanted is None:
            findings.append(Finding(reason="undocumented-field", what="The schema has no such field", where=name[:64]))
            continue
        try:
            msgspec.json.decode(raw, type=wanted)
        except (msgspec.DecodeError, UnicodeDecodeError):
            findings.append(Finding(reason="wrong-type", what="The value is not what the schema says", where=name))
    return findings
