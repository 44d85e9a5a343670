"""Push for those who ask for it: REST hooks under ``/v1/hooks``, and FHIR's Subscription (rest-hook) under ``/fhir``.

A client may name addresses of the hosts that its registration lists, and types that its view and scopes let through.
What is sent is the work of the delivery engine, with the client's view, on the patients' disclosure lists; it ends with
the subscription, and with the client.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets as chance
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple
from urllib.parse import urlsplit

import msgspec
from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from gateway.errors import InvalidConfiguration
from gateway.flow.addresses import Address, Addresses
from gateway.flow.clock import iso, micros
from gateway.flow.route import Filter
from gateway.flow.subscriptions import kept, secret
from gateway.http.directory import Principal
from gateway.http.door import Entered
from gateway.http.fhir import searchset
from gateway.http.fhir_facade import answer, json_wanted, only_these, types_of
from gateway.http.fhir_search import place_name
from gateway.http.house import House
from gateway.http.refusal import HttpRefusal, bad, missing
from gateway.model.fhir_places import RESOURCES
from gateway.store import subscriptions
from gateway.store.rows import Found
from gateway.transport.egress import Egress
from gateway.wire.fhir_values import text

MOST = 50
"""Subscriptions of one client."""
Id = Annotated[str, Path(pattern="^[0-9a-f]{16}$")]
_ENDPOINT = "channel.endpoint"
_OFFERED = frozenset({"resourceType", "id", "meta", "text", "status", "contact", "reason", "criteria", "channel"})
_CHANNEL = frozenset({"id", "type", "endpoint", "payload", "header"})
_AUTHORIZATION = re.compile(r"authorization: *([!-~](?:[ -~]{0,1998}[!-~])?)", re.ASCII | re.IGNORECASE)


class Kept(NamedTuple):
    """What a new subscription's row says in the clear."""

    subscription: str
    types: str
    content: str
    created_at: int


