"""The audit log on the admin port: search and sums, each look an entry of its own before anything of it is shown."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Depends, Query
from sqlalchemy import Connection

from gateway.audit import Logged, Search, Wanted, summed
from gateway.flow.clock import iso, micros_of
from gateway.http.admin_door import TenantAsked, WhoSigned
from gateway.http.house import House
from gateway.http.reading import PAGE
from gateway.http.records import record_bytes

Word = Annotated[str, Query(max_length=120, pattern=r"^[\w:.@/+-]*$")]
PatientId = Annotated[str, Query(max_length=36)]
Moment = Annotated[datetime | None, Query()]


def _wanted(
    actor: Word = "", action: Word = "", purpose: Word = "", patient: PatientId = "", since: Moment = None,
    until: Moment = None,
) -> Wanted:  # fmt: skip
    """What is asked for; what is left out does not matter. A moment without a zone is UTC."""
    if patient:
        record_bytes(patient)
    return Wanted(
        actor=actor, action=action, purpose=purpose, patient=patient, since=_utc(since), until=_utc(until)
    )  # fmt: skip


Asked = Annotated[Wanted, Depends(_wanted)]


def examined(house: House) -> APIRouter:
    """What `gateway audit search` and `gateway audit report` show, for whoever may read the log."""
    router = APIRouter()

    async def note(tenant: str, actor: str, purpose: str, patient: str) -> None:
        entry = house.audit.entry(
            tenant, action="read", actor=actor, purpose=purpose, patients=[patient] if patient else [],
            outcome="listed",
        )  # fmt: skip
        await house.store.write(lambda connection: house.audit.append(connection, entry))

    @router.get("/audit")
    async def search(
        tenant: TenantAsked, signed: WhoSigned, wanted: Asked,
        limit: Annotated[int, Query(ge=1, le=PAGE)] = 100, before: Annotated[int | None, Query(ge=0)] = None,
    ) -> Any:  # fmt: skip
        await note(tenant, signed.person.actor, "audit-search", wanted.patient)
        found = await house.store.read(partial(_page, tenant=tenant, wanted=wanted, before=before, most=limit + 1))
        page = found[:limit]
        more = page[-1].entry if len(found) > limit else None
        return {"entries": msgspec.to_builtins(page), "next": more}

    @router.get("/audit/sums")
    async def sums(
        tenant: TenantAsked, signed: WhoSigned, wanted: Asked, per: Literal["actor", "day"] = "actor"
    ) -> Any:  # fmt: skip
        await note(tenant, signed.person.actor, "audit-report", wanted.patient)
        found = await house.store.read(lambda c: summed(Search(c, tenant, wanted).found(), per))
        return msgspec.to_builtins(found)

    return router


def _page(connection: Connection, tenant: str, wanted: Wanted, before: int | None, most: int) -> list[Logged]:
    return list(islice(Search(connection, tenant, wanted).found(before), most))


def _utc(at: datetime | None) -> str:
    if at is None:
        return ""
    return iso(micros_of(at if at.tzinfo else at.replace(tzinfo=UTC)))
