"""The gateway on the command line: the same powers as everywhere else, each with ``--json``."""

from __future__ import annotations

import errno
import sys
from importlib import metadata
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from gateway.cli import (
    accounting,
    agreements,
    auditing,
    backups,
    breakglass,
    certificates,
    certifying,
    claims,
    clients,
    damage,
    denials,
    describing,
    disclosing,
    drift,
    importing,
    keeping,
    keys,
    looking,
    mappings,
    matching,
    operating,
    patients,
    people,
    permits,
    persons,
    quarantine,
    remits,
    reviewing,
    routes,
    simulating,
    sources,
    verifying,
    viewing,
    visits,
    witnessing,
)
from gateway.errors import GatewayError, PluginFailed
from gateway.registry import Registry
from gateway.vault.memory import guard_memory

PANELS = {
    "Set up and run": (
        "init", "check", "serve", "health", "adapters", "mappings", "import", "simulate", "certify",
    ),
    "See what there is": ("messages", "records", "explain", "sources", "sweeps", "patients", "persons"),
    "Work through what waits": (
        "quarantine", "drift", "routes", "claims", "denials", "remits", "accounting", "visits",
    ),
    "Answer for it": (
        "verify", "audit", "disclosures", "breach", "views", "agreements", "witness",
    ),
    "Who may do what": ("clients", "people", "breakglass"),
    "Keep and destroy": ("keys", "backup", "retention", "hold", "shred"),
}  # fmt: skip
"""How help groups the commands."""
_PANEL_OF = {name: panel for panel, names in PANELS.items() for name in names}


class Commands(TyperGroup):
    """Built-in commands; a command that is not built in is the plugin of that name."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # click's own signature
        """Note which command it is, for the power it asks for."""
        permits.told(self.words(ctx, args))
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:  # click's own signature
        """Run the command; exit code 1 where it had to leave out what is damaged."""
        damage.begin()
        found = super().invoke(ctx)
        if damage.met():
            raise typer.Exit(1)
        return found

    def words(self, ctx: Any, args: list[str]) -> list[str]:
        """The words that name a command: a group's own options may stand between them, and are left out."""
        command = self.get_command(ctx, args[0]) if args else None
        if not isinstance(command, TyperGroup):
            return args
        inner = type(ctx)(command, info_name=args[0], parent=ctx)
        return [args[0], *command.make_parser(inner).parse_args(list(args[1:]))[1]]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # click's own signature
        """The built-in command, or the one a plugin of that name offers."""
        found: Any = super().get_command(ctx, cmd_name)
        if found is None and not cmd_name.startswith("-"):
            found = self._offered(cmd_name)
        if found is not None:
            found.rich_help_panel = _PANEL_OF.get(cmd_name, "From plugins")
        return found

    def _offered(self, name: str) -> Any:
        try:
            offered = Registry.load([name]).commands.get(name)
        except PluginFailed:
            return None
        found = None if offered is None else typer.main.get_command(offered)
        if found is not None:
            found.name = name  # for help: it stands under the name of its plugin
        return found

    def list_commands(self, ctx: Any) -> list[str]:  # click's own signature
        """Built-in commands, then those of plugins: every plugin is loaded for this, so only help asks for it."""
        order = {name: place for place, name in enumerate(_PANEL_OF)}
        built_in = sorted(super().list_commands(ctx), key=lambda name: order.get(name, len(order)))
        return [*built_in, *sorted(Registry.load(None).commands)]


app = typer.Typer(
    cls=Commands, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    help="Many systems in, one ledger, every delivery accounted for. `gateway demo` shows all of it with made-up data.",
)  # fmt: skip


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"emr-gateway {metadata.version('emr-gateway')}")
        raise typer.Exit


@app.callback()
def gateway(
    version: Annotated[
        bool, typer.Option("--version", help="Print which version this is.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Many systems in, one ledger, every delivery accounted for."""


operating.register(app)
importing.register(app)
looking.register(app)
disclosing.register(app)
witnessing.register(app)
simulating.register(app)
sources.register(app)
app.add_typer(describing.app, name="adapters")
certifying.register(app)
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(drift.app, name="drift")
app.add_typer(remits.app, name="remits")
matching.register(remits.app)
app.add_typer(claims.app, name="claims")
app.add_typer(denials.app, name="denials")
app.add_typer(accounting.app, name="accounting")
app.add_typer(persons.app, name="persons")
app.add_typer(visits.app, name="visits")
app.add_typer(routes.app, name="routes")
app.add_typer(viewing.app, name="views")
verifying.app.command()(certificates.shred)
app.add_typer(verifying.app, name="verify")
reviewing.register(auditing.app)
app.add_typer(auditing.app, name="audit")
app.add_typer(agreements.app, name="agreements")
app.add_typer(mappings.app, name="mappings")
app.add_typer(clients.app, name="clients")
app.add_typer(keys.app, name="keys")
app.command()(keys.shred)
app.add_typer(backups.app, name="backup")
app.add_typer(keeping.retention, name="retention")
app.add_typer(keeping.hold, name="hold")
app.add_typer(patients.app, name="patients")
app.add_typer(people.app, name="people")
app.add_typer(breakglass.app, name="breakglass")


def main() -> None:
    """Entry point: errors of the gateway, and of files and ports, are told in one line and end with exit code 2."""
    guard_memory()
    try:
        app()
    except GatewayError as error:
        sys.stderr.write(f"gateway: {error}\n")
        sys.exit(2)
    except OSError as error:
        place = "" if error.filename is None else f" at {error.filename}"
        sys.stderr.write(f"gateway: {error.strerror or type(error).__name__}{place}. Fix: {_cure(error)}\n")
        sys.exit(2)


def _cure(error: OSError) -> str:
    if isinstance(error, PermissionError):
        return "Run it as the account that this belongs to, or give this account leave."
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "Make room on that disk."
    return "Name another place, or mend this one."
