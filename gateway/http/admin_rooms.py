"""What people may ask on the admin port: the reading commands of the command line, under their role and their view."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import msgspec
from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import Field

from gateway.errors import InvalidConfiguration
from gateway.flow import listing, quarantine
from gateway.flow.breakglass import Glass, Verdict
from gateway.flow.explain import Explainer
from gateway.http import lines
from gateway.http.admin_door import TenantAsked, WhoSigned, view_of
from gateway.http.admin_sign_in import Given, Text
from gateway.http.directory import Client, Principal
from gateway.http.house import House
from gateway.http.lines import End
from gateway.http.reading import PAGE, Reader
from gateway.http.records import patient_of, record_bytes, seen
from gateway.http.refusal import bad, missing
from gateway.store import reading

T = TypeVar("T")
TypeName = Annotated[str, Path(pattern="^[A-Z][A-Za-z]{1,39}$")]
RecordId = Annotated[str, Path(max_length=36)]


class Held(Given):
    """What is to be released."""

    id: Text


class Reason(Given):
    """Why the emergency role is taken, and for how long."""

    reason: Annotated[str, Field(max_length=1000)]
    minutes: Annotated[int, Field(ge=1, le=240)] = 60


class UseId(Given):
    """One use of the emergency role."""

    id: Text


class Judged(UseId):
    """What a review found."""

    verdict: Verdict


@dataclass(frozen=True)
class Colleague(Principal):
    """A person of the house: to show them a record discloses it to nobody outside, but each look is logged."""

    person: str = ""

    @property
    def actor(self) -> str:
        """Their name in the audit log."""
        return self.person

    @property
    def discloses(self) -> bool:
        """Nothing leaves the house."""
        return False


def rooms(house: House) -> APIRouter:
    """Messages, quarantine and routes: nothing here opens anything."""
    router = APIRouter()

    @router.get("/messages")
    async def messages(
        tenant: TenantAsked,
        limit: Annotated[int, Query(ge=1, le=PAGE)] = 50,
        before: Annotated[int | None, Query(ge=1, lt=2**63)] = None,
    ) -> list[dict[str, Any]]:
        return await asyncio.to_thread(listing.newest_messages, house.store, tenant, limit, before)

    @router.get("/quarantine")
    async def held(
        tenant: TenantAsked,
        limit: Annotated[int, Query(ge=1, le=PAGE)] = PAGE,
        before: Annotated[str, Query(pattern="^(m[0-9]{1,18})?$")] = "",
    ) -> Any:
        return msgspec.to_builtins(await house.store.read(lambda c: quarantine.page(c, tenant, limit, before)))

    @router.get("/quarantine/one")
    async def show(tenant: TenantAsked, id: Annotated[str, Query(max_length=200)]) -> Any:
        try:
            return msgspec.to_builtins(await house.store.read(lambda c: quarantine.one_held(c, tenant, id)))
        except InvalidConfiguration:
            raise missing() from None

    @router.post("/quarantine/release")
    async def release(tenant: TenantAsked, signed: WhoSigned, given: Held) -> dict[str, str]:
        await _done(lambda: quarantine.release(house.store, house.audit, tenant, given.id, signed.person.actor))
        return {"released": given.id}

    @router.get("/routes")
    async def routes(tenant: TenantAsked) -> list[dict[str, Any]]:
        mine = [route for route in house.routes if route.tenant == tenant]
        return await asyncio.to_thread(lambda: [listing.route_standing(house.store, route) for route in mine])

    @router.get("/people")
    async def people(tenant: TenantAsked) -> list[dict[str, Any]]:
        return await asyncio.to_thread(listing.listed_people, house.store, frozenset({tenant}))

    return router


def opened_rooms(house: House) -> APIRouter:
    """Records and explanations: what opens something, through the person's view."""
    router = APIRouter()

    @router.get("/records/{type}")
    async def records(
        request: Request,
        type: TypeName,
        patient: Annotated[str, Query(max_length=36)] = "",
        limit: Annotated[int, Query(ge=1, le=PAGE)] = 50,
    ) -> Response:
        principal = _principal(house, request)
        seen(principal, type)
        owner = patient_of(principal, type, patient) if patient else None
        wanted = reading.Wanted(type, owner, locations=tuple(principal.client.locations))
        rows = await house.store.read(lambda c: reading.listed(c, principal.tenant, wanted, None, limit))
        shown = await Reader(house, principal).show(rows, list)
        body = lines.framed("records", [lines.record_line(one) for one in shown], End(more=len(rows) == limit))
        return Response(body, 200, media_type="application/json")

    @router.get("/records/{type}/{id}")
    async def record(request: Request, type: TypeName, id: RecordId) -> Response:
        principal = _principal(house, request)
        seen(principal, type)
        reader = Reader(house, principal)
        rows = await house.store.read(lambda c: reading.newest(c, principal.tenant, [record_bytes(id)]))
        rows = [row for row in rows if row.type == type and row.kind != "removed" and reader.visible(row)]
        shown = await reader.show(rows, list)
        if not shown:
            raise missing()
        return Response(lines.record_line(shown[0]), 200, media_type="application/json")

    @router.get("/explain/{id}/{field}")
    async def explain(request: Request, id: RecordId, field: Annotated[str, Path(max_length=80)]) -> Any:
        principal = _principal(house, request)
        reader = Reader(house, principal)
        rows = await house.store.read(lambda c: reading.newest(c, principal.tenant, [record_bytes(id)]))
        top = re.split(r"[.\[]", field, maxsplit=1)[0]
        # The steps of an explanation tell all that the source said of a field, so a part of it is not enough.
        if not any(reader.visible(row) and top in principal.view.grants.get(row.type, ()) for row in rows):
            raise missing()
        explainer = Explainer(
            principal.tenant, house.store, house.vault, house.audit, dict(house.origins), principal.actor
        )
        return msgspec.to_builtins(await _done(lambda: explainer.explain(id, field)))

    return router


