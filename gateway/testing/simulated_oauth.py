"""An OAuth 2.0 token endpoint that rotates refresh tokens and believes only the newest one."""

from __future__ import annotations

import base64
import itertools
import time

from aiohttp import web


class SimulatedOAuth:
    """Access and refresh tokens of one connection; everything in them is made up."""

    client = ("simulated-client", "simulated-secret")

    def __init__(self, lifetime: float = 3600.0) -> None:
        self.lifetime = lifetime
        """Seconds that an access token is good for."""
        self.refresh_token = "refresh-0"  # noqa: S105 - a made-up token of a simulator
        self.refreshed = 0
        """How often tokens were given."""
        self._numbers = itertools.count(1)
        self._access: dict[str, float] = {}

    async def token(self, request: web.Request) -> web.Response:
        """Answer a refresh: Basic credentials, form body; an older refresh token is ``invalid_grant``."""
        expected = base64.b64encode(":".join(self.client).encode()).decode()
        form = await request.post()
        if request.headers.get("authorization") != f"Basic {expected}":
            return web.json_response({"error": "invalid_client"}, status=401)
        if form.get("grant_type") != "refresh_token" or form.get("refresh_token") != self.refresh_token:
            return web.json_response({"error": "invalid_grant"}, status=400)
        number = next(self._numbers)
        self.refresh_token, access = f"refresh-{number}", f"access-{number}"
        self.refreshed += 1
        self._access = {access: time.monotonic() + self.lifetime}
        return web.json_response(
            {"access_token": access, "token_type": "bearer", "expires_in": self.lifetime,
             "refresh_token": self.refresh_token}
        )  # fmt: skip

    def admits(self, request: web.Request) -> bool:
        """Whether a request carries an access token that is good now."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        return scheme == "Bearer" and self._access.get(token, 0.0) > time.monotonic()

    def expire(self) -> None:
        """End every access token now."""
        self._access.clear()
