"""Passkeys on the admin port: signing in with one, and one's own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from gateway.access.passkeys import Site
from gateway.errors import AccessRefused, InvalidConfiguration
from gateway.flow.passkeys import Passkeys
from gateway.http.admin_door import AdminDoor, WhoSigned, csrf_token
from gateway.http.admin_sign_in import AT_ONCE, Given, Text, refused, set_cookie
from gateway.http.house import House
from gateway.http.proxies import address_of
from gateway.http.refusal import bad

T = TypeVar("T")
Id = Annotated[str, Field(max_length=1400)]
Small = Annotated[str, Field(max_length=8_000)]
Large = Annotated[str, Field(max_length=100_000)]
Name = Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[^\x00-\x1f\x7f]+$")]


class _Told(BaseModel):
    """What browsers write (``PublicKeyCredential.toJSON``); of what they add, nothing is looked at."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)


class AuthenticatorResponse(_Told):
    """What the authenticator answered: base64url."""

    clientDataJSON: Small = ""  # noqa: N815 - the names of WebAuthn
    attestationObject: Large | None = None  # noqa: N815 - as clientDataJSON
    authenticatorData: Small | None = None  # noqa: N815 - as clientDataJSON
    signature: Small | None = None
    userHandle: Annotated[str, Field(max_length=100)] | None = None  # noqa: N815 - as clientDataJSON


class Credential(_Told):
    """One answer of an authenticator."""

    id: Id
    rawId: Id  # noqa: N815 - as clientDataJSON
    type: Text
    response: AuthenticatorResponse

    def told(self) -> dict[str, Any]:
        """As it was sent."""
        return self.model_dump(exclude_none=True)


class Again(Given):
    """The password once more, before another way in is made."""

    password: Text


class Answered(Given):
    """Somebody's authenticator answered."""

    credential: Credential


class NewPasskey(Answered):
    """A passkey and what its person calls it."""

    name: Name


class Named(Given):
    """One of one's own."""

    name: Name


def passkeys(house: House, door: AdminDoor) -> APIRouter:
    """The routes of ``/session/passkey`` (signing in) and ``/session/passkeys`` (one's own)."""
    router = APIRouter()
    turns = asyncio.Semaphore(AT_ONCE)
    site = Site(urlsplit(house.admin_url).hostname or "", house.admin_url)
    keys = Passkeys(house.store, house.vault, door.accounts, house.tenants[0], site)

    @router.post("/session/passkey/question")
    async def ask() -> Response:
        return _json(await asyncio.to_thread(keys.ask))

    @router.post("/session/passkey")
    async def begin(request: Request, response: Response, given: Answered) -> dict[str, Any]:
        address = address_of(request)
        token = await asyncio.to_thread(keys.sign_in, given.credential.told(), address)
        if token is None:
            raise refused()
        set_cookie(response, token)
        return {"signed_in": True, "csrf": csrf_token(token)}

    @router.get("/session/passkeys")
    async def own(signed: WhoSigned) -> list[dict[str, Any]]:
        return await asyncio.to_thread(keys.of, signed.person)

    @router.post("/session/passkeys/question")
    async def make(signed: WhoSigned, given: Again) -> Response:
        async with turns:
            options = await _done(lambda: keys.begin(signed.person, given.password))
        if options is None:
            raise bad("The password is not right", "password")
        return _json(options)

    @router.post("/session/passkeys")
    async def add(signed: WhoSigned, given: NewPasskey) -> dict[str, str]:
        await _done(lambda: keys.add(signed.person, given.name, given.credential.told()))
        return {"added": given.name}

    @router.post("/session/passkeys/remove")
    async def remove(signed: WhoSigned, given: Named) -> dict[str, Any]:
        await _done(lambda: keys.remove(signed.person, given.name))
        return {"removed": given.name, "signed_in": False}

    return router


async def _done(work: Callable[[], T]) -> T:
    try:
        return await asyncio.to_thread(work)
    except (InvalidConfiguration, AccessRefused) as error:
        raise bad(error.what, error.where, error.fix) from None


def _json(text: str) -> Response:
    return Response(text, 200, media_type="application/json")
