"""A local Cliniko: basic auth, request limit, paging, filters, hiding and writes as the vendor documents them.

Its clinic is drawn from a seed; ``fail`` makes the next answers lie or break, in the ways real services do.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from gateway.model.exchange import RateBudget
from gateway.testing.simulated_api import SimulatedApi
from gateway.testing.synthetic_clinic import SyntheticClinic, SyntheticPerson, SyntheticPlace, SyntheticVisit

API_KEY = "MS0xMjM0NTY3-au2"
BUDGET = RateBudget(requests=200, seconds=60.0)
Clock = Callable[[], datetime]
Row = dict[str, Any]

_ID = 1_390_726_237_298_000_000
_FILTER = re.compile(r"(\w+):(>=|<=|!=|!\?|~~|[=><?~*])(.*)", re.DOTALL)
_OPERATORS = {"time": (">=", ">", "<=", "<"), "date": ("=", ">=", ">", "<=", "<"), "flag": ("=", "!=")}
_OPERATORS |= {"id": ("=", "!=", ">=", ">", "<=", "<"), "text": ("=", "!=", "~", "~~")}
_TIMES = dict.fromkeys(("created_at", "updated_at"), "time")
_HIDING = dict.fromkeys(("archived_at", "deleted_at", "cancelled_at"), "time")
_LINKED = ("id", "appointment_type_id", "business_id", "patient_id", "practitioner_id", "repeated_from_id")
_BOOKED = ("id", "appointment_id", "booking_id", "patient_case_id", "patient_id")
_FILTERS: dict[str, dict[str, str]] = {
    "patients": {"id": "id", "archived_at": "time", "date_of_birth": "date", **_TIMES}
    | dict.fromkeys(("email", "first_name", "last_name", "old_reference_id", "preferred_first_name"), "text"),
    "practitioners": {"id": "id", "user_id": "id", "active": "flag", **_TIMES},
    "businesses": {"id": "id", "archived_at": "time", "deleted_at": "time", **_TIMES},
    "individual_appointments": {"starts_at": "time", "ends_at": "time", "did_not_arrive": "flag", **_TIMES, **_HIDING}
    | dict.fromkeys(_LINKED, "id"),
    "attendees": _TIMES | _HIDING | dict.fromkeys(_BOOKED, "id"),
}
_REASONS: dict[str, int] = {
    "feeling-better": 10,
    "condition-worse": 20,
    "sick": 30,
    "away": 40,
    "other": 50,
    "work": 60,
}
_DESCRIPTIONS = {10: "Feeling Better", 20: "Condition Worse", 30: "Sick", 40: "Away", 50: "Other", 60: "Work"}


def utc_now() -> datetime:
    return datetime.now(UTC)


class ClinikoSimulator(SimulatedApi):
    """One account. ``tables`` may be read and changed by tests; writes bump ``updated_at`` by the clock ``now``."""

    def __init__(
        self, clinic: SyntheticClinic, *, api_key: str = API_KEY, budget: RateBudget = BUDGET, now: Clock = utc_now
    ) -> None:
        super().__init__(budget)
        names = (api_key, api_key.rpartition("-")[0])
        self._basic = ["Basic " + base64.b64encode(f"{name}:".encode()).decode() for name in names]
        self._now = now
        self.tables: dict[str, dict[str, Row]] = {name: {} for name in _FILTERS}
        for place in clinic.places:
            self._add("businesses", place.key, _business(place))
        for therapist in clinic.therapists:
            self._add("practitioners", therapist.key, _practitioner(therapist))
        for patient in clinic.patients:
            self._add("patients", patient.key, _patient(patient))
        for visit in clinic.visits:
            self._book(visit)

    def routes(self, router: web.UrlDispatcher) -> None:
        """The part of the API that this adapter's lists are about."""
        router.add_get("/v1/{list}", self._get_list)
        router.add_get("/v1/{list}/inactive", self._get_list)
        router.add_get("/v1/{list}/{id}", self._get_one)
        router.add_patch("/v1/individual_appointments/{id}/cancel", self._patch_cancel)
        router.add_post("/v1/{list}/{id}/archive", self._post_archive)
        router.add_patch("/v1/attendees/{id}", self._patch_attendee)

    def refusal(self, request: web.Request) -> web.Response | None:
        """401 unless the key, with or without its shard, is the user name."""
        known = request.headers.get("Authorization") in self._basic
        return None if known else web.json_response({"message": "Unauthorized"}, status=401)

    # --- what the clinic's staff does ---------------------------------------------------------------------------

    def touch(self, table: str, id: str, **fields: Any) -> Row:
        """Change a row; its ``updated_at`` moves."""
        row = self.tables[table][id]
        row.update(fields, updated_at=_utc(self._now()))
        return row

    def cancel(self, id: str, reason: int = 50, note: str | None = None) -> None:
        """Cancel an appointment."""
        marks: Row = {"cancellation_reason": reason, "cancellation_reason_description": _DESCRIPTIONS[reason]}
        at = _utc(self._now())
        self.touch("individual_appointments", id, cancelled_at=at, cancellation_note=note, **marks)

    def arrive(self, attendee: str, arrived: bool | None) -> Row:
        """Mark on the attendee who came or not; the appointment shows it, while its own ``updated_at`` stays."""
        row = self.touch("attendees", attendee, arrived=arrived)
        booking = self.tables["individual_appointments"][str(_value(row, "booking_id"))]
        booking.update(patient_arrived=arrived is True, did_not_arrive=arrived is False)
        return row

    # --- requests -----------------------------------------------------------------------------------------------

    async def _get_list(self, request: web.Request) -> web.Response:
        table, query = request.match_info["list"], request.query
        filters = [*query.getall("q[]", []), *query.getall("q", [])]
        if table == "practitioners":
            filters.append("active:=false" if request.path.endswith("/inactive") else "active:=true")
        try:
            rows = self._select(table, filters)
        except ValueError as error:
            return web.json_response({"message": str(error)}, status=400)
        for key in reversed(query.get("sort", "created_at").split(",")):
            name, _, order = key.partition(":")
            rows.sort(key=lambda row, name=name: str(row.get(name) or ""), reverse=order == "desc")  # type: ignore[misc]  # a bound loop variable
        page, size = int(query.get("page", "1")), max(1, min(int(query.get("per_page", "50")), 100))
        links = {"self": str(request.url)}
        if page * size < len(rows):
            links["next"] = str(request.url.update_query(page=page + 1))
        if self.takes("looping-links"):
            links["next"] = str(request.url)
        total = len(rows) + (7 if self.takes("wrong-total") else 0)
        return web.json_response({table: rows[(page - 1) * size : page * size], "total_entries": total, "links": links})

    def _select(self, table: str, filters: Iterable[str]) -> list[Row]:
        rows, named = list(self.tables[table].values()), set()
        for text in filters:
            found = _FILTER.fullmatch(text)
            kind = _FILTERS[table].get(found[1]) if found else None
            if found is None or kind is None or found[2] not in (*_OPERATORS[kind], "?", "!?", "*"):
                raise ValueError("This field is not filterable")
            name, operator, operand = found.groups()
            named.add(name)
            rows = [row for row in rows if _matches(kind, _value(row, name), operator, operand)]
        return [row for row in rows if not any(row.get(name) for name in _HIDING.keys() - named)]

    async def _get_one(self, request: web.Request) -> web.Response:
        table, filters = request.match_info["list"], request.query.getall("q[]", [])
        rows = {row["id"]: row for row in self._select(table, filters)}
        return web.json_response(rows[request.match_info["id"]])

    async def _patch_cancel(self, request: web.Request) -> web.Response:
        id, asked = request.match_info["id"], await request.json()
        self.cancel(id, asked.get("cancellation_reason", 50), asked.get("cancellation_note"))
        return web.Response(status=204)

    async def _post_archive(self, request: web.Request) -> web.Response:
        table, id = request.match_info["list"], request.match_info["id"]
        self.touch(table, id, archived_at=_utc(self._now()))
        return web.Response(status=204)

    async def _patch_attendee(self, request: web.Request) -> web.Response:
        return web.json_response(self.arrive(request.match_info["id"], (await request.json())["arrived"]))

    # --- rows ---------------------------------------------------------------------------------------------------

    def _add(self, table: str, key: int, fields: Row, at: datetime | None = None) -> None:
        made = _utc(min(at or datetime(2025, 6, 1, tzinfo=UTC) + timedelta(hours=key), self._now()))
        id = _id(table, key)
        common = {"id": id, "created_at": made, "updated_at": made, "links": _link(table, key)["links"]}
        self.tables[table][id] = common | fields

    def _book(self, visit: SyntheticVisit) -> None:
        told = min(visit.booked_at + timedelta(hours=2), self._now())
        cancelled = visit.outcome == "cancelled"
        reason = _REASONS.get(visit.cancel_reason)
        marks: Row = {"archived_at": None, "deleted_at": None, "cancelled_at": _utc(told) if cancelled else None}
        marks |= {"cancellation_reason": reason, "cancellation_note": None}
        patient = _link("patients", visit.patient)
        appointment = {
            "starts_at": _utc(visit.start), "ends_at": _utc(visit.end), **marks,
            "cancellation_reason_description": _DESCRIPTIONS.get(reason or 0), "repeat_rule": {}, "notes": None,
            "did_not_arrive": visit.outcome == "no-show", "patient_arrived": visit.outcome == "arrived",
            "email_reminder_sent": True, "invoice_status": None, "patient_name": None, "patient": patient,
            "practitioner": _link("practitioners", visit.therapist), "business": _link("businesses", visit.place),
        }  # fmt: skip
        arrived = {"arrived": True, "no-show": False}.get(visit.outcome)
        booking = _link("individual_appointments", visit.key)
        self._add("individual_appointments", visit.key, appointment, told)
        self._add("attendees", visit.key, {**marks, "arrived": arrived, "patient": patient, "booking": booking}, told)


