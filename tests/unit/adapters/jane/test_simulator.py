"""The simulated clinic keeps to what is documented: discovery, PKCE, token life, scopes, cursors, filters, limits."""

from __future__ import annotations

from datetime import timedelta

import aiohttp
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from gateway.model.exchange import RateBudget
from gateway_jane.simulator import JaneSimulator
from gateway_jane.simulator_identity import CLIENT_ID
from gateway_jane.simulator_rows import SCOPES
from tests.unit.adapters.jane.clinic import CLINIC, HOOKS, START, Clinic, with_clinic

ROOT = "/api/2026-01-01"


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JANE_SECRET", "simulated-secret")


def bearer(clinic: Clinic, scope: str = " ".join(SCOPES.values())) -> dict[str, str]:
    return {"Authorization": f"Bearer {clinic.simulator.identity.grant(scope)['access_token']}"}


def test_discovery_names_the_endpoints_and_consent_asks_for_pkce(tmp_path) -> None:
    """A request without a challenge is refused; a code bought with another verifier is worth nothing."""

    async def body(clinic: Clinic) -> None:
        realm = f"{clinic.simulator.base_url}/realms/jane"
        asked = {
            "response_type": "code", "client_id": CLIENT_ID, "redirect_uri": "http://127.0.0.1:1/connected",
            "code_challenge": "x" * 43, "code_challenge_method": "S256", "state": "s",
        }  # fmt: skip
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{realm}/.well-known/openid-configuration") as response:
                found = await response.json()
            assert found["code_challenge_methods_supported"] == ["S256"]
            plain = asked | {"code_challenge_method": "plain"}
            async with session.get(found["authorization_endpoint"], params=plain) as response:
                assert response.status == 400
            url = found["authorization_endpoint"]
            async with session.get(url, params=asked, allow_redirects=False) as response:
                assert response.status == 302
                code = response.headers["Location"].partition("code=")[2].partition("&")[0]
            form = {
                "grant_type": "authorization_code", "code": code, "redirect_uri": asked["redirect_uri"],
                "code_verifier": "another", "client_id": CLIENT_ID, "client_secret": "simulated-secret",
            }  # fmt: skip
            async with session.post(found["token_endpoint"], data=form) as response:
                assert (response.status, (await response.json())["error"]) == (400, "invalid_grant")

    with_clinic(tmp_path, body)


def test_a_token_lives_five_minutes_and_reads_what_its_scope_says(tmp_path) -> None:
    """401 when it ended, 403 for another list, both in the vendor's form."""

    async def body(clinic: Clinic) -> None:
        clinic.simulator.identity._now = clinic._seconds
        base, headers = clinic.simulator.base_url, bearer(clinic, "locations:read")
        async with aiohttp.ClientSession(headers=headers) as session:
            for path, seconds, status in (("locations", 0, 200), ("patients", 0, 403), ("locations", 301, 401)):
                clinic.tick(seconds)
                async with session.get(f"{base}{ROOT}/{path}") as response:
                    assert response.status == status
                    assert status == 200 or "error" in await response.json()

    with_clinic(tmp_path, body)


