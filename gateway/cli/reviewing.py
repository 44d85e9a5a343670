"""audit access-review: everybody and everything that can get patient data, what each may see, and when it last did."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from sqlalchemy import Connection

from gateway.access.roles import built_in_roles
from gateway.audit import Search, Wanted, summed
from gateway.bootstrap import Gateway
from gateway.cli.agreements import without_agreement
from gateway.cli.auditing import note
from gateway.cli.permits import role_of
from gateway.cli.printing import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    TenantOption,
    as_csv,
    as_json,
    opened,
    table,
    tenant_of,
)
from gateway.flow.clock import iso, micros
from gateway.flow.listing import listed_people
from gateway.store import clients

COLUMNS = (
    "kind", "name", "role", "recipient", "view", "fields", "purpose", "keys", "since", "until", "last_seen",
    "agreement", "made_by",
)  # fmt: skip
PEOPLE = ("cli:", "user:", "console:", "person:")
NOBODY = ""


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(access_review)


def access_review(
    config: ConfigOption = DEFAULT_CONFIG,
    tenant: TenantOption = "",
    csv_: Annotated[bool, typer.Option("--csv", help="Print CSV, to be signed and kept.")] = False,
    json_: JsonOption = False,
) -> None:
    """Every route, client and person: what it may see, under which keys, and when it was last in the log.

    Exit code 1 when there is a client or an account that nobody made by the log: somebody wrote it into the database.
    """
    with opened(config) as gateway:
        name = tenant_of(gateway, tenant)
        note(gateway, name, "access-review", "")
        found = principals(gateway, name)
    rows = [[one[column] for column in COLUMNS] for one in found]
    if json_:
        as_json({"tenant": name, "principals": found})
    elif csv_:
        as_csv(COLUMNS, rows)
    else:
        table(f"Who can get patient data of {name}", COLUMNS, rows)
    strange = [one for one in found if one["made_by"] == NOBODY]
    for one in strange:
        typer.echo(f"PROBLEM {one['kind']} {one['id']}: by the audit log nobody made it", err=csv_ or json_)
    if strange:
        raise typer.Exit(1)


def principals(gateway: Gateway, tenant: str) -> list[dict[str, Any]]:
    """Routes, clients and accounts as they are kept and configured, then everybody else whom the log has seen."""
    seen = {
        one.who: one for one in gateway.store.read_sync(lambda c: summed(Search(c, tenant, Wanted()).found(), "actor"))
    }
    lacking = {(one["kind"], one["name"]) for one in without_agreement(gateway, tenant, micros())}
    found = [_route(gateway, route, lacking) for route in gateway.settings.routes if route.tenant == tenant]
    made = _made(gateway, tenant)
    found += _clients(gateway, tenant, lacking, made)
    found += _accounts(gateway, tenant, made)
    named = {_actor(one) for one in found}
    commands = {who for who in seen if who.startswith("cli:")}
    commands |= {f"cli:{name}" for name in gateway.settings.people.command_line}
    found += [_of_machine(gateway, who) for who in sorted(commands)]
    found += [_row("person" if who.startswith(PEOPLE) else "part", who) for who in sorted(set(seen) - named - commands)]
    for one in found:
        last = seen.get(_actor(one))
        one["last_seen"] = None if last is None else last.last
    return found


def _actor(one: dict[str, Any]) -> str:
    return f"{one['kind']}:{one['id']}" if one["kind"] in {"route", "client"} else str(one["name"])


def _row(kind: str, name: str, **more: Any) -> dict[str, Any]:
    return {"kind": kind, "name": name, "id": name} | dict.fromkeys(COLUMNS[2:], None) | more


def _route(gateway: Gateway, route: Any, lacking: set[tuple[str, str]]) -> dict[str, Any]:
    return _row(
        "route", route.name, recipient=route.recipient, view=route.view, fields=_fields(gateway, route.view),
        purpose=route.purpose, agreement=("route", route.name) not in lacking,
    )  # fmt: skip


def _made(gateway: Gateway, tenant: str) -> dict[str, str]:
    """Who made each client and account, by the log."""

    def found(connection: Connection) -> dict[str, str]:
        return {
            f"{kind}:{name}": one.actor
            for action, kind, column in (("client", "client", "clients"), ("account", "person", "people"))
            for one in Search(connection, tenant, Wanted(action=action)).found()
            if one.outcome == "added"
            for name in one.rows.get(column, ())
        }

    return gateway.store.read_sync(found)


def _accounts(gateway: Gateway, tenant: str, made: dict[str, str]) -> list[dict[str, Any]]:
    """People of the admin port; a view of their own stands before that of their role."""
    found = []
    for one in listed_people(gateway.store, frozenset({tenant})):
        name, view = f"person:{one['name']}", one["view"] or built_in_roles().role(one["role"]).view
        found.append(
            _row(
                "person", name, role=one["role"], view=view or None, fields=_fields(gateway, view),
                keys=one["passkeys"], since=one["created_at"], until=one["locked_at"], made_by=made.get(name, NOBODY),
            )
        )  # fmt: skip
    return found


def _of_machine(gateway: Gateway, who: str) -> dict[str, Any]:
    """An account of the operating system, which acts by commands."""
    role = role_of(gateway.settings, who)
    return _row("person", who, role=None if role is None else role.name)


def _clients(
    gateway: Gateway, tenant: str, lacking: set[tuple[str, str]], made: dict[str, str]
) -> list[dict[str, Any]]:
    kept = gateway.store.read_sync(clients.secrets)
    return [
        _row(
            "client", row.name, id=row.client, recipient=row.recipient, view=row.view,
            fields=_fields(gateway, row.view), purpose=row.purpose,
            keys=len([one for one in kept if one.client == row.client and (one.expires_at or micros() + 1) > micros()])
            + len(json.loads(row.jwks)["keys"] if row.jwks else ()),
            since=iso(row.created_at), until=None if row.revoked_at is None else iso(row.revoked_at),
            agreement=("client", row.client) not in lacking, made_by=made.get(f"client:{row.client}", NOBODY),
        )
        for row in gateway.store.read_sync(clients.everyone)
        if row.tenant == tenant
    ]  # fmt: skip


def _fields(gateway: Gateway, view: str) -> int:
    found = gateway.views.get(view)
    return 0 if found is None else sum(len(fields) for fields in found.grants.values())
