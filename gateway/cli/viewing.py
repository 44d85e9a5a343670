"""views: what each grants and to whom, what of it is used, and which narrower one would do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from gateway.access import View
from gateway.bootstrap import Gateway
from gateway.cli.printing import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    TenantOption,
    as_json,
    opened,
    table,
    tenant_of,
    view_of,
)
from gateway.flow.view_usage import Usage, usage
from gateway.store import clients, view_usage

app = typer.Typer(invoke_without_command=True, help="What each view grants, to whom, and what of it is used.")


@app.callback()
def views(context: typer.Context, config: ConfigOption = DEFAULT_CONFIG, json_: JsonOption = False) -> None:
    """Every view: what it is for, what it grants, and the routes and clients that have it."""
    if context.invoked_subcommand is not None:
        return
    with opened(config) as gateway:
        found = [_described(gateway, view) for _, view in sorted(gateway.views.items())]
    if json_:
        as_json(found)
        return
    columns = ("view", "types", "fields", "routes", "clients", "summary")
    table("Views", columns, [[_shown(row[column]) for column in columns] for row in found])


@app.command("usage")
def usage_(
    name: Annotated[str, typer.Argument(metavar="[VIEW]", help="One view; every view in use when not given.")] = "",
    tenant: TenantOption = "",
    config: ConfigOption = DEFAULT_CONFIG,
    json_: JsonOption = False,
) -> None:
    """Fields granted, sent and asked for, and the narrower view that would have done; no value is looked at."""
    with opened(config) as gateway:
        chosen = tenant_of(gateway, tenant)
        if name:
            view_of(gateway, name, "views usage")
        found = list(_usages(gateway, chosen, name))
    if json_:
        as_json(found)
        return
    for one in found:
        _print(one)


def _usages(gateway: Gateway, tenant: str, name: str) -> Iterator[Usage]:
    sent = gateway.store.read_sync(lambda c: list(view_usage.sent(c, tenant)))
    fetched = gateway.store.read_sync(lambda c: list(view_usage.fetched(c, tenant)))
    for view in gateway.views.values():
        routes, asking = _routes(gateway, view, tenant), _clients(gateway, view, tenant)
        if view.name == name or (not name and (routes or asking)):
            yield usage(view, routes, asking, sent, fetched)


def _routes(gateway: Gateway, view: View, tenant: str = "") -> list[str]:
    return [one.name for one in gateway.settings.routes if one.view == view.name and tenant in {"", one.tenant}]


def _clients(gateway: Gateway, view: View, tenant: str = "") -> list[str]:
    rows = gateway.store.read_sync(clients.everyone)
    return [row.client for row in rows if row.view == view.name and tenant in {"", row.tenant}]


def _described(gateway: Gateway, view: View) -> dict[str, Any]:
    return {
        "view": view.name, "summary": view.summary, "version": view.version, "deidentified": view.veiled,
        "types": len(view.grants), "fields": sum(map(len, view.grants.values())), "grants": view.grants,
        "native_ids": sorted(view.native),
        "routes": _routes(gateway, view), "clients": _clients(gateway, view),
    }  # fmt: skip


def _print(found: Usage) -> None:
    rows = [
        (kind, path, found.sent.get(kind, {}).get(path, 0), found.asked.get(kind, 0), _verdict(found, kind, path))
        for kind, paths in found.granted.items()
        for path in paths
    ]
    table(f"View {found.view}", ("type", "field", "sent", "asked for", ""), rows)
    if found.unused and found.proposal:
        typer.echo(f"\n[views.{found.view}-narrow]   # what was used, and nothing else")
        for kind, paths in found.proposal.items():
            named = ", ".join(f'"{path}"' for path in paths)
            typer.echo(f"{kind} = [{named}]")


def _verdict(found: Usage, kind: str, path: str) -> str:
    return "never used" if path in found.unused.get(kind, ()) else ""


def _shown(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)