def test_lists_have_cursors_and_filters_and_hide_their_times(tmp_path) -> None:
    """Fifty in a page without a wish; a filter that does not exist is 400; no item shows when it changed."""

    async def body(clinic: Clinic) -> None:
        url = f"{clinic.simulator.base_url}{ROOT}/appointments"
        first = next(iter(clinic.held("appointments")))
        clinic.tick()
        clinic.simulator.touch("appointments", first, state="arrived")
        since = (clinic.now - timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        async with aiohttp.ClientSession(headers=bearer(clinic)) as session:
            async with session.get(url) as response:
                found = await response.json()
            assert (len(found["items"]), found["limit"], found["hasNextPage"]) == (50, 50, True)
            assert found["links"]["after"].startswith(f"{ROOT}/appointments?")
            assert not {"created_at", "updated_at"} & found["items"][0].keys()
            async with session.get(url, params={"updated_at[gte]": since}) as response:
                assert [one["id"] for one in (await response.json())["items"]] == [first]
            async with session.get(url, params={"state": "booked"}) as response:
                assert (response.status, list(await response.json())) == (400, ["errors"])

    with_clinic(tmp_path, body)


def test_each_endpoint_has_a_limit_of_its_own(tmp_path) -> None:
    """One request too many is 429 with the time to wait, and another list still answers."""
    simulator = JaneSimulator(CLINIC, endpoint=RateBudget(requests=2, seconds=60.0), clock=START.timestamp)

    async def body(clinic: Clinic) -> None:
        base, found = f"{clinic.simulator.base_url}{ROOT}", []
        async with aiohttp.ClientSession(headers=bearer(clinic)) as session:
            for path in ("locations", "locations", "locations", "patients"):
                async with session.get(f"{base}/{path}") as response:
                    found.append(response.status)
                    if response.status == 429:
                        assert 0 < int(response.headers["Retry-After"]) <= 60
                        assert "X-Throttle-Match" in response.headers
        assert found == [200, 200, 429, 200]

    with_clinic(tmp_path, body, simulator=simulator)


def test_a_token_is_signed_for_one_clinic_and_five_minutes(tmp_path) -> None:
    """The published key proves it; audience, end and scope are those that were asked for."""

    async def body(clinic: Clinic) -> None:
        identity = clinic.simulator.identity
        identity._now = clinic._seconds
        granted = identity.grant("locations:read")
        url = f"{clinic.simulator.base_url}/realms/jane/protocol/openid-connect/certs"
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            keys = KeySet.import_key_set(await response.json())
        told = jwt.decode(str(granted["access_token"]), keys, algorithms=["RS256"])
        assert told.header["alg"] == "RS256"
        claims = told.claims
        assert (claims["aud"], claims["scope"]) == (clinic.simulator.base_url, "locations:read")
        assert (claims["exp"] - claims["iat"], granted["expires_in"], granted["refresh_expires_in"]) == (300, 300, 1800)

    with_clinic(tmp_path, body)


def test_a_refresh_token_works_once_and_not_after_it_was_revoked(tmp_path) -> None:
    """Each use gives another; the provider answers a used, revoked or late one with invalid_grant."""

    async def body(clinic: Clinic) -> None:
        clinic.simulator.identity._now = clinic._seconds
        ends = f"{clinic.simulator.base_url}/realms/jane/protocol/openid-connect"
        who = {"client_id": CLIENT_ID, "client_secret": "simulated-secret"}
        async with aiohttp.ClientSession() as session:

            async def refresh(token: object) -> tuple[int, dict[str, object]]:
                form = who | {"grant_type": "refresh_token", "refresh_token": str(token)}
                async with session.post(f"{ends}/token", data=form) as response:
                    return response.status, await response.json()

            first = clinic.simulator.identity.grant("locations:read")["refresh_token"]
            status, answered = await refresh(first)
            assert (status, answered["refresh_token"] != first) == (200, True)
            refused = (400, {"error": "invalid_grant"})
            assert await refresh(first) == refused
            async with session.post(f"{ends}/revoke", data={"token": str(answered["refresh_token"])}) as response:
                assert response.status == 200
            assert await refresh(answered["refresh_token"]) == refused
            late = clinic.simulator.identity.grant("locations:read")["refresh_token"]
            clinic.tick(1801)
            assert await refresh(late) == refused

    with_clinic(tmp_path, body)


def test_a_clinic_has_a_limit_over_all_endpoints(tmp_path) -> None:
    """Endpoints that are within their own limit together exceed the clinic's."""
    simulator = JaneSimulator(CLINIC, budget=RateBudget(requests=3, seconds=300.0), clock=START.timestamp)

    async def body(clinic: Clinic) -> None:
        found = []
        async with aiohttp.ClientSession(headers=bearer(clinic)) as session:
            for path in ("locations", "patients", "staff_members", "treatments"):
                async with session.get(f"{clinic.simulator.base_url}{ROOT}/{path}") as response:
                    found.append(response.status)
        assert found == [200, 200, 200, 429]

    with_clinic(tmp_path, body, simulator=simulator)


def test_a_webhooks_secret_is_shown_once_and_a_topic_is_registered_once(tmp_path) -> None:
    """201 with the secret; the bare list hides it; a second registration is 409 and names the first."""

    async def body(clinic: Clinic) -> None:
        url = f"{clinic.simulator.base_url}{ROOT}/webhooks"
        asked = {"event_topic": "APPOINTMENT_BOOKED", "target_url": "https://gw.example/hooks/north"}
        async with aiohttp.ClientSession(headers=bearer(clinic, HOOKS)) as session:
            async with session.post(url, json=asked) as response:
                made = await response.json()
            assert (response.status, bool(made["secret"])) == (201, True)
            async with session.get(url) as response:
                (listed,) = await response.json()
            assert (listed["id"], "secret" in listed) == (made["id"], False)
            async with session.post(url, json=asked) as response:
                (error,) = (await response.json())["errors"]
            assert (response.status, error["id"], error["details"]["id"]) == (409, "DUPLICATE_RECORD", made["id"])

    with_clinic(tmp_path, body)
