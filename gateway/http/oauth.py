"""The authorization server of all machine clients: SMART Backend Services, and a client secret for simple ones."""

from __future__ import annotations

import base64
import binascii
import time
from typing import Annotated, Any
from urllib.parse import parse_qsl, unquote_plus

from fastapi import APIRouter, Header, Request
from fastapi.responses import JSONResponse

from gateway.access import assertion, scopes
from gateway.errors import AccessRefused
from gateway.http import tokens
from gateway.http.directory import Client
from gateway.http.door import Door
from gateway.http.house import House
from gateway.http.refusal import HttpRefusal
from gateway.store import clients

PATH = "/oauth/token"
_FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "application/x-www-form-urlencoded": {
                "schema": {
                    "type": "object",
                    "required": ["grant_type"],
                    "properties": {
                        "grant_type": {"const": "client_credentials"},
                        "scope": {"type": "string", "example": "system/Appointment.rs system/Patient.rs"},
                        "client_assertion_type": {"const": assertion.TYPE},
                        "client_assertion": {"type": "string", "description": "signed with RS384 or ES384"},
                        "client_id": {"type": "string"},
                        "client_secret": {"type": "string"},
                    },
                }
            }
        },
    }
}


class OAuthRefusal(HttpRefusal):
    """A refusal in the form of RFC 6749, section 5.2."""


def oauth(house: House, door: Door) -> APIRouter:
    """``POST /oauth/token``."""
    router = APIRouter(tags=["oauth"])
    endpoint = f"{house.url}{PATH}"

    @router.post(PATH, summary="An access token for 300 seconds", openapi_extra=_FORM, responses=_ANSWERS)
    async def token(
        request: Request, authorization: Annotated[str, Header(include_in_schema=False)] = ""
    ) -> JSONResponse:
        form = _form(await request.body(), request.headers.get("content-type", ""))
        if "grant_type" not in form:
            raise OAuthRefusal(400, "invalid_request", "The grant_type is missing", fix="Ask for client_credentials.")
        if form["grant_type"] != "client_credentials":
            raise OAuthRefusal(400, "unsupported_grant_type", "Only client_credentials is offered", where="grant_type")
        asked = tuple(form.get("scope", "").split())
        client, jti = await _client(door, form, authorization, endpoint)
        principal = door.directory.principal(client)
        given = scopes.granted(asked, client.scopes) if asked else client.scopes or ("system/*.rs",)
        given = tuple(one for one in given if scopes.known(one, principal.view.grants))
        if not given:
            raise OAuthRefusal(400, "invalid_scope", "None of these scopes is this client's", where="scope")
        await _note(house, client, jti)
        access = tokens.issue(house.vault, client.tenant, client.id, given, int(time.time()))
        return JSONResponse(
            {
                "access_token": access, "token_type": "bearer", "expires_in": tokens.SECONDS, "scope": " ".join(given),
            },
            headers={"Pragma": "no-cache"},
        )  # fmt: skip

    return router


_ANSWERS: dict[int | str, dict[str, Any]] = {
    400: {"description": "The request is wrong, as RFC 6749 tells it"},
    401: {"description": "The client is unknown, or did not prove who it is"},
}


def _form(body: bytes, content_type: str) -> dict[str, str]:
    if content_type.partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        raise OAuthRefusal(400, "invalid_request", "The body must be a form", where="Content-Type")
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=30, strict_parsing=True)
    except ValueError:
        raise OAuthRefusal(400, "invalid_request", "The body is not a form", where="body") from None
    form = dict(pairs)
    if len(form) != len(pairs):
        raise OAuthRefusal(400, "invalid_request", "A parameter is given twice", where="body")
    return form


async def _client(
    door: Door, form: dict[str, str], authorization: str, endpoint: str
) -> tuple[Client, assertion.Assertion | None]:
    """The client, by its assertion or by its secret."""
    given = form.get("client_assertion")
    if given is not None:
        if form.get("client_assertion_type") != assertion.TYPE:
            raise OAuthRefusal(400, "invalid_request", "The assertion's type is not that of RFC 7523")
        named = assertion.claimed_client(given)
        client = None if named is None else await door.directory.by_id(named)
        if client is None or not client.jwks:
            raise _unknown()
        try:
            return client, assertion.verify(given, client.jwks, client.id, endpoint, int(time.time()))
        except AccessRefused as error:
            raise OAuthRefusal(
                401, "invalid_client", error.what, where=error.where, fix=error.fix,
                headers={"WWW-Authenticate": "Bearer"},
            ) from None  # fmt: skip
    name, secret = _basic(authorization) or (form.get("client_id", ""), form.get("client_secret", ""))
    client = await door.directory.by_key(secret)
    if client is None or client.id != name:
        raise _unknown()
    return client, None


def _basic(header: str) -> tuple[str, str] | None:
    scheme, _, text = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, _, secret = base64.b64decode(text, validate=True).decode("ascii").partition(":")
    except (binascii.Error, ValueError):
        return None
    return unquote_plus(name), unquote_plus(secret)


def _unknown() -> OAuthRefusal:
    return OAuthRefusal(
        401, "invalid_client", "The client is unknown, revoked, or did not prove who it is",
        headers={"WWW-Authenticate": 'Basic realm="gateway"'},
    )  # fmt: skip


async def _note(house: House, client: Client, used: assertion.Assertion | None) -> None:
    """Write that a token was given, and that its assertion is used up, in one commit before the token leaves."""
    entry = house.audit.entry(
        client.tenant, action="token", actor=f"client:{client.id}", purpose=client.purpose, outcome="issued"
    )
    now = int(time.time())

    def unit(connection: Any) -> bool:
        if used is not None and not clients.use_assertion(connection, client.id, used.jti, used.expires_at, now):
            return False
        house.audit.append(connection, entry)
        return True

    if not await house.store.write(unit):
        raise OAuthRefusal(
            401, "invalid_client", "This assertion was used before", where="jti", fix="Sign a new one.",
            headers={"WWW-Authenticate": "Bearer"},
        )  # fmt: skip
