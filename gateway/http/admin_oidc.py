"""Sign-in at the organization's identity provider: OpenID Connect with PKCE, and several factors or no entry.

The provider says who somebody is; whether they have an account here, and what it may do, is decided here alone.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Annotated, Any
from urllib.parse import urlencode, urlsplit

import msgspec
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse
from yarl import URL

from gateway.errors import AccessRefused, InvalidConfiguration, PluginFailed, SourceUnavailable
from gateway.flow.accounts import subject_hash
from gateway.http.admin_door import AdminDoor, csrf_token
from gateway.http.admin_sign_in import refused, set_cookie
from gateway.http.house import House
from gateway.http.proxies import address_of
from gateway.http.refusal import HttpRefusal, missing
from gateway.model.exchange import RateBudget
from gateway.secret import resolve_secret
from gateway.settings import Oidc
from gateway.transport.http import HttpClient, HttpLimits, is_loopback

TRIP_COOKIE = "__Host-gateway-oidc"
TRIP_SECONDS = 600
MOST_TRIPS = 1000
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
LEEWAY_SECONDS = 60
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")
_decode = msgspec.json.Decoder(dict[str, Any]).decode
_LIMITS = HttpLimits(connect=5, total=15, attempts=1, max_bytes=2**20)
_ANEW = "Begin the sign-in anew."
_BUDGET = RateBudget(requests=60, seconds=60)


@dataclass
class _Trip:
    """One way to the provider and back."""

    state: str
    nonce: str
    verifier: str
    ends: float


@dataclass
class Provider:
    """What the provider says of itself, and the trips under way."""

    settings: Oidc
    back: str
    """Where the provider sends people back to."""
    trips: dict[str, _Trip] = field(default_factory=dict)

    async def start(self) -> tuple[str, str]:
        """A new trip: the value of its cookie, and the address of the provider to go to."""
        challenge_of = _library()[0]
        described = await self._described()
        now = time.monotonic()
        for key in [key for key, trip in self.trips.items() if trip.ends < now]:
            del self.trips[key]
        if len(self.trips) >= MOST_TRIPS:
            raise HttpRefusal(
                429, "too-many-sign-ins", "Too many sign-ins are under way", fix="Try again in a minute.",
                headers={"Retry-After": "60"},
            )  # fmt: skip
        key, trip = secrets.token_urlsafe(32), _Trip(_word(), _word(), _word(), now + TRIP_SECONDS)
        self.trips[key] = trip
        query = urlencode({
            "response_type": "code", "scope": "openid", "client_id": self.settings.client_id, "redirect_uri": self.back,
            "state": trip.state, "nonce": trip.nonce, "code_challenge": challenge_of(trip.verifier),
            "code_challenge_method": "S256",
        })  # fmt: skip
        there = described["authorization_endpoint"]
        return key, f"{there}{'&' if '?' in there else '?'}{query}"

    async def finish(self, key: str, state: str, code: str) -> bytes:
        """Who came back, as their account keeps it.

        Raises:
            AccessRefused: the trip is unknown or over, or the token is not one that lets somebody in.
            SourceUnavailable: the provider does not answer, or not as one does.
        """
        trip = self.trips.pop(key, None)
        if trip is None or trip.ends < time.monotonic() or not secrets.compare_digest(trip.state, state):
            raise AccessRefused("This sign-in was not begun here, or took too long", fix=_ANEW)
        described = await self._described()
        places = {_origin(described[name]) for name in ("token_endpoint", "jwks_uri")}
        async with self._client(places) as client:
            form = {
                "grant_type": "authorization_code", "code": code, "redirect_uri": self.back,
                "client_id": self.settings.client_id, "client_secret": resolve_secret(self.settings.client_secret),
                "code_verifier": trip.verifier,
            }  # fmt: skip
            answer = await client.request("POST", URL(described["token_endpoint"]), expect={200, 400, 401}, form=form)
            if answer.status != 200:
                raise AccessRefused("The identity provider did not take the code", fix=_ANEW)
            keys = await client.get(URL(described["jwks_uri"]), _object)
        try:
            granted = _object(answer.body)
        except msgspec.DecodeError:
            raise SourceUnavailable("The identity provider answers no token", where="people.oidc.issuer") from None
        subject = checked_token(str(granted.get("id_token", "")), keys, self.settings, trip.nonce)
        return subject_hash(self.settings.issuer, subject)

    async def _described(self) -> dict[str, str]:
        issuer = self.settings.issuer
        async with self._client({_origin(issuer)}) as client:
            found = await client.get(URL(issuer.rstrip("/") + "/.well-known/openid-configuration"), _object)
        if found.get("issuer") != issuer:
            raise SourceUnavailable("The identity provider describes another issuer", where="people.oidc.issuer")
        if not all(_usable(found.get(name), issuer) for name in _ENDPOINTS):
            raise SourceUnavailable(
                "The identity provider names no parts that can be used", where="people.oidc.issuer",
                fix="They must be https addresses, and on this machine only where the issuer is.",
            )  # fmt: skip
        return {name: found[name] for name in _ENDPOINTS}

    def _client(self, places: Collection[str]) -> HttpClient:
        allowed = self.settings.allow_private
        return HttpClient(places, budget=_BUDGET, limits=_LIMITS, tls=self._tls(), allow_private=allowed)

    def _tls(self) -> Any:
        import ssl

        if self.settings.ca_file is None:
            return None
        try:
            return ssl.create_default_context(cafile=str(self.settings.ca_file))
        except (OSError, ssl.SSLError):
            raise InvalidConfiguration(
                "The file of trusted authorities cannot be read",
                where="people.oidc.ca_file",
                fix="Name a PEM file that this account may read.",
            ) from None


def checked_token(text: str, keys: Any, settings: Oidc, nonce: str) -> str:
    """The ``sub`` of an ID token that is signed by the provider, for us, for this trip, now, with several factors.

    Raises:
        AccessRefused: any of it is not so; the sentence says which.
    """
    from joserfc import jwt
    from joserfc.errors import JoseError
    from joserfc.jwk import KeySet

    id_token = _library()[1]
    try:
        token = jwt.decode(text, KeySet.import_key_set(keys), algorithms=list(ALGORITHMS))
    except (JoseError, ValueError, KeyError, TypeError, AttributeError):
        raise AccessRefused("The token is not signed by the identity provider") from None
    options = {"iss": {"essential": True, "value": settings.issuer}, "aud": {"essential": True}}
    claims = id_token(token.claims, token.header, options, {"nonce": nonce, "client_id": settings.client_id})
    try:
        claims.validate(now=int(time.time()), leeway=LEEWAY_SECONDS)
    except (JoseError, ValueError, TypeError):
        raise AccessRefused("The token is not for this sign-in, or has expired", fix=_ANEW) from None
    audience = token.claims["aud"]
    if settings.client_id not in (audience if isinstance(audience, list) else [audience]):
        raise AccessRefused("The token is for somebody else", where="aud")
    methods = token.claims.get("amr")
    methods = methods if isinstance(methods, list) else []
    if not (set(settings.amr) & {one for one in methods if isinstance(one, str)}) and not (
        settings.acr and token.claims.get("acr") in settings.acr
    ):
        raise AccessRefused(
            "The identity provider did not ask for several factors", where="amr",
            fix="Have its administrator ask for a second factor here.",
        )  # fmt: skip
    subject = token.claims.get("sub")
    if not isinstance(subject, str) or not subject:
        raise AccessRefused("The token names nobody", where="sub")
    return subject


def oidc(house: House, door: AdminDoor) -> APIRouter:
    """The routes of ``/oidc``; without ``[people.oidc]`` there is nothing here."""
    router = APIRouter()
    settings = house.people.oidc
    provider = None if settings is None else Provider(settings, f"{house.admin_url}/oidc/callback")

    @router.get("/oidc/start")
    async def start() -> Response:
        if provider is None:
            raise missing("No identity provider is configured")
        key, address = await provider.start()
        answer = RedirectResponse(address, 302)
        # The way back begins at the provider's site, so this cookie alone may come along from there.
        answer.set_cookie(TRIP_COOKIE, key, max_age=TRIP_SECONDS, path="/", secure=True, httponly=True, samesite="lax")
        return answer

    @router.get("/oidc/callback")
    async def back(
        request: Request,
        response: Response,
        code: Annotated[str, Query(max_length=4000)] = "",
        state: Annotated[str, Query(max_length=200)] = "",
    ) -> dict[str, Any]:
        if provider is None:
            raise missing("No identity provider is configured")
        try:
            subject = await provider.finish(request.cookies.get(TRIP_COOKIE, ""), state, code)
        except AccessRefused as error:
            raise HttpRefusal(401, "not-signed-in", error.what, where=error.where, fix=error.fix) from None
        token = await asyncio.to_thread(door.accounts.sign_in_as, subject, address_of(request))
        if token is None:
            raise refused()
        set_cookie(response, token)
        response.delete_cookie(TRIP_COOKIE, path="/", secure=True, httponly=True, samesite="lax")
        return {"signed_in": True, "csrf": csrf_token(token)}

    return router


def _word() -> str:
    return secrets.token_urlsafe(48)


def _object(body: bytes) -> dict[str, Any]:
    try:
        return _decode(body)
    except (RecursionError, UnicodeDecodeError):
        raise msgspec.ValidationError("no object that can be read") from None


def _usable(address: Any, issuer: str) -> bool:
    """Whether people, codes and our secret may go there: over TLS, and to this machine only where the issuer is."""
    try:
        url = URL(address)
        local, scheme = is_loopback(url), url.origin().scheme
    except (ValueError, TypeError):
        return False
    return is_loopback(URL(issuer)) if local else scheme == "https"


def _origin(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


def _library() -> tuple[Any, Any]:
    """PKCE and the rules of ID tokens, from the library that has them; it is loaded where it is asked for."""
    try:
        from authlib.oauth2.rfc7636 import create_s256_code_challenge
        from authlib.oidc.core import CodeIDToken
    except ImportError:
        raise PluginFailed(
            "Sign-in at an identity provider needs authlib", where="people.oidc",
            fix="Install the gateway with the extra people.",
        ) from None  # fmt: skip
    return create_s256_code_challenge, CodeIDToken
