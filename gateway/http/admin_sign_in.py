"""Signing in to the admin port, choosing a password, and signing out."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from gateway.errors import InvalidConfiguration
from gateway.flow.clock import iso
from gateway.http.admin_door import COOKIE, AdminDoor, WhoSigned, csrf_token
from gateway.http.proxies import address_of
from gateway.http.refusal import HttpRefusal, bad

AT_ONCE = 4
"""Sign-ins that are checked at one time: each password takes 46 MiB."""
Text = Annotated[str, Field(max_length=200)]


class Given(BaseModel):
    """A body of the admin port: nothing in it is unknown, and nothing of it is repeated in an error."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class SignIn(Given):
    """What a local account shows."""

    name: Text
    password: Text
    code: Text


class NewPassword(Given):
    """One's own password, changed."""

    old: Text
    new: Text


def sign_in(door: AdminDoor) -> APIRouter:
    """The routes of ``/session``."""
    router = APIRouter()
    turns = asyncio.Semaphore(AT_ONCE)

    @router.post("/session")
    async def begin(request: Request, response: Response, given: SignIn) -> dict[str, Any]:
        address = address_of(request)
        async with turns:
            token = await asyncio.to_thread(door.accounts.sign_in, given.name, given.password, given.code, address)
        if token is None:
            raise refused()
        set_cookie(response, token)
        return {"signed_in": True, "csrf": csrf_token(token)}

    @router.get("/session")
    async def look(request: Request, signed: WhoSigned) -> dict[str, Any]:
        person = signed.person
        return {
            "name": person.name, "role": person.role.name, "powers": sorted(person.role.powers),
            "tenants": sorted(person.tenants), "emergencies": sorted(person.emergencies), "view": person.view,
            "must_change_password": signed.must_change, "since": iso(signed.opened_at),
            "csrf": csrf_token(request.cookies[COOKIE]),
        }  # fmt: skip

    @router.delete("/session")
    async def end(request: Request, response: Response) -> dict[str, bool]:
        await asyncio.to_thread(door.accounts.sign_out, request.cookies[COOKIE])
        response.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="strict")
        return {"signed_in": False}

    @router.post("/session/password")
    async def choose(signed: WhoSigned, given: NewPassword) -> dict[str, bool]:
        async with turns:
            try:
                done = await asyncio.to_thread(door.accounts.choose_password, signed.person, given.old, given.new)
            except InvalidConfiguration as error:
                raise bad(error.what, error.where, error.fix) from None
        if not done:
            raise bad("The old password is not right, or the new one is the same", "old")
        return {"signed_in": False}

    return router


def set_cookie(response: Response, token: str) -> None:
    """Hand over a session: for this host alone, over TLS or this machine's loopback alone, and not to scripts."""
    response.set_cookie(COOKIE, token, path="/", secure=True, httponly=True, samesite="strict")


def refused() -> HttpRefusal:
    """The one answer to whoever may not come in."""
    return HttpRefusal(
        401, "not-signed-in", "Name, password or code is not right, or the account is locked",
        fix="Try again later, or ask whoever keeps the accounts.",
    )  # fmt: skip
