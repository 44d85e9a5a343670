"""people add, list, role, lock, reset: who may sign in to the admin port, and as what."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.bootstrap import Gateway
from gateway.cli.clients import location_hex
from gateway.cli.printing import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    actor,
    as_json,
    opened,
    table,
    tell,
    tenant_of,
    view_of,
)
from gateway.errors import InvalidConfiguration
from gateway.flow.accounts import Accounts, Made
from gateway.flow.listing import listed_people

app = typer.Typer(no_args_is_help=True, help="Who may sign in to the admin port, and as what.")
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="One person's name, such as maria.lopez.")]
ONCE = "Password and code secret are shown this once. The password must be changed at the first sign-in."


@app.command()
def add(
    name: NameArgument,
    role: Annotated[str, typer.Option(help="admin, integrator, operator, biller, compliance or read-only.")],
    tenant: Annotated[list[str] | None, typer.Option(help="A clinic group they may see; all when none.")] = None,
    view: Annotated[str, typer.Option(help="The view to see records through instead of the role's own.")] = "",
    location: Annotated[list[str] | None, typer.Option(help="Only this clinic's records, as SOURCE:ID.")] = None,
    subject: Annotated[str, typer.Option(help="Who they are at the identity provider (sub): no password here.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    json_: JsonOption = False,
) -> None:
    """Make an account for one person. No two people share one, and a name is never used again."""
    with opened(config) as gateway:
        tenants = [tenant_of(gateway, one) for one in tenant or gateway.tenants]
        if view:
            view_of(gateway, view)
        if location and len(tenants) != 1:
            raise InvalidConfiguration("Clinics belong to one clinic group", where="--location", fix="Name --tenant.")
        places = [location_hex(gateway, tenants[0], one) for one in location or ()]
        made = accounts(gateway).add(
            name, role=role, tenants=tenants, view=view, locations=places, subject=subject, actor=actor()
        )
    _show(name, made, json_=json_)


@app.command("list")
def list_(config: ConfigOption = DEFAULT_CONFIG, json_: JsonOption = False) -> None:
    """Every account: role, clinic groups, how they sign in, and whether it is locked."""
    with opened(config) as gateway:
        found = listed_people(gateway.store, frozenset(gateway.tenants))
    if json_:
        as_json(found)
        return
    columns = ("name", "role", "tenants", "signs_in", "locked_at")
    rows = [[", ".join(one[c]) if c == "tenants" else one[c] for c in columns] for one in found]
    table("People", columns, rows)


@app.command()
def role(
    name: NameArgument,
    role: Annotated[str, typer.Argument(help="The new role.")],
    config: ConfigOption = DEFAULT_CONFIG,
    json_: JsonOption = False,
) -> None:
    """Give somebody another role; their sessions end at once."""
    with opened(config) as gateway:
        accounts(gateway).set_role(name, role, actor())
    tell({"name": name, "role": role}, f"{name} is {role} now.", json_=json_)


@app.command()
def lock(name: NameArgument, config: ConfigOption = DEFAULT_CONFIG, json_: JsonOption = False) -> None:
    """Let somebody in no more; their next request is refused."""
    with opened(config) as gateway:
        accounts(gateway).lock(name, actor())
    tell({"name": name, "locked": True}, f"{name} is locked.", json_=json_)


@app.command()
def reset(name: NameArgument, config: ConfigOption = DEFAULT_CONFIG, json_: JsonOption = False) -> None:
    """Make a new password and code secret for a local account, and unlock it."""
    with opened(config) as gateway:
        made = accounts(gateway).reset(name, actor())
    _show(name, made, json_=json_)


def accounts(gateway: Gateway) -> Accounts:
    """The people of an opened gateway."""
    return Accounts(gateway.store, gateway.vault, gateway.audit, gateway.settings.people, gateway.tenants)


def _show(name: str, made: Made | None, *, json_: bool) -> None:
    if json_:
        as_json({"name": name, "password": made and made.password, "uri": made and made.uri})
        return
    typer.echo(f"account  {name}")
    if made is not None:
        typer.echo(f"password {made.password}\ncode     {made.uri}\n{ONCE}")
