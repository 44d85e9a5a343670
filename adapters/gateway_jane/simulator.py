"""A local Jane clinic: consent, cursor lists, filters, both request limits, webhooks, as the vendor documents them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import math
import os
import re
import tempfile
import time
import uuid
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import msgspec
from aiohttp import web

from gateway.model.exchange import RateBudget
from gateway.testing.simulated_api import SimulatedApi, SimulatedSystem
from gateway.testing.synthetic_clinic import SyntheticClinic, synthetic_clinic
from gateway_jane.simulator_feed import SimulatedFeeds
from gateway_jane.simulator_identity import CLIENT_ID, CLIENT_SECRET, SimulatedIdentity
from gateway_jane.simulator_rows import EVENTS, SCOPES, appointment_row, id_of, matches, patient_row, utc

ROOT = "/api/2026-01-01"
BUDGET = RateBudget(requests=600, seconds=300.0)
ENDPOINT = RateBudget(requests=100, seconds=60.0)
Row = dict[str, Any]
_FILTER = re.compile(r"(\w+)\[(eq|gt|gte|lt|lte)\]")


class JaneSimulator(SimulatedApi):
    """One clinic with its identity provider. Rows keep ``created_at`` and ``updated_at`` apart from what is shown."""

    def __init__(
        self, clinic: SyntheticClinic, *, budget: RateBudget = BUDGET, endpoint: RateBudget = ENDPOINT,
        clock: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        super().__init__(budget)
        self.identity = SimulatedIdentity(clock)
        self.tables: dict[str, dict[str, Row]] = {name: {} for name in SCOPES if name != "company"}
        self.subscriptions: dict[str, Row] = {}
        self.zone = clinic.places[0].zone
        self.times: dict[str, dict[str, datetime]] = defaultdict(dict)
        """By row id: when it was created and changed."""
        self.unlisted: frozenset[str] = frozenset()
        """States of appointments that lists leave out; whether the vendor's do is not documented."""
        self._clock = clock
        self._endpoint = endpoint
        self._by_endpoint: dict[str, deque[float]] = defaultdict(deque)
        self.feeds = SimulatedFeeds(self.tables, self._now)
        self._fill(clinic)

    def routes(self, router: web.UrlDispatcher) -> None:
        """Identity provider and API on one port."""
        self.identity.routes(router)
        self.feeds.routes(router)
        router.add_get(f"{ROOT}/company", self._get_company)
        router.add_get(f"{ROOT}/webhooks", self._get_webhooks)
        router.add_post(f"{ROOT}/webhooks", self._post_webhook)
        router.add_delete(f"{ROOT}/webhooks/{{id}}", self._delete_webhook)
        router.add_get(f"{ROOT}/{{list}}", self._get_list)
        router.add_get(f"{ROOT}/{{list}}/{{id}}", self._get_one)

    async def start(self, port: int = 0, host: str = "127.0.0.1") -> str:
        """Listen; the clinic and its identity provider have the same address."""
        self.identity.base = await super().start(port, host)
        return self.identity.base

    def refusal(self, request: web.Request) -> web.Response | None:
        """401 for a token that is not for this clinic or has ended, 403 for a missing scope, 429 per endpoint."""
        if not request.path.startswith(ROOT):
            return None
        claims = self.identity.claims(request.headers.get("Authorization", "").removeprefix("Bearer "))
        if claims.get("aud") != self.base_url:
            return web.json_response({"error": "Unauthorized"}, status=401)
        resource = request.path.removeprefix(ROOT).split("/")[1]
        verb = {"GET": "read", "POST": "create", "DELETE": "delete"}.get(request.method, "update")
        if SCOPES.get(resource, f"{resource}:{verb}") not in str(claims.get("scope", "")).split():
            return web.json_response({"error": "Forbidden"}, status=403)
        recent, now = self._by_endpoint[resource], time.monotonic()
        while recent and recent[0] + self._endpoint.seconds <= now:
            recent.popleft()
        if len(recent) >= self._endpoint.requests:
            self.violations += 1
            return self.too_many(recent[0] + self._endpoint.seconds - now)
        recent.append(now)
        return None

    def too_many(self, opens_in: float) -> web.Response:
        """429 in the vendor's form."""
        body = {"object": "error", "code": "rate_limited", "message": "Too many requests"}
        return web.json_response(
            body, status=429, headers={"Retry-After": str(math.ceil(opens_in)), "X-Throttle-Match": "api/clinic"}
        )

    # --- what the clinic's staff does ---------------------------------------------------------------------------

    def touch(self, table: str, id: str, **fields: Any) -> Row:
        """Change a row."""
        row = self.tables[table][id]
        row.update(fields)
        self.times[id]["updated_at"] = self._now()
        return row

    def forget(self, table: str, id: str) -> None:
        """A row ends without a trace."""
        del self.tables[table][id]

    async def cancel(self, id: str, reason: str = "Other") -> list[int]:
        """Cancel an appointment; subscribers are told."""
        self.touch("appointments", id, state="cancelled", cancelled_at=utc(self._now()), cancelled_reason=reason)
        return await self.notify("APPOINTMENT_CANCELLED", id)

    async def notify(self, topic: str, id: str) -> list[int]:
        """Send the webhook; gives the status of each answer."""
        notice = {"event_id": str(uuid.uuid4()), "event_topic": topic, "event_timestamp": utc(self._now()),
                  "appointment_id": id, "clinic_guid": 7, "version": 1}  # fmt: skip
        body = msgspec.json.encode(notice)
        statuses: list[int] = []
        async with aiohttp.ClientSession() as session:
            for hook in [one for one in self.subscriptions.values() if one["event_topic"] == topic]:
                digest = hmac.digest(hook["secret"].encode(), body, hashlib.sha256).hex()
                headers = {"X-Jane-Signature": f"sha256={digest}", "X-Jane-Timestamp": str(int(self._clock()))}
                async with session.post(hook["target_url"], data=body, headers=headers) as response:
                    statuses.append(response.status)
        return statuses

    # --- requests -----------------------------------------------------------------------------------------------

    async def _get_list(self, request: web.Request) -> web.Response:
        table = request.match_info["list"]
        rows, query = (
            [row for row in self.tables[table].values() if row.get("state") not in self.unlisted],
            request.query,
        )
        for key, operand in query.items():
            found = _FILTER.fullmatch(key)
            if found is not None:
                rows = [row for row in rows if matches(self._value(row, found[1]), found[2], operand)]
            elif key not in ("sort", "page[limit]", "page[cursor]"):
                return web.json_response({"errors": [{"path": key, "message": "is not a filter"}]}, status=400)
        rows.sort(key=lambda row: (self._value(row, query.get("sort", "created_at").lstrip("-")), row["id"]))
        size = max(1, min(int(query.get("page[limit]", "50")), 1000))
        cursor = query.get("page[cursor]", "")
        page = int(base64.urlsafe_b64decode(cursor)) if cursor else 0
        more = ((page + 1) * size < len(rows) and not self.early) or self.takes("looping-links")
        following = page if (page + 1) * size >= len(rows) else page + 1
        named = base64.urlsafe_b64encode(str(following).encode()).decode() if more else None
        after = str(request.rel_url.update_query({"page[cursor]": named})) if named else None
        shown = rows[page * size : (page + 1) * size]
        return web.json_response(
            {"items": shown, "limit": size, "links": {"after": after}, "hasNextPage": more, "cursor": named}
        )

    async def _get_one(self, request: web.Request) -> web.Response:
        return web.json_response(self.tables[request.match_info["list"]][request.match_info["id"]])

    async def _get_company(self, _request: web.Request) -> web.Response:
        return web.json_response({"id": "1", "name": "Simulated Clinic", "time_zone": self.zone})

    async def _get_webhooks(self, _request: web.Request) -> web.Response:
        shown = [
            {name: value for name, value in one.items() if name != "secret"} for one in self.subscriptions.values()
        ]
        return web.json_response(shown)

    async def _post_webhook(self, request: web.Request) -> web.Response:
        asked = await request.json()
        for known in self.subscriptions.values():
            if known["event_topic"] == asked["event_topic"]:
                error = {"id": "DUPLICATE_RECORD", "message": "is registered", "details": {"id": known["id"]}}
                return web.json_response({"errors": [error]}, status=409)
        made = {"id": str(uuid.uuid4()), **asked, "status": "active", "clinic_guid": 7, "secret": uuid.uuid4().hex}
        self.subscriptions[made["id"]] = made
        return web.json_response(made, status=201)

    async def _delete_webhook(self, request: web.Request) -> web.Response:
        del self.subscriptions[request.match_info["id"]]
        return web.Response(status=204)

    # --- rows ---------------------------------------------------------------------------------------------------

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock() + self.skew, UTC)

    def _value(self, row: Row, name: str) -> Any:
        if name in ("created_at", "updated_at"):
            return utc(self.times[row["id"]][name])
        return row["id"] if name == "public_id" else row.get(name, "")

    def _add(self, table: str, key: int, at: datetime, **fields: Any) -> None:
        id = id_of(table, key)
        self.tables[table][id] = {"id": id, **fields}
        self.times[id] = {"created_at": at, "updated_at": at}

    def _fill(self, clinic: SyntheticClinic) -> None:
        begin = datetime(2025, 6, 1, tzinfo=UTC)
        for place in clinic.places:
            where = {"street_address": place.street, "city": place.city, "province": place.state}
            self._add("locations", place.key, begin, name=place.name, postal=place.postal_code, country="US", **where)
        for person in clinic.therapists:
            names = {"first_name": person.given, "last_name": person.family, "bio": "", "email": person.email}
            self._add("staff_members", person.key, begin, **names)
        for person in clinic.patients:
            self._add("patients", person.key, begin + timedelta(minutes=person.key), **patient_row(person))
        for key, name in enumerate(sorted({visit.kind for visit in clinic.visits}), 1):
            self._add("treatments", key, begin, name=name, booking_type="one_on_one_booking", price=90.0)
        names = {row["name"]: row["id"] for row in self.tables["treatments"].values()}
        for visit in clinic.visits:
            self._add("appointments", visit.key, min(visit.booked_at, self._now()), **appointment_row(visit, names))


