"""The simulated account answers as the vendor documents: credentials, limit, paging, filters, hiding, writes."""

from __future__ import annotations

import asyncio
import base64
import re
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
    """The envelope has self and total, next but on the last page, previous but on the first; 100 rows at the most."""

    async def body(simulator, ask):
        _, _, plain = await ask("/v1/patients")
        _, _, first = await ask("/v1/patients", per_page="500")
        assert (len(plain["patients"]), len(first["patients"]), first["total_entries"]) == (50, 100, 150)
        assert all(re.fullmatch(r"\d{19}", row["id"]) for row in first["patients"])
        _, _, last = await ask("/v1/patients", per_page="100", page="2")
        assert len(last["patients"]) == 50
        assert (first["links"].keys(), last["links"].keys()) == ({"self", "next"}, {"self", "previous"})

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


@pytest.mark.parametrize("mark", ["archived_at", "deleted_at"])
def test_archived_and_deleted_rows_hide_alike(mark: str) -> None:
    """A row with either mark is neither listed nor found, unless its mark is asked for."""

    async def body(simulator, ask):
        one = next(id for id, row in simulator.tables["individual_appointments"].items() if not row["cancelled_at"])
        simulator.touch("individual_appointments", one, **{mark: "2026-06-01T12:00:00Z"})
        assert (await ask(f"{LIST}/{one}"))[0] == 404
        assert (await ask(LIST, f"id:={one}"))[2]["total_entries"] == 0
        assert (await ask(LIST, f"id:={one}", f"{mark}:*"))[2]["total_entries"] == 1

    call(body)


@pytest.mark.parametrize(
    ("filter", "chosen"),
    [("email:?", 2), ("email:!?", 1), ("email:=A@X.EXAMPLE", 1), ("email:!=a@x.example", 2), ("last_name:~rn", 1),
     ("last_name:~~B%n", 1), ("date_of_birth:=1980-01-02", 1), ("date_of_birth:<1990-01-01", 2),
     ("date_of_birth:>=1985-01-01", 2)],
)  # fmt: skip
def test_each_operator_chooses_as_documented(filter: str, chosen: int) -> None:
    """Has a value, has none, equal, unlike, contains, with a wildcard, and the four orders of days."""
    people = (
        ("a@x.example", "Burns", "1980-01-02"),
        ("b@x.example", "Benn", "1985-01-01"),
        (None, "Cole", "1999-09-09"),
    )

    async def body(simulator, ask):
        table = simulator.tables["patients"]
        for id, (email, name, born) in zip(list(table), people, strict=False):
            table[id] |= {"email": email, "last_name": name, "date_of_birth": born}
        for id in list(table)[3:]:
            del table[id]
        return (await ask("/v1/patients", filter))[2]["total_entries"]

    assert call(body) == chosen


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/v1/invoices"), ("PATCH", "/v1/invoices/{id}"), ("POST", "/v1/webhooks")]
)
def test_invoices_are_read_only_and_webhooks_are_none(method: str, path: str) -> None:
    """What the vendor does not offer is refused, and changes nothing."""

    async def body(simulator, ask):
        table = simulator.tables["invoices"]
        before = {id: dict(row) for id, row in table.items()}
        status, _, _ = await ask(path.format(id=next(iter(table))), method=method, json={"status": 20})
        assert status in (404, 405)
        assert table == before

    call(body)


def test_a_wish_that_is_not_valid_is_refused_by_field() -> None:
    """422 names each field; nothing is cancelled."""

    async def body(simulator, ask):
        one = next(id for id, row in simulator.tables["individual_appointments"].items() if not row["cancelled_at"])
        status, _, told = await ask(f"{LIST}/{one}/cancel", method="PATCH", json={"cancellation_reason": 31})
        assert (status, told["message"], list(told["errors"])) == (422, "Validation Failed", ["cancellation_reason"])
        assert (await ask(f"{LIST}/{one}"))[0] == 200

    call(body)


@pytest.mark.parametrize(("arrived", "marks"), [(True, (True, False)), (False, (False, True)), (None, (False, False))])
def test_who_came_is_marked_on_the_attendee(arrived: bool | None, marks: tuple[bool, bool]) -> None:
    """The appointment shows it, and its own time of change stays."""

    async def body(simulator, ask):
        attendee = next(iter(simulator.tables["attendees"]))
        booking = simulator.tables["attendees"][attendee]["booking"]["links"]["self"].rpartition("/")[2]
        appointment = simulator.tables["individual_appointments"][booking]
        before = appointment["updated_at"]
        assert (await ask(f"/v1/attendees/{attendee}", method="PATCH", json={"arrived": arrived}))[0] == 200
        assert (appointment["patient_arrived"], appointment["did_not_arrive"]) == marks
        assert appointment["updated_at"] == before

    call(body)


@pytest.mark.parametrize(
    "filter", ["notes:=x", "recall_at:>1", "updated_at:=2026-01-01T00:00:00Z", "nonsense", "id:>words"]
)
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