def _business(place: SyntheticPlace) -> Row:
    marks = dict.fromkeys(("archived_at", "deleted_at"))
    where = {"address_1": place.street, "city": place.city, "state": place.state, "post_code": place.postal_code}
    names = {"display_name": place.name, "business_name": place.name, "time_zone_identifier": place.zone}
    return {**marks, **names, **where, "country_code": "US", "email_reply_to": None, "appointment_type_ids": []}


def _practitioner(person: SyntheticPerson) -> Row:
    names = {"first_name": person.given, "last_name": person.family, "display_name": f"{person.given} {person.family}"}
    return {**names, "title": None, "designation": "PT, DPT", "active": True, "show_in_online_bookings": True}


def _patient(person: SyntheticPerson) -> Row:
    digits = re.sub(r"\D", "", person.phone)
    return {
        "first_name": person.given, "last_name": person.family, "preferred_first_name": None, "title": None,
        "date_of_birth": person.birth_date.isoformat(), "sex": person.sex.capitalize(), "email": person.email,
        "patient_phone_numbers": [{"number": person.phone, "normalized_number": f"1{digits}", "phone_type": "Mobile"}],
        "address_1": person.street, "address_2": None, "address_3": None, "city": person.city, "state": person.state,
        "post_code": person.postal_code, "country_code": "US", "reminder_type": "SMS & Email", "archived_at": None,
        "deleted_at": None, "merged_at": None, "emergency_contact": None, "old_reference_id": f"CH-{person.key:05d}",
    }  # fmt: skip


