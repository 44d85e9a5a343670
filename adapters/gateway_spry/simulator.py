"""A local SPRY organisation: client credentials, envelopes, calendars by doctor and clinic, cases, webhooks."""

from __future__ import annotations

import hashlib
import hmac
import math
import secrets
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import msgspec
from aiohttp import web

from gateway.model.exchange import RateBudget
from gateway.testing.simulated_api import SimulatedApi, SimulatedSystem
from gateway.testing.synthetic_clinic import SyntheticClinic, synthetic_clinic
from gateway_spry.command import API_VERSION, SUBSCRIPTIONS
from gateway_spry.records import EVENTS, SUCCESS
from gateway_spry.simulator_rows import (
    Row,
    appointment_row,
    authorization_row,
    case_id,
    case_row,
    drift,
    patient_row,
    told,
)
from gateway_spry.transport_api import AUTHORIZATION, CALENDAR, CASE
from gateway_spry.transport_token import TOKEN

CLIENT_ID, CLIENT_SECRET = "simulated-client", "simulated-secret"
BUDGET = RateBudget(requests=600, seconds=60.0)
LIFE = 3600
ERROR = 2999


class SprySimulator(SimulatedApi):
    """One organisation; tables may be changed by whoever holds it."""

    def __init__(
        self, clinic: SyntheticClinic, *, budget: RateBudget = BUDGET, clock: Callable[[], float] = time.time
    ) -> None:
        super().__init__(budget)
        self._clock = clock
        self._tokens: dict[str, float] = {}
        self.clinics = [str(place.key) for place in clinic.places]
        self.doctors = [str(one.key) for one in clinic.therapists]
        people = {one.key: patient_row(one) for one in clinic.patients}
        self.appointments: dict[str, Row] = {f"{one.key}": appointment_row(one, people) for one in clinic.visits}
        self.cases: dict[str, Row] = {case_id(one.key): case_row(one) for one in clinic.patients}
        self.authorizations: dict[str, Row] = {f"{one.key}": authorization_row(one) for one in clinic.patients}
        self.subscriptions: dict[str, Row] = {}

    def routes(self, router: web.UrlDispatcher) -> None:
        """Tokens, calendars, cases, authorizations, subscriptions."""
        router.add_post(TOKEN, self._token)
        router.add_get(CALENDAR, self._calendar)
        router.add_get(f"{CASE}/{{id}}", self._one_case)
        router.add_get(AUTHORIZATION, self._list_authorizations)
        router.add_get(f"{AUTHORIZATION}/{{id}}", self._one_authorization)
        router.add_post(SUBSCRIPTIONS, self._subscribe)
        router.add_get(SUBSCRIPTIONS, self._subscribed)
        router.add_delete(f"{SUBSCRIPTIONS}/{{id}}", self._unsubscribe)
        router.add_post(f"{SUBSCRIPTIONS}/{{id}}/rotate-secret", self._rotate)
        router.add_post(f"{SUBSCRIPTIONS}/{{id}}/test", self._test)

    def refusal(self, request: web.Request) -> web.Response | None:
        """401 for everything but the token call when the token is unknown or has ended."""
        if request.path == TOKEN:
            return None
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self._tokens.get(token, 0.0) > self._clock():
            return None
        return web.json_response({"code": 2401, "message": "Unauthorized"}, status=401)

    def too_many(self, opens_in: float) -> web.Response:
        """429; the vendor publishes no form for it."""
        headers = {"Retry-After": str(math.ceil(opens_in))}
        return web.json_response({"code": 2429, "message": "Too many requests"}, status=429, headers=headers)

    def end_tokens(self) -> None:
        """Let every token end at once."""
        self._tokens.clear()

    async def change(self, event: str, number: str, **fields: Any) -> list[int]:
        """Change an appointment or a case, and tell subscribers; gives the status of each answer."""
        row = (self.appointments if event.startswith("appointment") else self.cases)[number]
        row.update(fields)
        return await self.notify(event, told(event, row))

    async def notify(self, event: str, data: Row, *, key: str = "", at: int | None = None) -> list[int]:
        """Send a webhook to everyone subscribed to its event, signed as the vendor does."""
        body = msgspec.json.encode({
            "event_id": f"evt_{uuid.uuid4()}", "event_type": event, "api_version": API_VERSION,
            "timestamp": int(self._clock()), "data": data,
        })  # fmt: skip
        statuses: list[int] = []
        async with aiohttp.ClientSession() as session:
            for one in self.subscriptions.values():
                if event not in one["event_types"]:
                    continue
                stamp = at if at is not None else int(self._clock())
                digest = hmac.digest(
                    (key or one["signature_key"]).encode(), f"{stamp}.".encode() + body, hashlib.sha256
                )
                headers = {
                    "X-Sprypt-Signature": f"t={stamp},v1={digest.hex()}", "X-Event-Type": event,
                    "X-Delivery-Id": str(uuid.uuid4()), "Content-Type": "application/json",
                }  # fmt: skip
                async with session.post(one["notification_url"], data=body, headers=headers) as response:
                    statuses.append(response.status)
        return statuses

    # --- requests -----------------------------------------------------------------------------------------------

    async def _token(self, request: web.Request) -> web.Response:
        form = await request.post()
        wanted = {"grant_type": "client_credentials", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
        if any(form.get(name) != value for name, value in wanted.items()):
            return web.json_response({"error": "invalid_client"}, status=401)
        token = secrets.token_urlsafe(24)
        self._tokens[token] = self._clock() + LIFE
        return web.json_response({
            "access_token": token, "token_type": "Bearer", "expires_in": LIFE, "scope": "read write",
            "organisation_id": "1", "user_id": "1", "roles": ["API"], "clinic_id_list": self.clinics, "name": "API",
        })  # fmt: skip

    async def _calendar(self, request: web.Request) -> web.Response:
        asked = request.query
        needed = ("start_date", "end_date", "doctor_id", "clinic_id", "practice_id")
        if any(not asked.get(name) for name in needed):
            return self._answer(None, code=ERROR, message="Missing parameter")
        since, until = (datetime.fromisoformat(asked[name]).timestamp() for name in needed[:2])
        rows = [
            row
            for row in self.appointments.values()
            if (row["doctor_id"], row["clinic_id"]) == (asked["doctor_id"], asked["clinic_id"])
            and since <= int(row["date_time"]) < until
        ]
        page, size = int(asked.get("page", "1")), int(asked.get("size", "300"))
        shown = rows[(page - 1) * size : page * size]
        pages = 10**6 if self.takes("endless-pages") else math.ceil(len(rows) / size)
        more = {"total": len(rows), "pages": pages, "current": page, "no_of_records": len(shown), "is_paged": True}
        return self._answer({**more, "content": shown})

    async def _one_case(self, request: web.Request) -> web.Response:
        return self._answer(self.cases[request.match_info["id"]])

    async def _list_authorizations(self, request: web.Request) -> web.Response:
        case = request.query.get("case_id", "")
        return self._answer([row for row in self.authorizations.values() if row["spry_case_id"] == case])

    async def _one_authorization(self, request: web.Request) -> web.Response:
        return self._answer(self.authorizations[request.match_info["id"]])

    async def _subscribe(self, request: web.Request) -> web.Response:
        asked = await request.json()
        if not set(asked.get("event_types", ())) <= set(EVENTS) or not asked.get("notification_url"):
            return self._answer(None, code=ERROR, message="Invalid subscription")
        made = {"id": str(uuid.uuid4()), **asked, "signature_key": secrets.token_hex(24)}
        self.subscriptions[made["id"]] = made
        return self._answer(made)

    async def _subscribed(self, _request: web.Request) -> web.Response:
        return self._answer([
            {name: value for name, value in one.items() if name != "signature_key"}
            for one in self.subscriptions.values()
        ])  # fmt: skip

    async def _unsubscribe(self, request: web.Request) -> web.Response:
        del self.subscriptions[request.match_info["id"]]
        return self._answer(None)

    async def _rotate(self, request: web.Request) -> web.Response:
        found = self.subscriptions[request.match_info["id"]]
        found["signature_key"] = secrets.token_hex(24)
        return self._answer(found)

    async def _test(self, request: web.Request) -> web.Response:
        found = self.subscriptions[request.match_info["id"]]
        await self.notify(found["event_types"][0], {"organisation_id": "1"})
        return self._answer(None)

    def _answer(self, data: object, code: int = SUCCESS, message: str = "Success") -> web.Response:
        """An envelope; the fault makes an error of it, with HTTP status 200 as the vendor's."""
        if self.takes("error-code"):
            data, code, message = None, ERROR, "Something failed"
        return web.json_response({"code": code, "data": data, "message": message})


def _of_today(seed: int, size: int) -> SprySimulator:
    """A clinic whose visits begin last week: calendars are asked for by days around today."""
    begin = datetime.now(UTC).date() - timedelta(days=7)
    return SprySimulator(synthetic_clinic(seed, patients=size, visits=2 * size, first_day=begin))


def _move(api: SprySimulator) -> None:
    """The appointment that is first on the first page is a day later, and last on the last page from now on."""
    number = next(iter(api.appointments))
    row = api.appointments.pop(number)
    row |= {name: f"{int(row[name]) + 86_400}" for name in ("date_time", "end_date_time")}
    api.appointments[number] = row


SIMULATORS = (
    SimulatedSystem(
        "spry",
        "SPRY's REST API: one organisation with its calendars, cases, authorizations and webhooks.",
        _of_today,
        lambda api: {
            "base_url": api.base_url, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET,
            "doctors": ",".join(getattr(api, "doctors", ())),
        },
        {
            "error-code": "answers an error code under HTTP status 200",
            "endless-pages": "says that a calendar has a million pages",
        },
        {
            "update": ("an appointment is moved", _move),
            "drift": ("the title of an appointment is an object from now on", drift),
        },
    ),
)  # fmt: skip
