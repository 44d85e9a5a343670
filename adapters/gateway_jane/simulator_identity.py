"""The identity provider of the simulated clinic: consent with PKCE, signed tokens of five minutes, rotating refresh."""

from __future__ import annotations

import base64
import hashlib
import html
import secrets
from collections.abc import Callable

from aiohttp import web
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey
from yarl import URL

REALM = "jane"
CLIENT_ID, CLIENT_SECRET = "simulated-extension", "simulated-secret"
ACCESS_SECONDS, REFRESH_SECONDS = 300, 1800
_PAGE = """<!doctype html><html lang="en"><title>Simulated consent</title>
<h1>{client} asks to read your clinic</h1><ul>{scopes}</ul>
<form method="post"><button name="decision" value="agree">Agree</button>
<button name="decision" value="refuse">Refuse</button></form></html>"""


class SimulatedIdentity:
    """Grants access for one clinic; ``base`` is where it listens, told once it does."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.base = ""
        self.rotations = 0
        """How many refresh tokens were used up."""
        self._now = now
        self._key = RSAKey.generate_key(2048, parameters={"kid": "simulated"})
        self._codes: dict[str, tuple[str, str, str]] = {}
        self._refresh: dict[str, tuple[str, float]] = {}

    def routes(self, router: web.UrlDispatcher) -> None:
        """The realm's endpoints."""
        realm = f"/realms/{REALM}"
        router.add_get(f"{realm}/.well-known/openid-configuration", self._discovery)
        router.add_get(f"{realm}/protocol/openid-connect/auth", self._authorize)
        router.add_post(f"{realm}/protocol/openid-connect/auth", self._decide)
        router.add_post(f"{realm}/protocol/openid-connect/token", self._token)
        router.add_post(f"{realm}/protocol/openid-connect/revoke", self._revoke)
        router.add_get(f"{realm}/protocol/openid-connect/certs", self._certs)

    def claims(self, token: str) -> dict[str, object]:
        """What a token says; empty when it is not ours or has ended."""
        try:
            claims = jwt.decode(token, self._key, algorithms=["RS256"]).claims
        except (JoseError, ValueError):
            return {}
        return dict(claims) if float(claims["exp"]) > self._now() else {}

    def grant(self, scope: str, audience: str = "") -> dict[str, object]:
        """An access token and a refresh token, as the token endpoint answers them."""
        now = self._now()
        claims = {"iss": f"{self.base}/realms/{REALM}", "aud": audience or self.base, "scope": scope, "iat": int(now)}
        more = {"exp": int(now) + ACCESS_SECONDS, "azp": CLIENT_ID, "sub": "staff-1", "jti": secrets.token_hex(8)}
        access = jwt.encode({"alg": "RS256", "kid": "simulated"}, claims | more, self._key)
        refresh = secrets.token_urlsafe(24)
        self._refresh[refresh] = (scope, now + REFRESH_SECONDS)
        return {
            "access_token": access, "expires_in": ACCESS_SECONDS, "refresh_token": refresh, "token_type": "Bearer",
            "refresh_expires_in": REFRESH_SECONDS, "scope": scope,
        }  # fmt: skip

    async def _discovery(self, _request: web.Request) -> web.Response:
        here = f"{self.base}/realms/{REALM}"
        ends = {"authorization_endpoint": "auth", "token_endpoint": "token", "jwks_uri": "certs"}
        found = {name: f"{here}/protocol/openid-connect/{end}" for name, end in ends.items()}
        return web.json_response({"issuer": here, **found, "code_challenge_methods_supported": ["S256"]})

    async def _certs(self, _request: web.Request) -> web.Response:
        return web.json_response({"keys": [self._key.as_dict(private=False)]})

    async def _authorize(self, request: web.Request) -> web.Response:
        """Staff are asked where the request wants their consent; otherwise they have agreed before."""
        if not _is_whole(request):
            return web.Response(text="invalid_request", status=400)
        if request.query.get("prompt") != "consent":
            return self._agreed(request)
        scopes = "".join(f"<li>{html.escape(one)}</li>" for one in request.query.get("scope", "").split())
        page = _PAGE.format(client=html.escape(CLIENT_ID), scopes=scopes)
        return web.Response(text=page, content_type="text/html")

    async def _decide(self, request: web.Request) -> web.Response:
        """What staff chose on the page of consent."""
        if not _is_whole(request):
            return web.Response(text="invalid_request", status=400)
        if (await request.post()).get("decision") == "agree":
            return self._agreed(request)
        return _back(request, error="access_denied")

    def _agreed(self, request: web.Request) -> web.Response:
        asked, code = request.query, secrets.token_urlsafe(24)
        self._codes[code] = (asked["code_challenge"], asked["redirect_uri"], asked.get("scope", ""))
        return _back(request, code=code)

    async def _token(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        basic = "Basic " + base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        posted = (form.get("client_id"), form.get("client_secret")) == (CLIENT_ID, CLIENT_SECRET)
        if not posted and request.headers.get("Authorization") != basic:
            return web.json_response({"error": "unauthorized_client"}, status=401)
        scope = self._by_code(form) if form.get("grant_type") == "authorization_code" else self._by_refresh(form)
        if scope is None:
            return web.json_response({"error": "invalid_grant"}, status=400)
        return web.json_response(self.grant(scope))

    def _by_code(self, form: dict[str, str]) -> str | None:
        challenge, redirect, scope = self._codes.pop(form.get("code", ""), ("", "", ""))
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        proved = base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == challenge
        return scope if proved and redirect == form.get("redirect_uri") else None

    def _by_refresh(self, form: dict[str, str]) -> str | None:
        scope, ends = self._refresh.pop(form.get("refresh_token", ""), ("", 0.0))
        self.rotations += 1
        return scope if ends > self._now() else None

    async def _revoke(self, request: web.Request) -> web.Response:
        self._refresh.pop(str((await request.post()).get("token", "")), None)
        return web.Response(status=200)


def _is_whole(request: web.Request) -> bool:
    """Whether a request for a code is what the provider asks for."""
    wanted = {"response_type": "code", "client_id": CLIENT_ID, "code_challenge_method": "S256"}
    asked = request.query
    return all(asked.get(name) == value for name, value in wanted.items()) and bool(asked.get("code_challenge"))


def _back(request: web.Request, **told: str) -> web.Response:
    """Send the browser back to who asked."""
    back = URL(request.query["redirect_uri"]).update_query(**told, state=request.query.get("state", ""))
    return web.Response(status=302, headers={"Location": str(back)})