class Hook(BaseModel):
    """What a client asks to be told of."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    url: str = Field(max_length=2000, description="Where to POST: https, at a host of the client's registration.")
    types: list[str] = Field(default=[], max_length=50, description="Record types; all it may see if none.")
    payload: Literal["full", "thin"] = Field(
        default="full", description="full sends the granted fields; thin sends ids, to be fetched."
    )


def hooks_of_clients(house: House) -> APIRouter:
    """``/v1/hooks``: subscribe, list, rotate, unsubscribe."""
    router = APIRouter(prefix="/v1/hooks", tags=["hooks"])

    @router.post("", summary="Subscribe", status_code=201)
    async def subscribe(principal: Entered, hook: Hook) -> Response:
        unknown = [name for name in hook.types if name not in principal.types]
        if unknown:
            raise bad("There is no such record type, or none that this client may see", "types")
        types = hook.types or sorted(principal.types)
        row = await _keep(house, principal, Address(hook.url), types, hook.payload, "url")
        shown = _shown(row, hook.url) | {"secret": secret(house.vault, principal.tenant, row.subscription, 0)}
        return JSONResponse(shown, 201)

    @router.get("", summary="This client's subscriptions")
    async def list_(principal: Entered) -> Response:
        rows = [row for row in await _mine(house, principal) if not row.asked]
        addresses = await _addresses(house, principal, rows)
        return JSONResponse(
            {"hooks": [_shown(row, addresses[row.subscription].url) for row in rows if row.subscription in addresses]}
        )

    @router.post("/{id}/rotate", summary="A new signing secret; the old one signs too for a day")
    async def rotate(principal: Entered, id: Id) -> Response:
        row = await _one(house, principal, id)
        address = await _address(house, principal, row)
        await _write(house, principal, "rotated", lambda c: subscriptions.rotate(c, principal.tenant, id, micros()))
        made = secret(house.vault, principal.tenant, id, row.generation + 1)
        return JSONResponse(_shown(row, address.url) | {"secret": made})

    @router.delete("/{id}", summary="Unsubscribe", status_code=204)
    async def unsubscribe(principal: Entered, id: Id) -> Response:
        await _end(house, principal, id)
        return Response(status_code=204)

    return router


def fhir_subscriptions(house: House) -> APIRouter:
    """``/fhir/Subscription``: rest-hook without content, after which the client fetches what it may see."""
    router = APIRouter(prefix="/fhir/Subscription", tags=["fhir"], dependencies=[Depends(json_wanted)])

    @router.post("", summary="Subscribe", status_code=201)
    async def create(request: Request, principal: Entered) -> Response:
        only_these(request, ())
        asked = _subscription(await request.body())
        channel, criteria = asked["channel"], asked["criteria"]
        resource = criteria.removesuffix("?")
        if resource not in RESOURCES:
            raise HttpRefusal(
                422, "criteria", "Only a resource type can be subscribed to, without parameters", where="criteria",
                fix="Write Appointment? and search for what you want when you are told.",
            )  # fmt: skip
        types = [name for name in types_of(principal, resource) if name in principal.types]
        told = {"criteria": criteria, "reason": (text(asked.get("reason")) or "")[:500]}
        address = Address(channel["endpoint"], json.dumps(told), _authorization(channel.get("header", [])))
        row = await _keep(house, principal, address, types, "empty", _ENDPOINT)
        where = f"{house.url}/fhir/Subscription/{row.subscription}"
        return answer(_resource(row.subscription, address), 201, {"Location": where})

    @router.get("", summary="This client's subscriptions")
    async def search(request: Request, principal: Entered) -> Response:
        only_these(request, ())
        rows = [row for row in await _mine(house, principal) if row.asked]
        addresses = await _addresses(house, principal, rows)
        made = [_resource(name, addresses[name]) for row in rows if (name := row.subscription) in addresses]
        return answer(searchset(f"{house.url}/fhir", "Subscription", made))

    @router.head("/{id}", include_in_schema=False)
    @router.get("/{id}", summary="Read")
    async def read(request: Request, principal: Entered, id: Id) -> Response:
        only_these(request, ())
        row = await _one(house, principal, id, fhir=True)
        return answer(_resource(id, await _address(house, principal, row)))

    @router.delete("/{id}", summary="Unsubscribe", status_code=204)
    async def delete(principal: Entered, id: Id) -> Response:
        await _end(house, principal, id, fhir=True)
        return Response(status_code=204)

    return router


def _subscription(body: bytes) -> dict[str, Any]:
    """A Subscription that can be served.

    Raises:
        HttpRefusal: it is none, or asks for another channel, or for content.
    """
    try:
        asked = msgspec.json.decode(body)
        channel = asked["channel"]
        right = asked["resourceType"] == "Subscription" and isinstance(asked["criteria"], str)
        right = right and isinstance(channel["endpoint"], str) and isinstance(channel["type"], str)
        right = right and isinstance(asked.get("reason", ""), str)
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError):
        right, channel = False, {}
    if not right:
        raise bad("This is not a Subscription", "body", "It needs criteria, channel.type and channel.endpoint.")
    more = [*sorted(set(asked) - _OFFERED), *(f"channel.{name}" for name in sorted(set(channel) - _CHANNEL))]
    if more:  # end above all: who writes it counts on silence afterwards
        raise HttpRefusal(
            422, "not-offered", "A Subscription with this element cannot be kept", where=place_name(more[0]),
            fix="Leave it out; a Subscription lasts until it is deleted.",
        )  # fmt: skip
    if asked.get("status", "requested") not in {"requested", "active"}:
        raise HttpRefusal(422, "not-offered", "A new Subscription is requested", where="status", fix="Write requested.")
    if channel["type"] != "rest-hook" or channel.get("payload"):
        raise HttpRefusal(
            422, "channel", "Only rest-hook without payload is offered", where="channel",
            fix="Leave payload out: the notification is empty; fetch what changed.",
        )  # fmt: skip
    return dict(asked)


def _authorization(headers: Any) -> str:
    """What the endpoint wants to be shown; it is sent to nobody else, and not told again."""
    if headers == []:
        return ""
    found = _AUTHORIZATION.fullmatch(headers[0]) if isinstance(headers, list) and isinstance(headers[0], str) else None
    if found is None or len(headers) > 1:
        raise HttpRefusal(
            422, "channel", "Only one header is offered, Authorization", where="channel.header",
            fix="Write Authorization: Bearer <token>, or leave header out.",
        )  # fmt: skip
    return found[1]


async def _keep(
    house: House, principal: Principal, address: Address, types: list[str], content: str, where: str
) -> Kept:
    _check(house, principal, address.url, where)
    if len(await _mine(house, principal)) >= MOST:
        raise HttpRefusal(409, "too-many-hooks", f"A client has at most {MOST} subscriptions", fix="End some of them.")
    made = Kept(chance.token_hex(8), " ".join(sorted(set(types))), content, micros())
    addresses = Addresses(house.store, house.vault, house.audit)
    row: dict[str, Any] = {
        "tenant": principal.tenant, "client": principal.client.id, **made._asdict(),
        "url": await asyncio.to_thread(addresses.seal, principal.tenant, made.subscription, address),
        "asked": "fhir" if address.asked else "", "generation": 0, "rotated_at": 0, "ended_at": None,
    }  # fmt: skip
    chosen = Filter(frozenset(types), frozenset(), principal.client.locations)
    await _write(house, principal, "subscribed", lambda c: kept(c, row, chosen))
    return made


def _check(house: House, principal: Principal, url: str, where: str) -> None:
    """Refuse an address that is not this client's, or that no patient data may go to."""
    try:
        host = urlsplit(url).hostname or ""
        Egress(url, allow_loopback=house.settings.hook_loopback, where=where)
    except InvalidConfiguration as error:
        raise bad(error.what, where, error.fix) from None
    except ValueError:
        raise bad("This is not a URL", where, "Write https://host/path.") from None
    if host.lower() not in principal.client.hook_hosts:
        raise HttpRefusal(
            403, "host-not-registered", "The client's registration does not list this host", where=where,
            fix="Ask the gateway's operator to register it: `gateway clients add --hook-host`.",
        )  # fmt: skip


