"""Lists for people: what came in and how the routes stand, the same on the command line and on the admin port."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection

from gateway.flow.clock import EPOCH, iso, micros_of
from gateway.flow.retry import SCHEDULE
from gateway.settings import Route
from gateway.store import messages, passkeys, people, route_states
from gateway.store.opening import Store


def newest_messages(store: Store, tenant: str, limit: int, before: int | None = None) -> list[dict[str, Any]]:
    """The newest messages, or those below an id, and what became of them; their content stays sealed."""
    rows = store.read_sync(lambda connection: messages.latest(connection, tenant, limit=limit, before=before))
    return [
        {
            "id": row.message_id, "source": row.source, "kind": row.kind, "control_id": row.control_id,
            "received_at": iso(row.received_at), "answer": row.answer, "conflict": row.conflict,
            "repeat_of": row.repeat_of, "outcome": row.outcome or "pending", "reason": row.reason or row.fault,
            "place": row.place, "changes": row.changes or 0,
        }
        for row in rows
    ]  # fmt: skip


def route_standing(store: Store, route: Route) -> dict[str, Any]:
    """State, waiting and last error of one route, as far as the store knows them, and when it tries again."""

    def read(connection: Connection) -> dict[str, Any]:
        stored = route_states.standing(connection, route.tenant, route.name)
        return {"state": route_states.state_of(connection, route.tenant, route.name), **stored}

    stands = store.read_sync(read)
    due = stands["next_due"]
    shown = iso(due) if due is not None and due < micros_of(EPOCH.replace(year=9999)) else ""
    steps = list(route.retries or SCHEDULE)
    return {
        "name": route.name, "tenant": route.tenant, "sink": route.sink, **stands, "next_due": shown, "retries": steps,
    }  # fmt: skip


def listed_people(store: Store, tenants: frozenset[str]) -> list[dict[str, Any]]:
    """Accounts that may see any of these clinic groups: who, with which role, since when, and how they sign in."""
    held = store.read_sync(passkeys.counts)
    return [
        {
            "name": row.person, "role": row.role, "tenants": sorted(tenants & set(json.loads(row.tenants))),
            "view": row.view, "locations": len(json.loads(row.locations)),
            "signs_in": "identity provider" if row.subject else "password and code",
            "passkeys": held.get(row.person, 0),
            "password_chosen": not row.temporary, "created_at": iso(row.created_at),
            "locked_at": None if row.locked_at is None else iso(row.locked_at),
        }
        for row in store.read_sync(people.everyone)
        if tenants & set(json.loads(row.tenants))
    ]  # fmt: skip
