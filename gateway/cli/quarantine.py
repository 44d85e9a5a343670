"""quarantine list, show, release."""

from __future__ import annotations

from typing import Annotated

import typer

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
from gateway.flow import quarantine

app = typer.Typer(no_args_is_help=True, help="What cannot proceed, why, and letting it go on.")
HeldId = Annotated[str, typer.Argument(help="The id that `quarantine list` shows.")]


@app.command("list")
def list_(config: ConfigOption = DEFAULT_CONFIG, tenant: TenantOption = "", json_: JsonOption = False) -> None:
    """Everything in quarantine, with reason, place and fix."""
    with opened(config) as gateway:
        name = tenant_of(gateway, tenant)
        found = gateway.store.read_sync(lambda connection: quarantine.held(connection, name))
    if json_:
        as_json(found)
        return
    rows = [(one.id, one.source, one.kind, one.reason, one.place, one.fix) for one in found]
    table("Quarantine", ("id", "source", "kind", "reason", "place", "fix"), rows)


@app.command()
def show(
    held_id: HeldId, config: ConfigOption = DEFAULT_CONFIG, tenant: TenantOption = "", json_: JsonOption = False
) -> None:
    """One entry in full."""
    with opened(config) as gateway:
        name = tenant_of(gateway, tenant)
        found = gateway.store.read_sync(lambda connection: quarantine.held(connection, name))
    one = next((entry for entry in found if entry.id == held_id), None)
    if one is None:
        raise InvalidConfiguration("Nothing of this id is in quarantine", fix="See `gateway quarantine list`.")
    if json_:
        as_json(one)
        return
    for field in one.__struct_fields__:
        typer.echo(f"{field:8} {getattr(one, field)}")


@app.command()
def release(
    held_id: HeldId, config: ConfigOption = DEFAULT_CONFIG, tenant: TenantOption = "", json_: JsonOption = False
) -> None:
    """Try it again, now that its cause is mended; a running gateway takes it up within seconds."""
    with opened(config) as gateway:
        name = tenant_of(gateway, tenant)
        quarantine.release(gateway.store, gateway.audit, name, held_id, actor())
    tell({"released": held_id}, f"released {held_id}", json_=json_)