def emergency(house: House) -> APIRouter:
    """Breaking the glass, and its reviews."""
    router = APIRouter()

    def glass(signed: WhoSigned) -> Glass:
        return Glass(house.store, house.vault, house.audit, signed.person.actor)

    @router.post("/breakglass")
    async def take(tenant: TenantAsked, signed: WhoSigned, given: Reason) -> Any:
        most = house.people.emergency_minutes
        use = await _done(lambda: glass(signed).break_(tenant, given.reason, given.minutes, most))
        return msgspec.to_builtins(use)

    @router.post("/breakglass/end")
    async def end(tenant: TenantAsked, signed: WhoSigned, given: UseId) -> dict[str, str]:
        await _done(lambda: glass(signed).end(tenant, given.id))
        return {"ended": given.id}

    @router.get("/breakglass")
    async def uses(tenant: TenantAsked, signed: WhoSigned, *, pending: bool = True) -> Any:
        return msgspec.to_builtins(await _done(lambda: glass(signed).uses(tenant, pending=pending)))

    @router.post("/breakglass/review")
    async def review(tenant: TenantAsked, signed: WhoSigned, given: Judged) -> dict[str, str]:
        await _done(lambda: glass(signed).review(tenant, given.id, given.verdict))
        return {"reviewed": given.id, "verdict": given.verdict}

    return router


async def _done(work: Callable[[], T]) -> T:
    """Do it in a thread; what a person asked for wrongly is their request's fault, not the gateway's."""
    try:
        return await asyncio.to_thread(work)
    except InvalidConfiguration as error:
        raise bad(error.what, error.where, error.fix) from None


def _principal(house: House, request: Request) -> Principal:
    person, tenant = request.state.signed.person, request.state.tenant
    view = house.views.get(view_of(person, tenant))
    if view is None:
        raise missing("There is no view through which you may see records")
    client = Client(
        id=person.name, tenant=tenant, view=view.name, purpose=_purpose(request.state.need, person.emergencies, tenant),
        recipient="", scopes=(), locations=person.locations, hook_hosts=frozenset(), quota=0, jwks="", revoked=False,
    )  # fmt: skip
    return Colleague(client, view, frozenset(view.grants), person=person.actor)


def _purpose(need: Any, emergencies: frozenset[str], tenant: str) -> str:
    return "emergency" if tenant in emergencies else str(need.purpose)