async def _mine(house: House, principal: Principal) -> Sequence[Found]:
    return await house.store.read(lambda c: subscriptions.of_client(c, principal.tenant, principal.client.id))


async def _addresses(house: House, principal: Principal, rows: Sequence[Found]) -> Mapping[str, Address]:
    opened = Addresses(house.store, house.vault, house.audit).open
    return await asyncio.to_thread(opened, principal.tenant, rows, principal.actor)


async def _address(house: House, principal: Principal, row: Found) -> Address:
    found = (await _addresses(house, principal, [row])).get(row.subscription)
    if found is None:
        raise missing()  # it was damaged: it can be ended, and asked for anew
    return found


async def _one(house: House, principal: Principal, id: str, *, fhir: bool = False) -> Found:
    found = [row for row in await _mine(house, principal) if row.subscription == id and bool(row.asked) == fhir]
    if not found:
        raise missing()
    return found[0]


async def _end(house: House, principal: Principal, id: str, *, fhir: bool = False) -> None:
    await _one(house, principal, id, fhir=fhir)
    await _write(house, principal, "unsubscribed", lambda c: subscriptions.end(c, principal.tenant, id, micros()))


async def _write(house: House, principal: Principal, outcome: str, unit: Any) -> None:
    """Change a subscription and write so in the tenant's audit log, in one commit."""
    entry = house.audit.entry(
        principal.tenant, action="client", actor=principal.actor, purpose="operations",
        outcome=outcome, clients=[principal.client.id],
    )  # fmt: skip

    def write(connection: Connection) -> None:
        unit(connection)
        house.audit.append(connection, entry)

    await house.store.write(write)


def _shown(row: Kept | Found, url: str) -> dict[str, Any]:
    return {
        "id": row.subscription, "url": url, "types": row.types.split(), "payload": row.content,
        "created_at": iso(row.created_at),
    }  # fmt: skip


def _resource(id: str, address: Address) -> dict[str, Any]:
    asked = json.loads(address.asked)
    return {
        "resourceType": "Subscription", "id": id, "status": "active", "criteria": asked["criteria"],
        "reason": asked["reason"] or "not given", "channel": {"type": "rest-hook", "endpoint": address.url},
    }  # fmt: skip
