"""Who asks: the bearer key or token of a request becomes a principal, and its quota is counted."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import Annotated

from fastapi import Depends, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from gateway.http import tokens
from gateway.http.directory import Client, Directory, Principal
from gateway.http.house import House
from gateway.http.quota import Quotas
from gateway.http.refusal import HttpRefusal

_bearer = HTTPBearer(auto_error=False, description="An API key (egw_...) or an access token (egt_...).")


class Door:
    """Lets clients in; one per port."""

    def __init__(self, house: House) -> None:
        self.directory = Directory(house.store, house.views, frozenset(house.tenants), agreements=house.agreements)
        self._vault = house.vault
        self._quotas = Quotas()

    async def enter(self, bearer: str, response: Response) -> Principal:
        """The principal behind a key or token.

        Raises:
            HttpRefusal: 401 when it is nobody's, expired or revoked; 429 when its quota is used up.
        """
        client, asked = await self._client(bearer)
        if client is None:
            raise _unknown()
        response.headers.update(self._quotas.spend(client.id, client.quota))
        key = None if bearer.startswith(tokens.PREFIX) else bearer
        principal = replace(self.directory.principal(client), check=partial(self._still, client.id, key))
        return principal if asked is None else principal.narrowed(asked)

    async def _still(self, name: str, key: str | None) -> None:
        """Refuse a client that would not be let in any more. A token's own end is no reason: it begins requests."""
        client = await (self.directory.by_id(name) if key is None else self.directory.by_key(key))
        if client is None:
            raise _unknown()
        self.directory.principal(client)

    async def _client(self, bearer: str) -> tuple[Client | None, tuple[str, ...] | None]:
        if not bearer.startswith(tokens.PREFIX):
            return await self.directory.by_key(bearer), None
        named = tokens.client_of(bearer)
        client = None if named is None else await self.directory.by_id(named)
        token = None if client is None else tokens.verify(self._vault, client.tenant, bearer, int(time.time()))
        if client is None or token is None or token.client != client.id:
            return None, None
        return client, token.scopes


def _unknown() -> HttpRefusal:
    return HttpRefusal(
        401, "not-authenticated", "The key or token is unknown, has expired or was revoked",
        where="Authorization", fix="Ask for a new token, or the gateway's operator for a new key.",
        headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
    )  # fmt: skip


async def _entered(
    request: Request, response: Response, given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> Principal:
    if given is None:
        raise HttpRefusal(
            401, "not-authenticated", "A bearer key or token is needed", where="Authorization",
            fix="Send it as Authorization: Bearer <key>.", headers={"WWW-Authenticate": "Bearer"},
        )  # fmt: skip
    door: Door = request.app.state.door
    principal = await door.enter(given.credentials, response)
    request.state.told = dict(response.headers)
    return principal


Entered = Annotated[Principal, Depends(_entered)]
"""A parameter of every handler that shows records."""