def _settings(api: SimulatedApi) -> Mapping[str, str]:
    """Settings for a source whose clinic has consented already: a token file of this user alone."""
    granted = (
        api.identity.grant(" ".join(sorted({*SCOPES.values(), "offline_access"})))
        if isinstance(api, JaneSimulator)
        else {}
    )
    handle, path = tempfile.mkstemp(prefix="jane-simulator-")
    with os.fdopen(handle, "w") as file:
        file.write(msgspec.json.encode({"refresh_token": granted.get("refresh_token", "")}).decode())
    return {
        "clinic": api.base_url, "identity": api.base_url, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET,
        "token_file": path,
    }  # fmt: skip


SIMULATORS = (
    SimulatedSystem(
        "jane",
        "Jane's Developer Platform: one clinic and the identity provider that its staff consent at.",
        lambda seed, size: JaneSimulator(synthetic_clinic(seed, patients=size, visits=2 * size)),
        _settings,
        {"looping-links": "names a page as its own next page"},
        EVENTS,
    ),
    SimulatedSystem(
        "jane-feed", "The same clinic by the iCal feed of one staff member, for clinics without a partner.",
        lambda seed, size: JaneSimulator(synthetic_clinic(seed, patients=size, visits=2 * size)),
        lambda api: api.feeds.told(api.base_url, api.zone) if isinstance(api, JaneSimulator) else {},
    ),
)  # fmt: skip
