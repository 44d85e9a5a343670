"""breakglass start, end, list, review: the emergency role, and the look that somebody else must take at each use."""

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
from gateway.flow.breakglass import Glass, Verdict

app = typer.Typer(no_args_is_help=True, help="The emergency role: taken with a reason, and always reviewed.")
UseArgument = Annotated[str, typer.Argument(metavar="USE", help="The id that `breakglass list` shows.")]


@app.command()
def start(
    reason: Annotated[str, typer.Option(help="Why, in words; it is kept sealed.")],
    minutes: Annotated[int, typer.Option(min=1, max=240, help="For how long.")] = 60,
    config: ConfigOption = DEFAULT_CONFIG,
    tenant: TenantOption = "",
    json_: JsonOption = False,
) -> None:
    """Take the emergency role now; the compliance officer is told, and must review it."""
    with opened(config) as gateway:
        most = gateway.settings.people.emergency_minutes
        use = _glass(gateway).break_(tenant_of(gateway, tenant), reason, minutes, most)
    tell(use, f"{use.id}: the emergency role is yours until {use.ends_at}; every look is logged.", json_=json_)


@app.command()
def end(
    use: UseArgument, config: ConfigOption = DEFAULT_CONFIG, tenant: TenantOption = "", json_: JsonOption = False
) -> None:
    """Give the emergency role back before its time is over."""
    with opened(config) as gateway:
        _glass(gateway).end(tenant_of(gateway, tenant), use)
    tell({"ended": use}, f"{use} is over.", json_=json_)


@app.command("list")
def list_(
    config: ConfigOption = DEFAULT_CONFIG,
    tenant: TenantOption = "",
    all_: Annotated[bool, typer.Option("--all", help="Those that have been reviewed as well.")] = False,
    json_: JsonOption = False,
) -> None:
    """Uses that wait for a review, with their reasons; exit code 1 when one is overdue. The look is logged."""
    with opened(config) as gateway:
        found = _glass(gateway).uses(tenant_of(gateway, tenant), pending=not all_)
    if json_:
        as_json(found)
    else:
        columns = ("id", "actor", "started_at", "ends_at", "reason", "verdict", "overdue")
        table("Uses of the emergency role", columns, [[getattr(one, column) for column in columns] for one in found])
    if any(one.overdue for one in found):
        raise typer.Exit(1)


@app.command()
def review(
    use: UseArgument,
    verdict: Annotated[str, typer.Option(help="justified or unjustified.")],
    config: ConfigOption = DEFAULT_CONFIG,
    tenant: TenantOption = "",
    json_: JsonOption = False,
) -> None:
    """Judge one use. Nobody reviews their own."""
    found = _verdict(verdict)
    with opened(config) as gateway:
        _glass(gateway).review(tenant_of(gateway, tenant), use, found)
    tell({"reviewed": use, "verdict": found}, f"{use}: {found}.", json_=json_)


def _glass(gateway: Gateway) -> Glass:
    return Glass(gateway.store, gateway.vault, gateway.audit, actor())


def _verdict(text: str) -> Verdict:
    if text == "justified":
        return "justified"
    if text == "unjustified":
        return "unjustified"
    raise InvalidConfiguration("This is not a verdict", where="--verdict", fix="Write justified or unjustified.")