def _matches(kind: str, value: Any, operator: str, operand: str) -> bool:
    if operator in ("?", "!?", "*"):
        return operator == "*" or (value is None) == (operator == "!?")
    if kind == "text" and operator in ("~", "~~"):
        parts = operand.split("%") if operator == "~~" else ["", operand, ""]
        return re.fullmatch(".*".join(map(re.escape, parts)), str(value or ""), re.DOTALL) is not None
    if operator in ("=", "!="):
        wanted = [one.casefold() for one in (operand.split(",") if kind == "id" else [operand])]
        return (str(value).casefold() in wanted) == (operator == "=")
    if value is None:
        return False
    left: Any = int(value) if kind == "id" else value
    right: Any = int(operand) if kind == "id" else operand
    return (left > right) - (left < right) in {">": (1,), ">=": (0, 1), "<": (-1,), "<=": (-1, 0)}[operator]


def _value(row: Row, name: str) -> Any:
    """A field, or the id at the end of a relationship."""
    link = row.get(name.removesuffix("_id"))
    return link["links"]["self"].rpartition("/")[2] if name not in row and link else row.get(name)


def _id(table: str, key: int) -> str:
    return str(_ID + list(_FILTERS).index(table) * 1_000_000 + key)


def _link(table: str, key: int) -> dict[str, dict[str, str]]:
    return {"links": {"self": f"https://api.au2.cliniko.com/v1/{table}/{_id(table, key)}"}}


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
