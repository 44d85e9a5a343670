"""Signing in at an identity provider, the whole way: there, back with a code, and in with a session or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import pytest
from joserfc.jwk import RSAKey

from gateway.secret import Secret
from gateway.settings import Oidc, People
from tests.integration.parts import TENANT, Place
from tests.security.conftest import Admin, open_admin
from tests.security.provider import CLIENT, SECRET, Provider, providing
from tests.waiting import PATIENCE


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with providing() as running:
        yield running


@pytest.fixture(scope="module")
def port(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Admin]:
    """An admin port that trusts the provider, and one account there."""
    patch = pytest.MonkeyPatch()
    patch.setenv("OIDC_SECRET", SECRET)
    parts = Place(tmp_path_factory.mktemp("oidc"), "embedded").open()
    trusted = Oidc(issuer=provider.issuer, client_id=CLIENT, client_secret=Secret("env:OIDC_SECRET"))
    for running in open_admin(parts, People(oidc=trusted)):
        running.accounts.add(
            "maria.lopez", role="operator", tenants=[TENANT], view="", locations=(), subject="8f3c", actor="cli:test"
        )
        yield running
    parts.close()
    patch.undo()


@pytest.fixture(autouse=True)
def sound(provider: Provider) -> Iterator[None]:
    """Whatever a test made the provider do, it does no more."""
    yield
    provider.changed, provider.broken, provider.subject, provider.signs_with = {}, {}, "8f3c", provider.key


def get(url: str, cookie: str = "") -> tuple[int, dict[str, list[str]], bytes]:
    """One request, no redirect followed, as a browser sends it that comes from the provider's site."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port or 80, timeout=PATIENCE)
    sent = {"Cookie": cookie} if cookie else {}
    connection.request("GET", f"{parts.path}?{parts.query}", headers={**sent, "Sec-Fetch-Site": "cross-site"})
    answer = connection.getresponse()
    headers: dict[str, list[str]] = {}
    for name, value in answer.getheaders():
        headers.setdefault(name.lower(), []).append(value)
    body = answer.read()
    connection.close()
    return answer.status, headers, body


def start(port: Admin) -> tuple[int, str, str]:
    """The status of setting out, where to, and the cookie; no redirect is followed."""
    there = urlsplit(port.url)
    connection = HTTPConnection(there.hostname or "", there.port or 80, timeout=PATIENCE)
    connection.request("GET", "/oidc/start")
    answer = connection.getresponse()
    told = answer.status, answer.getheader("Location") or "", answer.getheader("Set-Cookie") or ""
    connection.close()
    return told


def begun(port: Admin) -> tuple[str, str]:
    """A trip at the provider: its cookie, and the address by which the provider sends back."""
    status, there, cookie = start(port)
    assert status == 302
    assert all(flag in cookie for flag in ("__Host-", "Secure", "HttpOnly", "SameSite=lax"))
    status, headers, _ = get(there)
    assert status == 302
    return cookie.partition(";")[0], headers["location"][0]


def test_there_and_back_makes_a_session(port: Admin) -> None:
    """A code that the provider gave out becomes a session of the account with that subject, and works once."""
    cookie, back = begun(port)
    status, headers, body = get(back, cookie)
    assert status == 200, body
    session = next(one for one in headers["set-cookie"] if one.startswith("__Host-gateway="))
    assert all(flag in session for flag in ("Secure", "HttpOnly", "SameSite=strict"))
    me = port.ask("/session", headers={"Cookie": session.partition(";")[0]})
    assert me.json["name"] == "maria.lopez"
    assert me.json["csrf"].encode() in body
    assert SECRET.encode() not in body
    status, headers, _ = get(back, cookie)
    assert status == 401
    assert not any(one.startswith("__Host-gateway=") for one in headers.get("set-cookie", ()))


def entered(port: Admin, cookie: str, back: str) -> int:
    """The status of coming back; no status but 200 brings a session."""
    status, headers, body = get(back, cookie)
    given = any(one.startswith("__Host-gateway=") for one in headers.get("set-cookie", ()))
    assert given == (status == 200), body
    return status


def test_a_way_back_belongs_to_the_browser_that_set_out(port: Admin) -> None:
    """Without the trip's cookie, with another trip's, or with another state nobody comes in."""
    cookie, back = begun(port)
    other, _ = begun(port)
    assert entered(port, "", back) == 401
    assert entered(port, other, back) == 401
    assert entered(port, cookie, back.replace("state=", "state=x")) == 401
    assert entered(port, cookie, back) == 401  # a trip ends with its first return, whatever that was


@pytest.mark.parametrize(
    "changed", [{"nonce": "other"}, {"amr": ["pwd"]}, {"aud": "other"}, {"iss": "https://evil.example"}, {"exp": 1}]
)
def test_a_token_that_is_not_for_this_trip_lets_nobody_in(
    port: Admin, provider: Provider, changed: dict[str, Any]
) -> None:
    """Another nonce, one factor, another audience, another issuer, too late: 401."""
    cookie, back = begun(port)
    provider.changed = changed
    assert entered(port, cookie, back) == 401


def test_a_stranger_and_a_forger_stay_outside(port: Admin, provider: Provider) -> None:
    """A subject without an account, a key that the provider does not publish, and a code of nobody: 401."""
    cookie, back = begun(port)
    provider.subject = "nobody"
    assert entered(port, cookie, back) == 401
    cookie, back = begun(port)
    provider.subject, provider.signs_with = "8f3c", RSAKey.generate_key(2048, parameters={"kid": "1"})
    assert entered(port, cookie, back) == 401
    cookie, back = begun(port)
    assert entered(port, cookie, back.replace("code=", "code=x")) == 401


@pytest.mark.parametrize("body", ["<html>", "[]", "null", '{"id_token": 7}', '"x"', "[" * 5000])
@pytest.mark.parametrize("path", ["/token", "/keys"])
def test_a_provider_that_answers_nonsense_is_no_failure_of_ours(
    port: Admin, provider: Provider, path: str, body: str
) -> None:
    """Nonsense instead of a token or of keys ends the sign-in as refused or as waiting for the provider."""
    cookie, back = begun(port)
    provider.broken[path] = body
    assert entered(port, cookie, back) in {401, 503}


@pytest.mark.parametrize("body", ["<html>", "[]", '{"issuer": "https://evil.example"}', "[" * 5000])
def test_a_provider_that_describes_somebody_else_is_not_asked(port: Admin, provider: Provider, body: str) -> None:
    """A description of another issuer, or none, begins no trip."""
    provider.broken["/.well-known/openid-configuration"] = body
    asked = port.ask("/oidc/start")
    assert asked.status == 503, asked.body


def test_endpoints_leave_over_tls_or_not_at_all(port: Admin, provider: Provider) -> None:
    """A description that sends people or the secret to a place without TLS begins no trip, and sends nothing."""
    for name, address in (("token_endpoint", "http://evil.example/token"), ("authorization_endpoint", "javascript:1")):
        good = dict.fromkeys(("authorization_endpoint", "token_endpoint", "jwks_uri"), f"{provider.issuer}/x")
        text = str({"issuer": provider.issuer} | good | {name: address}).replace("'", '"')
        provider.broken["/.well-known/openid-configuration"] = text
        assert start(port)[0] == 503
