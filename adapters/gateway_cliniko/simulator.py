"""A local Cliniko: basic auth, request limit, paging, filters, hiding and writes as the vendor documents them.

Its clinic is drawn from a seed; ``fail`` makes the next answers lie or break, in the ways real services do.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from gateway.model.exchange import RateBudget
from gateway.testing.simulated_api import SimulatedApi, SimulatedSystem
from gateway.testing.synthetic_clinic import SyntheticClinic, SyntheticVisit, synthetic_clinic
from gateway_cliniko.simulator_events import EVENTS
from gateway_cliniko.simulator_filters import FILTERS, Row, select, value_of
from gateway_cliniko.simulator_rows import (
    DESCRIPTIONS,
    REASONS,
    business_row,
    case_row,
    contact_row,
    id_of,
    invoice_row,
    item_row,
    link_to,
    message_row,
    number_row,
    patient_row,
    practitioner_row,
    source_row,
    type_row,
    utc,
)
from gateway_cliniko.simulator_writes import Writes

TYPES = ("Initial evaluation", "Follow-up treatment", "Re-evaluation", "Back class")
CASES = 3
"""Every third patient has a case."""
API_KEY = "MS0xMjM0NTY3-au2"
_AGENT = re.compile(r"[\w .-]+ \([^@\s()]+@[^@\s()]+\)")
BUDGET = RateBudget(requests=200, seconds=60.0)
Clock = Callable[[], datetime]


def utc_now() -> datetime:
    return datetime.now(UTC)


class ClinikoSimulator(SimulatedApi):
    """One account. ``tables`` may be read and changed by tests; writes bump ``updated_at`` by the clock ``now``.

    With ``agent_required`` it refuses callers that do not say who they are, which the vendor has announced.
    """

    def __init__(
        self, clinic: SyntheticClinic, *, api_key: str = API_KEY, budget: RateBudget = BUDGET, now: Clock = utc_now,
        agent_required: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(budget)
        self._agent_required = agent_required
        names = (api_key, api_key.rpartition("-")[0])
        self._basic = ["Basic " + base64.b64encode(f"{name}:".encode()).decode() for name in names]
        self._now: Clock = lambda: now() + timedelta(seconds=self.skew)
        self.tables: dict[str, dict[str, Row]] = {name: {} for name in FILTERS}
        self.writes = Writes(self)
        self._people(clinic)
        for visit in clinic.visits:
            self._book(visit)
        self._classes(clinic)
        self._papers(clinic)

    def routes(self, router: web.UrlDispatcher) -> None:
        """The part of the API that this adapter's lists are about."""
        router.add_get("/v1/{list}", self._get_list)
        router.add_get("/v1/{list}/inactive", self._get_list)
        router.add_get("/v1/{list}/{id}", self._get_one)
        self.writes.routes(router)

    def refusal(self, request: web.Request) -> web.Response | None:
        """401 unless the key, with or without its shard, is the user name; 403 for a caller who names nobody."""
        if self._agent_required and _AGENT.fullmatch(request.headers.get("User-Agent", "")) is None:
            return web.json_response({"message": "Forbidden"}, status=403)
        known = request.headers.get("Authorization") in self._basic
        return None if known else web.json_response({"message": "Unauthorized"}, status=401)

    # --- what the clinic's staff does ---------------------------------------------------------------------------

    def now(self) -> datetime:
        """The clinic's clock."""
        return self._now()

    def touch(self, table: str, id: str, **fields: Any) -> Row:
        """Change a row; its ``updated_at`` moves."""
        row = self.tables[table][id]
        row.update(fields, updated_at=utc(self._now()))
        return row

    def cancel(self, id: str, reason: int = 50, note: str | None = None) -> None:
        """Cancel an appointment."""
        marks: Row = {"cancellation_reason": reason, "cancellation_reason_description": DESCRIPTIONS[reason]}
        at = utc(self._now())
        self.touch("individual_appointments", id, cancelled_at=at, cancellation_note=note, **marks)

    def forget(self, table: str, id: str) -> None:
        """Delete a row without a trace, as a patient's: only a full list shows that it is gone."""
        del self.tables[table][id]

    def arrive(self, attendee: str, arrived: bool | None) -> Row:
        """Mark on the attendee who came or not; the appointment shows it, while its own ``updated_at`` stays."""
        row = self.touch("attendees", attendee, arrived=arrived)
        booking = self.tables["individual_appointments"].get(str(value_of(row, "booking_id")))
        if booking is not None:
            booking.update(patient_arrived=arrived is True, did_not_arrive=arrived is False)
        return row

    # --- requests -----------------------------------------------------------------------------------------------

    async def _get_list(self, request: web.Request) -> web.Response:
        table, query = request.match_info["list"], request.query
        filters = [*query.getall("q[]", []), *query.getall("q", [])]
        if table == "practitioners":
            filters.append("active:=false" if request.path.endswith("/inactive") else "active:=true")
        try:
            rows = select(table, self.tables[table].values(), filters)
        except ValueError as error:
            return web.json_response({"message": str(error)}, status=400)
        for key in reversed(query.get("sort", "created_at").split(",")):
            name, _, order = key.partition(":")
            rows.sort(key=lambda row, name=name: str(row.get(name) or ""), reverse=order == "desc")  # type: ignore[misc]  # a bound loop variable
        page, size = int(query.get("page", "1")), max(1, min(int(query.get("per_page", "50")), 100))
        links = {"self": str(request.url)}
        if page * size < len(rows) and not self.early:
            links["next"] = str(request.url.update_query(page=page + 1))
        if page > 1:
            links["previous"] = str(request.url.update_query(page=page - 1))
        if self.takes("looping-links"):
            links["next"] = str(request.url)
        total = len(rows) + (7 if self.takes("wrong-total") else 0)
        return web.json_response({table: rows[(page - 1) * size : page * size], "total_entries": total, "links": links})

    async def _get_one(self, request: web.Request) -> web.Response:
        table, filters = request.match_info["list"], request.query.getall("q[]", [])
        rows = {row["id"]: row for row in select(table, self.tables[table].values(), filters)}
        return web.json_response(rows[request.match_info["id"]])

    # --- rows ---------------------------------------------------------------------------------------------------

    def _add(self, table: str, key: int, fields: Row, at: datetime | None = None) -> None:
        made = utc(min(at or datetime(2025, 6, 1, tzinfo=UTC) + timedelta(hours=key), self._now()))
        id = id_of(table, key)
        common = {"id": id, "created_at": made, "updated_at": made, "links": link_to(table, key)["links"]}
        self.tables[table][id] = common | fields

    def _people(self, clinic: SyntheticClinic) -> None:
        for place in clinic.places:
            self._add("businesses", place.key, business_row(place))
        for key, name in enumerate(TYPES, 1):
            self._add("appointment_types", key, type_row(name))
        for therapist in clinic.therapists:
            self._add("practitioners", therapist.key, practitioner_row(therapist))
            self._add("practitioner_reference_numbers", therapist.key, number_row(therapist, clinic.places[0].key))
        for patient in clinic.patients:
            self._add("patients", patient.key, patient_row(patient))
        for key, person in enumerate(clinic.patients[:5], 1):
            self._add("contacts", key, contact_row(key, person))
        for key, name in enumerate(("Search engine", "General practitioner"), 1):
            self._add("referral_source_types", key, {"name": name, "archived_at": None, "subcategories": []})
        for patient in clinic.patients[::4]:
            self._add("referral_sources", patient.key, source_row(patient.key))

    def _book(self, visit: SyntheticVisit) -> None:
        told = min(visit.booked_at + timedelta(hours=2), self._now())
        cancelled = visit.outcome == "cancelled"
        reason = REASONS.get(visit.cancel_reason)
        marks: Row = {"archived_at": None, "deleted_at": None, "cancelled_at": utc(told) if cancelled else None}
        marks |= {"cancellation_reason": reason, "cancellation_note": None}
        patient = link_to("patients", visit.patient)
        case = {"patient_case": link_to("patient_cases", visit.patient)} if visit.patient % CASES == 0 else {}
        appointment = {
            "starts_at": utc(visit.start), "ends_at": utc(visit.end), **marks,
            "cancellation_reason_description": DESCRIPTIONS.get(reason or 0), "repeat_rule": {}, "notes": None,
            "did_not_arrive": visit.outcome == "no-show", "patient_arrived": visit.outcome == "arrived",
            "email_reminder_sent": True, "invoice_status": None, "patient_name": None, "patient": patient,
            "practitioner": link_to("practitioners", visit.therapist), "business": link_to("businesses", visit.place),
            "appointment_type": link_to("appointment_types", TYPES.index(visit.kind) + 1), **case,
        }  # fmt: skip
        arrived = {"arrived": True, "no-show": False}.get(visit.outcome)
        attendee = {"arrived": arrived, "patient": patient, "booking": link_to("individual_appointments", visit.key)}
        self._add("individual_appointments", visit.key, appointment, told)
        self._add("attendees", visit.key, {**marks, **attendee, **case}, told)

    def _classes(self, clinic: SyntheticClinic) -> None:
        """One class a day for a week, three patients in each, of whom the last has cancelled."""
        gone = {"archived_at": None, "deleted_at": None}
        for key, visit in enumerate(clinic.visits[:7], 1):
            begin, end = visit.start + timedelta(hours=10), visit.start + timedelta(hours=11)
            patients = [clinic.patients[(key * 3 + number) % len(clinic.patients)].key for number in range(3)]
            group = {
                "starts_at": utc(begin), "ends_at": utc(end), **gone, "max_attendees": 8, "notes": None,
                "patient_ids": [id_of("patients", one) for one in patients], "repeat_rule": {},
                "practitioner": link_to("practitioners", visit.therapist), "repeats": None, "telehealth_url": None,
                "business": link_to("businesses", visit.place), "appointment_type": link_to("appointment_types", 4),
            }  # fmt: skip
            self._add("group_appointments", key, group)
            for number, patient in enumerate(patients):
                at = utc(self._now()) if number == 2 else None
                marks = {**gone, "cancelled_at": at, "cancellation_reason": 30 if at else None, "arrived": None}
                links = {"patient": link_to("patients", patient), "booking": link_to("group_appointments", key)}
                row = {**marks, "cancellation_note": None, **links}
                self._add("attendees", 500_000 + key * 10 + number, row, visit.booked_at - timedelta(days=2))

    def _papers(self, clinic: SyntheticClinic) -> None:
        for patient in clinic.patients[CASES - 1 :: CASES]:
            mine = [id_of("attendees", visit.key) for visit in clinic.visits if visit.patient == patient.key]
            self._add("patient_cases", patient.key, case_row(patient.key // CASES, patient.key, mine))
        for key, visit in enumerate((one for one in clinic.visits if one.outcome == "arrived"), 1):
            self._add("invoices", key, invoice_row(key, visit))
            for ordinal in range(2):
                self._add("invoice_items", key * 10 + ordinal, item_row(key, ordinal))
        for key, visit in enumerate(clinic.visits[:30], 1):
            self._add("communications", key, message_row(key, visit))
        for key, visit in enumerate(clinic.visits[:3], 1):
            where = {"practitioner": link_to("practitioners", visit.therapist), "archived_at": None, "deleted_at": None}
            until = {"starts_at": utc(visit.start + timedelta(days=30)), "ends_at": utc(visit.end + timedelta(days=30))}
            place = {"business": link_to("businesses", visit.place), "notes": "Staff meeting", "repeat_rule": {}}
            self._add("unavailable_blocks", key, {**where, **until, **place})


SIMULATORS = (
    SimulatedSystem(
        "cliniko",
        "Cliniko's REST API: one account behind an API key.",
        lambda seed, size: ClinikoSimulator(synthetic_clinic(seed, patients=size, visits=2 * size)),
        lambda api: {"base_url": api.base_url, "api_key": API_KEY, "contact_email": "ops@example.com"},
        {"wrong-total": "announces another number of items", "looping-links": "names a page as its own next page"},
        EVENTS,
    ),
)
