"""Subscriptions at the simulated server: taken, shaken hands on, told of events, and given up when nobody listens.

Plain ones have a resource type as their criteria: what changed is put to the endpoint, what is gone is deleted there,
and without a payload there is an empty POST. Those of the R4 backport have :data:`TOPIC`; their events are numbered,
kept for ``$events`` and sent as notification Bundles, with heartbeats in between.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import aiohttp
from aiohttp import web
from yarl import URL

from gateway.testing.simulated_api import SimulatedApi
from gateway_fhir.simulator_bulk import outcome
from gateway_fhir.simulator_clinic import Row, utc

TOPIC = "https://example.org/fhir/SubscriptionTopic/any-change"
_JSON = "application/fhir+json"
_FORM = {"Content-Type": _JSON}
_PATIENCE = aiohttp.ClientTimeout(total=5.0)
SUBSCRIBE_FAULTS = {"lost-event": "does not tell a subscriber of an event, which has its number all the same"}
_LIVE = ("active", "requested")


class SimulatedSubscriptions:
    """All subscriptions of one server; ``rows`` may be read and changed by tests."""

    def __init__(self, api: SimulatedApi, now: Callable[[], datetime]) -> None:
        self.rows: dict[str, Row] = {}
        self.events: dict[str, list[tuple[str, Row | None]]] = {}
        """Of each subscription, what happened: the resource's address, and its content unless it is gone."""
        self.interactions: tuple[str, ...] = ("create", "read", "search-type", "delete")
        self.activates = True
        """Whether it makes active what was requested; some servers leave a status as the client wrote it."""
        self.asked: list[dict[str, str]] = []
        """The questions for past events so far, as tests want to see them."""
        self._now = now
        self._takes, self._after = api.takes, api.after
        self._ids = itertools.count(1)
        self._tasks: set[asyncio.Task[None]] = set()

    def routes(self, router: web.UrlDispatcher, base: str) -> None:
        """Create, search, read, delete, and past events."""
        router.add_post(f"{base}/Subscription", self._create)
        router.add_get(f"{base}/Subscription", self._search)
        router.add_get(f"{base}/Subscription/{{id}}", self._read)
        router.add_delete(f"{base}/Subscription/{{id}}", self._delete)
        router.add_get(f"{base}/Subscription/{{id}}/$events", self._past)

    @property
    def statement(self) -> Row:
        """What the CapabilityStatement says of them."""
        url = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/"
        return {
            "type": "Subscription",
            "extension": [
                {"url": f"{url}capabilitystatement-subscriptiontopic-canonical", "valueCanonical": TOPIC}
            ],
            "interaction": [{"code": code} for code in self.interactions],
            "operation": [{"name": "events"}],
        }  # fmt: skip

    def changed(self, type: str, id: str, row: Row | None) -> None:
        """Tell whoever asked; ``row`` is None when the resource is gone."""
        for name, one in self.rows.items():
            if one["status"] in _LIVE and one["criteria"].removesuffix("?") in (type, TOPIC):
                self.events[name].append((f"{type}/{id}", row))
                self._later(self._told(name, len(self.events[name])))

    def beat(self) -> None:
        """Send every topic's heartbeat now."""
        for name, one in self.rows.items():
            if one["criteria"] == TOPIC and one["status"] == "active":
                self._later(self._post(name, self._notice(name, "heartbeat", len(self.events[name]))))

    def end(self, status: str) -> None:
        """The server's operator switches all of them off, or they fall into error."""
        for one in self.rows.values():
            one["status"] = status

    async def close(self) -> None:
        """Let go of what is still being sent."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _later(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _create(self, request: web.Request) -> web.Response:
        row = await request.json()
        channel = row.get("channel", {})
        local = URL(channel.get("endpoint", "")).host in ("127.0.0.1", "localhost")
        if row.get("resourceType") != "Subscription" or channel.get("type") != "rest-hook" or not local:
            return outcome(422, "invalid", "Subscription.channel")
        id = str(next(self._ids))
        self.rows[id] = row = {**row, "id": id} | ({"status": "requested"} if self.activates else {})
        self.events[id] = []
        if row["criteria"] == TOPIC:
            self._later(self._greeted(id))
        elif self.activates:
            row["status"] = "active"
        place = f"{request.url.origin()}{request.path}/{id}/_history/1"
        made = web.json_response(row, status=201, content_type=_JSON, headers={"Location": place})
        return await self._after(request, made)

    async def _search(self, _: web.Request) -> web.Response:
        entries = [{"resource": row, "search": {"mode": "match"}} for row in self.rows.values()]
        body = {"resourceType": "Bundle", "type": "searchset", "total": len(entries), "entry": entries}
        return web.json_response(body, content_type=_JSON)

    async def _read(self, request: web.Request) -> web.Response:
        found = self.rows.get(request.match_info["id"])
        return web.json_response(found, content_type=_JSON) if found else outcome(404, "not-found")

    async def _delete(self, request: web.Request) -> web.Response:
        self.rows.pop(request.match_info["id"], None)
        return web.Response(status=204)

    async def _past(self, request: web.Request) -> web.Response:
        self.asked.append(dict(request.query))
        id, query = request.match_info["id"], request.query
        bounds = int(query["eventsSinceNumber"]), int(query["eventsUntilNumber"])
        return web.json_response(self._notice(id, "query-event", bounds[1], bounds[0]), content_type=_JSON)

    def _notice(self, name: str, kind: str, last: int, first: int = 0) -> Row:
        """A notification Bundle; with ``first`` it brings the events from there to ``last``."""
        parameters: list[Row] = [
            {"name": "subscription", "valueReference": {"reference": f"Subscription/{name}"}},
            {"name": "status", "valueCode": self.rows[name]["status"]},
            {"name": "type", "valueCode": kind},
            {"name": "eventsSinceSubscriptionStart", "valueString": str(last)},
        ]
        entries: list[Row] = []
        for number in range(first, last + 1) if first else ():
            place, row = self.events[name][number - 1]
            event = {"name": "eventNumber", "valueString": str(number)}
            parameters.append({"name": "notificationEvent", "part": [event]})
            method = "DELETE" if row is None else "PUT"
            entries.append({"request": {"method": method, "url": place}} | ({"resource": row} if row else {}))
        status = {"resourceType": "Parameters", "parameter": parameters}
        first_entry = {"resource": status, "request": {"method": "GET", "url": f"Subscription/{name}/$status"}}
        made = {"resourceType": "Bundle", "type": "history", "timestamp": utc(self._now())}
        return made | {"entry": [first_entry, *entries]}

    async def _greeted(self, name: str) -> None:
        row = self.rows[name]
        await self._post(name, self._notice(name, "handshake", 0))
        if row["status"] == "requested":
            row["status"] = "active"
        period = next((one["valueUnsignedInt"] for one in row["channel"].get("extension", ())), None)
        while period and self.rows.get(name) is row and row["status"] == "active":
            await asyncio.sleep(period)
            await self._post(name, self._notice(name, "heartbeat", len(self.events[name])))

    async def _told(self, name: str, number: int) -> None:
        if name not in self.rows or self._takes("lost-event"):
            return
        row = self.rows[name]
        place, resource = self.events[name][number - 1]
        if row["criteria"] == TOPIC:
            told = row["channel"].get("_payload", {}).get("extension", [{}])[0].get("valueCode", "empty")
            brings = number if told == "full-resource" else 0
            await self._post(name, self._notice(name, "event-notification", number, brings))
        elif not row["channel"].get("payload"):
            await self._send(name, "POST", "", b"")
        elif resource is None:
            await self._send(name, "DELETE", f"/{place}", b"")
        else:
            await self._send(name, "PUT", f"/{place}", json.dumps(resource).encode())

    async def _post(self, name: str, body: Row) -> None:
        await self._send(name, "POST", "", json.dumps(body).encode())

    async def _send(self, name: str, method: str, path: str, body: bytes) -> None:
        """Send to the endpoint; one that does not take it puts the subscription in error."""
        row = self.rows[name]
        channel = row["channel"]
        headers = _FORM | dict(one.split(": ", 1) for one in channel.get("header", ()))
        try:
            async with (
                aiohttp.ClientSession(timeout=_PATIENCE) as session,
                session.request(method, channel["endpoint"] + path, data=body, headers=headers) as answer,
            ):
                problem = "" if answer.status < 300 else f"The endpoint answered {answer.status}"
        except (aiohttp.ClientError, TimeoutError):
            problem = "The endpoint cannot be reached"
        if problem:
            row |= {"status": "error", "error": problem}
