"""The door of the admin port: whose session a request is, and whether its role has what the route asks for.

It stands before every route at once, so no handler can forget it. A request that changes something must come from a
page of the port itself: its origin is checked, and it carries a token that only somebody who can read the session's
own answers knows.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Iterator, Sequence
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.routing import BaseRoute

from gateway.access.person import Person
from gateway.access.roles import built_in_roles
from gateway.flow.accounts import Accounts, Signed
from gateway.http.admin_table import OPEN, SIGNED, TABLE, UNCHANGED, Need
from gateway.http.house import House
from gateway.http.refusal import HttpRefusal, missing

COOKIE = "__Host-gateway"
CSRF = "x-gateway-csrf"
LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
_SAFE = frozenset({"GET", "HEAD"})
_SITES = frozenset({"", "same-origin", "none"})


class AdminDoor:
    """Lets people in; one per admin port."""

    def __init__(self, house: House) -> None:
        self.accounts = Accounts(house.store, house.vault, house.audit, house.people, house.tenants)
        self._house = house
        own = urlsplit(house.people.admin_url).hostname
        self._hosts = LOCAL | ({own} if own else frozenset())

    async def enter(self, request: Request) -> None:
        """Refuse the request, or note on it who asks and for which clinic group."""
        need = TABLE[request.method, request.scope["route"].path]
        self._check_origin(request)
        if need is OPEN:
            return
        token = request.cookies.get(COOKIE, "")
        signed = await asyncio.to_thread(self.accounts.session, token) if token else None
        if signed is None:
            raise HttpRefusal(401, "not-signed-in", "Nobody is signed in, or the session is over", fix="Sign in.")
        if request.method not in _SAFE and not hmac.compare_digest(
            request.headers.get(CSRF, "").encode(), csrf_token(token).encode()
        ):
            raise HttpRefusal(403, "forged", "The request does not carry the session's token", where=CSRF)
        if signed.must_change and (request.method, request.scope["route"].path) not in UNCHANGED:
            raise HttpRefusal(403, "password-made", "The password was made for you", fix="Choose your own first.")
        request.state.signed = signed
        request.state.need = need
        if need is not SIGNED:
            await self._admit(request, signed, need)

    async def _admit(self, request: Request, signed: Signed, need: Need) -> None:
        person = signed.person
        asked = request.query_params.get("tenant", "")
        tenant = asked or (next(iter(person.tenants)) if len(person.tenants) == 1 else "")
        if tenant not in person.tenants:
            raise missing("There is no such clinic group, or none that you may see")
        request.state.tenant = tenant
        if may(person, need.power, tenant):
            return
        entry = self._house.audit.entry(
            tenant, action="refuse", actor=person.actor, purpose=need.purpose, outcome=need.power
        )
        await self._house.store.write(lambda connection: self._house.audit.append(connection, entry))
        raise HttpRefusal(
            403,
            "not-allowed",
            "Your role does not have this power",
            where=need.power,
            fix="Ask an admin for one that has.",
        )

    def _check_origin(self, request: Request) -> None:
        """Nobody else's page may speak to this port, not even by a name that was made to lead here."""
        try:
            host = urlsplit(f"//{request.headers.get('host', '')}").hostname
            origin = request.headers.get("origin")
            strange = origin is not None and urlsplit(origin).netloc != request.headers.get("host")
        except ValueError:
            host, strange = None, True
        if host not in self._hosts:
            raise HttpRefusal(421, "other-host", "The admin port does not answer to this name", where="Host")
        foreign = request.headers.get("sec-fetch-site", "") not in _SITES
        if (strange or foreign) and request.scope["route"].path != "/oidc/callback":
            raise HttpRefusal(403, "forged", "The request comes from another site", where="Origin")


def may(person: Person, power: str, tenant: str) -> bool:
    """Whether somebody has a power at a clinic group, by their role or because they broke the glass there."""
    broken = tenant in person.emergencies and power in built_in_roles().emergency.powers
    return tenant in person.tenants and (power in person.role.powers or broken)


def view_of(person: Person, tenant: str) -> str:
    """The name of the view through which somebody sees a clinic group's records; empty for none."""
    return built_in_roles().emergency.view if tenant in person.emergencies else person.view


def csrf_token(token: str) -> str:
    """What a request that changes something must carry beside the cookie: bound to the session, and no way back."""
    return hmac.new(token.encode(), b"gateway csrf", hashlib.sha256).hexdigest()


def check_table(routes: Sequence[BaseRoute]) -> None:
    """Every route has its line in the table.

    Raises:
        LookupError: one has none; the port must not open.
    """
    for method, path in listed(routes):
        if (method, path) not in TABLE:
            raise LookupError(f"{method} {path} is not in gateway/http/admin_table.py")


def listed(routes: Sequence[BaseRoute]) -> Iterator[tuple[str, str]]:
    """Method and path of every route; what is no plain route is told with an empty method, which no table has."""
    for context in iter_route_contexts(routes):
        plain = isinstance(context.original_route, APIRoute)
        for method in (context.methods if plain else None) or {""}:
            yield method, context.path or ""


async def _entered(request: Request) -> None:
    await request.app.state.admin_door.enter(request)


def _signed(request: Request) -> Signed:
    found: Signed = request.state.signed
    return found


def _tenant(request: Request) -> str:
    found: str = request.state.tenant
    return found


ENTERED = Depends(_entered)
"""A dependency of the whole port."""
WhoSigned = Annotated[Signed, Depends(_signed)]
TenantAsked = Annotated[str, Depends(_tenant)]
