"""The simulated account answers as the vendor documents: credentials, limit, paging, filters, hiding, writes."""

from __future__ import annotations

import asyncio
import base64
import time

import aiohttp
import pytest

from gateway.model.exchange import RateBudget
from gateway_cliniko.simulator import API_KEY, BUDGET, ClinikoSimulator
from tests.unit.adapters.cliniko.account import CLINIC

LIST = "/v1/individual_appointments"


def call(body, *, budget: RateBudget = BUDGET, user: str = API_KEY):
    """Run ``body(simulator, ask)`` where ``ask`` gives (status, headers, JSON) of a request."""

    async def run():
        simulator = ClinikoSimulator(CLINIC, budget=budget)
        await simulator.start()
        headers = {"Authorization": "Basic " + base64.b64encode(f"{user}:".encode()).decode()}
        try:
            async with aiohttp.ClientSession(headers=headers, base_url=simulator.base_url) as session:

                async def ask(path: str, *filters: str, method: str = "GET", json=None, **query):
                    params = [*(("q[]", text) for text in filters), *query.items()]
                    async with session.request(method, path, params=params, json=json) as response:
                        content = await response.json() if response.content_type == "application/json" else None
                        return response.status, response.headers, content

                return await body(simulator, ask)
        finally:
            await simulator.stop()

    return asyncio.run(run())


@pytest.mark.parametrize(("user", "status"), [(API_KEY, 200), (API_KEY.rpartition("-")[0], 200), ("other-au2", 401)])
def test_the_key_is_checked(user: str, status: int) -> None:
    """The key works with and without its shard; another one gets 401."""

    async def body(simulator, ask):
        return (await ask("/v1/patients"))[0]

    assert call(body, user=user) == status


def test_one_request_too_many_is_told_when_to_come_back() -> None:
    """The request beyond the limit gets 429 and the second at which the window opens."""

    async def body(simulator, ask):
        for _ in range(3):
            assert (await ask("/v1/businesses"))[0] == 200
        status, headers, _ = await ask("/v1/businesses")
        assert status == 429
        assert 0 < int(headers["X-RateLimit-Reset"]) - time.time() <= 61

    call(body, budget=RateBudget(requests=3, seconds=60.0))


def test_pages_follow_each_other_to_the_end() -> None:
    """The envelope has self, total and next; the last page has no next."""

    async def body(simulator, ask):
        _, _, first = await ask("/v1/patients", per_page="100")
        assert (len(first["patients"]), first["total_entries"]) == (100, 150)
        _, _, last = await ask("/v1/patients", per_page="100", page="2")
        assert len(last["patients"]) == 50
        assert "next" in first["links"]
        assert "next" not in last["links"]

    call(body)


def test_hidden_rows_show_only_when_asked_for() -> None:
    """Cancelled rows are left out of lists and give 404 alone, until a filter on the mark is present."""

    async def body(simulator, ask):
        rows = simulator.tables["individual_appointments"]
        cancelled = {id for id, row in rows.items() if row["cancelled_at"]}
        _, _, plain = await ask(LIST)
        _, _, opened = await ask(LIST, "cancelled_at:*")
        _, _, only = await ask(LIST, "cancelled_at:?")
        assert opened["total_entries"] - plain["total_entries"] == only["total_entries"] == len(cancelled) > 0
        one = min(cancelled)
        assert (await ask(f"{LIST}/{one}"))[0] == 404
        assert (await ask(f"{LIST}/{one}", "cancelled_at:*"))[0] == 200

    call(body)


@pytest.mark.parametrize("filter", ["notes:=x", "recall_at:>1", "updated_at:=2026-01-01T00:00:00Z", "nonsense"])
def test_other_filters_are_refused(filter: str) -> None:
    """A field or operator outside the endpoint's list gets 400."""

    async def body(simulator, ask):
        return (await ask(LIST, filter))[0]

    assert call(body) == 400


def test_filters_and_order_work_together() -> None:
    """Several filters are all required; ids take a list; sort gives the order asked for."""

    async def body(simulator, ask):
        table = simulator.tables["individual_appointments"]
        wanted = [id for id, row in table.items() if not row["cancelled_at"]][:3]
        _, _, some = await ask(LIST, f"id:={','.join(wanted)}", "starts_at:>2020-01-01T00:00:00Z")
        assert [row["id"] for row in some["individual_appointments"]] != []
        assert {row["id"] for row in some["individual_appointments"]} == set(wanted)
        _, _, ordered = await ask(LIST, "cancelled_at:*", sort="updated_at:desc", per_page="100")
        times = [row["updated_at"] for row in ordered["individual_appointments"]]
        assert times == sorted(times, reverse=True)
        _, _, named = await ask("/v1/patients", "last_name:~~%a%")
        assert all("a" in row["last_name"] for row in named["patients"])

    call(body)


def test_writes_show_in_later_reads() -> None:
    """Cancelling, archiving and marking arrival answer as documented and change what is read afterwards."""

    async def body(simulator, ask):
        table, attendees = simulator.tables["individual_appointments"], list(simulator.tables["attendees"])
        booked = [id for id, row in table.items() if not row["cancelled_at"]]
        before = table[booked[0]]["updated_at"]
        status, _, _ = await ask(f"{LIST}/{booked[0]}/cancel", method="PATCH", json={"cancellation_reason": 30})
        assert (status, table[booked[0]]["cancellation_reason_description"]) == (204, "Sick")
        assert table[booked[0]]["updated_at"] > before
        assert (await ask(f"{LIST}/{booked[1]}/archive", method="POST"))[0] == 204
        assert (await ask(f"{LIST}/{booked[1]}"))[0] == 404
        status, _, row = await ask(f"/v1/attendees/{attendees[5]}", method="PATCH", json={"arrived": True})
        assert (status, row["arrived"]) == (200, True)
        assert (await ask("/v1/attendees/1", method="PATCH", json={"arrived": True}))[0] == 404
        assert (await ask("/v1/recalls"))[0] == 404

    call(body)


def test_callers_must_say_who_they_are_where_asked() -> None:
    """In the strict mode a request without a name and an address gets 403, whatever its key."""

    async def run():
        simulator = ClinikoSimulator(CLINIC, agent_required=True)
        await simulator.start()
        basic = {"Authorization": "Basic " + base64.b64encode(f"{API_KEY}:".encode()).decode()}
        try:
            async with aiohttp.ClientSession(headers=basic, base_url=simulator.base_url) as session:
                found = []
                for agent in ("python", "emr-gateway (ops@example.com)"):
                    async with session.get("/v1/patients", headers={"User-Agent": agent}) as response:
                        found.append(response.status)
            return found
        finally:
            await simulator.stop()

    assert asyncio.run(run()) == [403, 200]
