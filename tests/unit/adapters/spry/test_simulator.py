"""The simulated organisation keeps to what is published."""

from __future__ import annotations

import hashlib
import hmac
import json

import aiohttp
from aiohttp import web

from gateway_spry.command import SUBSCRIPTIONS
from gateway_spry.simulator import CLIENT_ID, CLIENT_SECRET
from gateway_spry.simulator_rows import case_id
from gateway_spry.transport_api import AUTHORIZATION, CALENDAR, CASE
from gateway_spry.transport_token import TOKEN
from tests.unit.adapters.spry.organisation import Organisation, with_organisation


async def token(base: str, session: aiohttp.ClientSession) -> dict:
    form = {"grant_type": "client_credentials", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    async with session.post(f"{base}{TOKEN}", data=form) as response:
        found = await response.json()
    session.headers["Authorization"] = f"Bearer {found['access_token']}"
    return found


def test_everything_but_the_token_needs_one() -> None:
    """401 without; a token answers its life, scope and clinics."""

    async def body(place: Organisation) -> None:
        base = place.simulator.base_url
        async with aiohttp.ClientSession() as session:
            for path in (CALENDAR, f"{CASE}/1", AUTHORIZATION, SUBSCRIPTIONS):
                async with session.get(f"{base}{path}") as response:
                    assert response.status == 401
            found = await token(base, session)
            assert (found["expires_in"], found["scope"], found["clinic_id_list"]) == (3600, "read write", ["1", "2"])

    with_organisation(body)


def test_a_calendar_needs_all_its_parameters() -> None:
    """One that lacks is an error code under status 200."""

    async def body(place: Organisation) -> None:
        base = place.simulator.base_url
        asked = {"start_date": "2026-03-01T00:00:00.000Z", "end_date": "2026-04-01T00:00:00.000Z", "clinic_id": "1"}
        async with aiohttp.ClientSession() as session:
            await token(base, session)
            async with session.get(f"{base}{CALENDAR}", params=asked) as response:
                assert (response.status, (await response.json())["code"]) == (200, 2999)
            asked |= {"doctor_id": "1", "practice_id": "0", "size": "4"}
            async with session.get(f"{base}{CALENDAR}", params=asked) as response:
                data = (await response.json())["data"]
            assert (len(data["content"]), data["current"], data["is_paged"]) == (4, 1, True)
            assert data["pages"] == -(-data["total"] // 4)

    with_organisation(body)


def test_authorizations_of_a_case_are_a_list_and_one_is_one() -> None:
    """An unknown case has none; an unknown authorization is 404."""

    async def body(place: Organisation) -> None:
        base = place.simulator.base_url
        async with aiohttp.ClientSession() as session:
            await token(base, session)
            for case, count in ((case_id(1), 1), ("SPRY_CASE_none", 0)):
                async with session.get(f"{base}{AUTHORIZATION}", params={"case_id": case}) as response:
                    assert len((await response.json())["data"]) == count
            for number, status in (("1", 200), ("none", 404)):
                async with session.get(f"{base}{AUTHORIZATION}/{number}") as response:
                    assert response.status == status

    with_organisation(body)


def test_a_signature_key_is_shown_at_creation_and_rotation_only() -> None:
    """The list hides it; rotation gives another; deletion ends the subscription."""

    async def body(place: Organisation) -> None:
        url = f"{place.simulator.base_url}{SUBSCRIPTIONS}"
        asked = {"name": "n", "event_types": ["case.updated"], "notification_url": "https://x.example"}
        async with aiohttp.ClientSession() as session:
            await token(place.simulator.base_url, session)
            async with session.post(url, json=asked) as response:
                made = (await response.json())["data"]
            async with session.get(url) as response:
                assert "signature_key" not in (await response.json())["data"][0]
            async with session.post(f"{url}/{made['id']}/rotate-secret") as response:
                assert (await response.json())["data"]["signature_key"] != made["signature_key"]
            async with session.delete(f"{url}/{made['id']}") as response:
                assert response.status == 200
            async with session.post(url, json=asked | {"event_types": ["else"]}) as response:
                assert (await response.json())["code"] == 2999

    with_organisation(body)


def test_a_test_notice_is_signed_over_its_time_and_body() -> None:
    """The receiver can prove it with the key that was shown at creation, and no other."""
    seen: list[tuple[str, bytes]] = []

    async def take(request: web.Request) -> web.Response:
        seen.append((request.headers["X-Sprypt-Signature"], await request.read()))
        return web.Response()

    async def body(place: Organisation) -> None:
        app = web.Application()
        app.router.add_post("/hook", take)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"{place.simulator.base_url}{SUBSCRIPTIONS}"
        target = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
        asked = {"name": "n", "event_types": ["case.updated"], "notification_url": target}
        try:
            async with aiohttp.ClientSession() as session:
                await token(place.simulator.base_url, session)
                async with session.post(url, json=asked) as response:
                    made = (await response.json())["data"]
                async with session.post(f"{url}/{made['id']}/test") as response:
                    assert response.status == 200
        finally:
            await runner.cleanup()
        ((signature, sent),) = seen
        stamp, digest = (one.partition("=")[2] for one in signature.split(","))
        signed = hmac.digest(made["signature_key"].encode(), f"{stamp}.".encode() + sent, hashlib.sha256)
        assert digest == signed.hex()
        assert json.loads(sent).keys() == {"event_id", "event_type", "api_version", "timestamp", "data"}

    with_organisation(body)


def test_a_client_with_another_secret_gets_no_token() -> None:
    """401, and the token of an hour that ended opens nothing."""

    async def body(place: Organisation) -> None:
        base = place.simulator.base_url
        form = {"grant_type": "client_credentials", "client_id": CLIENT_ID, "client_secret": "another"}
        async with aiohttp.ClientSession() as session:
            async with session.post(f"{base}{TOKEN}", data=form) as response:
                assert response.status == 401
            await token(base, session)
            place.simulator.end_tokens()
            async with session.get(f"{base}{AUTHORIZATION}", params={"case_id": case_id(1)}) as response:
                assert (response.status, (await response.json())["code"]) == (401, 2401)

    with_organisation(body)
