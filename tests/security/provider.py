"""A small identity provider that speaks OpenID Connect over a real socket: discovery, codes with PKCE, tokens, keys."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from tests.waiting import PATIENCE

CLIENT, SECRET = "gateway", "synthetic-secret"


class Provider:
    """What it knows and what it does wrong when told to."""

    def __init__(self) -> None:
        self.key = RSAKey.generate_key(2048, parameters={"kid": "1"})
        self.signs_with = self.key
        self.issuer = ""
        self.subject = "8f3c"
        self.changed: dict[str, Any] = {}
        """Claims of the next tokens that differ from good ones."""
        self.broken: dict[str, str] = {}
        """Path -> the body that it answers there instead."""
        self._codes: dict[str, dict[str, str]] = {}

    def application(self) -> web.Application:
        """Its routes."""
        app = web.Application()
        app.router.add_get("/.well-known/openid-configuration", self._described)
        app.router.add_get("/authorize", self._authorize)
        app.router.add_post("/token", self._token)
        app.router.add_get("/keys", self._keys)
        return app

    def _answer(self, request: web.Request, body: Any) -> web.Response:
        text = self.broken.get(request.path)
        if text is None:
            return web.json_response(body)
        return web.Response(text=text, content_type="application/json")

    async def _described(self, request: web.Request) -> web.Response:
        names = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
        return self._answer(
            request, {"issuer": self.issuer} | {name: f"{self.issuer}/{path}" for name, path in names.items()}
        )

    async def _authorize(self, request: web.Request) -> web.Response:
        """Whoever comes is signed in here already, and goes back with a code."""
        asked = dict(request.query)
        wanted = {"response_type": "code", "client_id": CLIENT, "scope": "openid", "code_challenge_method": "S256"}
        if any(asked.get(name) != value for name, value in wanted.items()):
            return web.Response(status=400)
        code = secrets.token_urlsafe(16)
        self._codes[code] = asked
        back = urlencode({"code": code, "state": asked["state"]})
        return web.Response(status=302, headers={"Location": f"{asked['redirect_uri']}?{back}"})

    async def _token(self, request: web.Request) -> web.Response:
        form = await request.post()
        asked = self._codes.pop(str(form.get("code")), None)
        proof = hashlib.sha256(str(form.get("code_verifier")).encode()).digest()
        if (
            asked is None
            or (form.get("client_id"), form.get("client_secret")) != (CLIENT, SECRET)
            or form.get("redirect_uri") != asked["redirect_uri"]
            or base64.urlsafe_b64encode(proof).rstrip(b"=").decode() != asked["code_challenge"]
        ):
            return web.json_response({"error": "invalid_grant"}, status=400)
        now = int(time.time())
        claims = {
            "iss": self.issuer, "sub": self.subject, "aud": CLIENT, "exp": now + 300, "iat": now,
            "nonce": asked["nonce"], "amr": ["pwd", "mfa"],
        } | self.changed  # fmt: skip
        token = jwt.encode({"alg": "RS256", "kid": "1"}, claims, self.signs_with, algorithms=["RS256"])
        return self._answer(request, {"access_token": "unused", "token_type": "Bearer", "id_token": token})

    async def _keys(self, request: web.Request) -> web.Response:
        return self._answer(request, KeySet([self.key]).as_dict(private=False))


@contextmanager
def providing() -> Iterator[Provider]:
    """A provider that answers on the loopback until the end of the block."""
    made, loop, opened = Provider(), asyncio.new_event_loop(), threading.Event()

    async def begin() -> web.AppRunner:
        runner = web.AppRunner(made.application(), access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        made.issuer = f"http://127.0.0.1:{runner.addresses[0][1]}"
        return runner

    def run() -> None:
        runner = loop.run_until_complete(begin())
        opened.set()
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())
        loop.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert opened.wait(PATIENCE)
    try:
        yield made
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE)
