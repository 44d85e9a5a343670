"""The bearer token of client credentials: asked for anew a minute before it ends, and after a 401."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import msgspec
from yarl import URL

from gateway.errors import InvalidConfiguration, SourceUnavailable
from gateway.transport.http import COUNTS_FROM, HttpClient
from gateway.transport.kept_key import KeptSecret
from gateway.wire.json_decoder import decoder
from gateway_spry.config import SpryConfig

TOKEN = "/apis/v2/oauth/token"  # noqa: S105 - a path
_EARLY = 60.0
"""Seconds before its end that a token is replaced."""


class _Answered(msgspec.Struct, frozen=True):
    access_token: str
    expires_in: float = 3600.0
    clinic_id_list: tuple[str | int, ...] = ()


_answered = decoder(_Answered)


class ClientToken:
    """The credential of the API, asked for over a client of its own."""

    def __init__(self, config: SpryConfig, client: HttpClient, clock: Callable[[], float] = time.time) -> None:
        if config.client_id is None or config.client_secret is None:
            raise InvalidConfiguration(
                "The API needs a client id and secret", where="client_id", fix="Set both in the source."
            )
        self._form = {
            "grant_type": "client_credentials", "client_id": config.client_id, "scope": "read write",
        }  # fmt: skip
        self._secret = KeptSecret(config.client_secret)
        self._url = URL(f"{config.base_url}{TOKEN}")
        self._client = client
        self._clock = clock
        self._token = ""
        self._until = 0.0
        self._clinics: tuple[str, ...] = ()

    async def headers(self) -> Mapping[str, str]:
        """The bearer token."""
        if not self._token or self._clock() >= self._until:
            await self._renew()
        return {"Authorization": f"Bearer {self._token}"}

    async def clinics(self) -> tuple[str, ...]:
        """Ids of the clinics that the token is for."""
        await self.headers()
        return self._clinics

    def refused(self) -> bool:
        """The next attempt asks for another token."""
        self._token = ""
        return True

    async def _renew(self) -> None:
        form = self._form | {"client_secret": self._secret.now()}
        answer = await self._client.request("POST", self._url, expect={200, 400, 401}, form=form)
        if answer.status != 200:
            raise SourceUnavailable(
                "The vendor gives us no access token", where=str(self._url.host),
                fix=f"Check client_id and its secret; a new one counts {COUNTS_FROM}.",
            )  # fmt: skip
        try:
            found = _answered(answer.body)
        except msgspec.DecodeError:
            raise SourceUnavailable("The token endpoint answers no token", where=str(self._url.host)) from None
        self._token = found.access_token
        self._clinics = tuple(str(one) for one in found.clinic_id_list)
        self._until = self._clock() + max(found.expires_in - _EARLY, 1.0)
