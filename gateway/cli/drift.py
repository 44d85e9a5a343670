"""drift list, show, accept: what sources show otherwise than before, and what to do about it."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.bootstrap import Gateway
from gateway.cli.printing import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    TenantOption,
    actor,
    as_json,
    opened,
    table,
    tell,
    tenant_of,
)
from gateway.errors import InvalidConfiguration
from gateway.flow.drift_release import accept as accept_drift
from gateway.flow.drift_report import Drifted, drifted

app = typer.Typer(no_args_is_help=True, help="Fields that changed their form at a source.")
AlarmId = Annotated[str, typer.Argument(help="The id that `drift list` shows.")]


@app.command("list")
def list_(
    config: ConfigOption = DEFAULT_CONFIG,
    tenant: TenantOption = "",
    all_: Annotated[bool, typer.Option("--all", help="Accepted and resolved ones too.")] = False,
    json_: JsonOption = False,
) -> None:
    """Open alarms, with how many messages showed each and how many fields are held for it; exit code 1 with any."""
    with opened(config) as gateway:
        found = _drifted(gateway, tenant_of(gateway, tenant))
    shown = [one for one in found if all_ or one.state == "open"]
    if json_:
        as_json(shown)
    else:
        columns = ("id", "source", "kind", "place", "what", "state", "messages", "held", "fields")
        rows = [[*(getattr(one, name) for name in columns[:-1]), ", ".join(one.fields)] for one in shown]
        table("Drift", columns, rows)
    if any(one.state == "open" for one in found):
        raise typer.Exit(1)


@app.command()
def show(
    alarm: AlarmId, config: ConfigOption = DEFAULT_CONFIG, tenant: TenantOption = "", json_: JsonOption = False
) -> None:
    """One alarm in full, with what to do and lines that can be pasted into an overlay."""
    with opened(config) as gateway:
        one = _named(_drifted(gateway, tenant_of(gateway, tenant)), alarm)
    if json_:
        as_json(one)
        return
    for name in ("id", "source", "kind", "place", "what", "state", "messages", "held", "since", "last"):
        typer.echo(f"{name:9} {getattr(one, name)}")
    for name in ("fields", "codes", "types"):
        if getattr(one, name):
            typer.echo(f"{name:9} {', '.join(getattr(one, name))}")
    typer.echo(f"\n{one.advice}")
    if one.overlay:
        typer.echo("\n" + "\n".join(one.overlay))


@app.command()
def accept(
    alarm: AlarmId, config: ConfigOption = DEFAULT_CONFIG, tenant: TenantOption = "", json_: JsonOption = False
) -> None:
    """Take it for how this source's records look from now on; what is held for it is read again within seconds."""
    with opened(config) as gateway:
        name = tenant_of(gateway, tenant)
        one = _named(_drifted(gateway, name), alarm)
        key = {"tenant": name, "source": one.source, "kind": one.kind, "place": one.place, "what": one.what}
        count = accept_drift(gateway.store, gateway.audit, key, actor(), one.id)
    sentence = f"accepted {one.id}; messages that are read again: {count}"
    tell({"accepted": one.id, "messages": count}, sentence, json_=json_)


def _drifted(gateway: Gateway, tenant: str) -> list[Drifted]:
    return gateway.store.read_sync(lambda connection: drifted(connection, tenant, gateway.origins))


def _named(found: list[Drifted], alarm: str) -> Drifted:
    one = next((each for each in found if each.id == alarm), None)
    if one is None:
        raise InvalidConfiguration("There is no such alarm of drift", where=alarm[:40], fix="See `gateway drift list`.")
    return one
