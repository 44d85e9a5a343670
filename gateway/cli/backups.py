"""backup create, backup verify, backup restore: copies that are worth something because they were tried."""

from __future__ import annotations

import tempfile
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from gateway import backup
from gateway.bootstrap import Gateway
from gateway.cli.permits import may, refusal
from gateway.cli.printing import DEFAULT_CONFIG, ConfigOption, JsonOption, actor, as_json, opened, read, tell
from gateway.cli.verifying import keys_lost, ledgers, reports
from gateway.flow.ledger import totals
from gateway.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Sealed copies of everything, and whether they can be restored.")
FromOption = Annotated[Path, typer.Option("--from", help="Folder of the backup's data.")]
KeysFromOption = Annotated[Path, typer.Option(help="Folder of the backup's keys.")]


@app.command()
def create(
    to: Annotated[Path, typer.Option(help="A new folder for data and settings.")],
    keys_to: Annotated[Path, typer.Option(help="A new folder elsewhere for the keystore, heads and shred list.")],
    config: ConfigOption = DEFAULT_CONFIG,
    json_: JsonOption = False,
) -> None:
    """Write a backup, also while the gateway serves; the root key is in none of it."""
    with opened(config) as gateway:
        made = backup.create(gateway, config, to, keys_to)
        _log(gateway, "made")
    tell(made, f"{len(made.data)} files in {to}, {len(made.keys)} in {keys_to}.", json_=json_)


@app.command()
def verify(
    from_: FromOption, keys_from: KeysFromOption, config: ConfigOption = DEFAULT_CONFIG, json_: JsonOption = False
) -> None:
    """Restore a backup elsewhere, recount its ledger and prove its audit log; exit code 1 when it is not whole."""
    _permitted(config)
    with (
        tempfile.TemporaryDirectory(prefix="gateway-rehearsal-") as folder,
        closing(backup.rehearse(config, from_, keys_from, Path(folder))) as gateway,
    ):
        gateway.sequence()
        summary, audited, lost = totals(ledgers(gateway)), reports(gateway), keys_lost(gateway)
    valid = all(one.valid for one in audited) and not summary["unaccounted"] and not lost
    if json_:
        as_json({"valid": valid, "ledger": summary, "audit": audited, "lost_keys": lost})
    else:
        typer.echo(f"{summary['messages_accepted']} messages, {summary['unaccounted']} rows unaccounted.")
        if lost:
            typer.echo(
                f"{len(lost)} keys are missing or changed, and with them {sum(one.values for one in lost)} values."
            )
        typer.echo("The backup can be restored." if valid else "The backup is not whole.")
    if not valid:
        raise typer.Exit(1)


@app.command()
def restore(
    from_: FromOption,
    keys_from: KeysFromOption,
    config: ConfigOption = DEFAULT_CONFIG,
    replace: Annotated[bool, typer.Option("--replace", help="Move a store that is there aside.")] = False,
    json_: JsonOption = False,
) -> None:
    """Put a backup in place; a keystore that is there stays, so whoever was shredded since stays so."""
    lines = [
        *backup.restore(_permitted(config), from_, keys_from, replace=replace),
        "An older store lacks audit entries that the witness saw: `gateway audit acknowledge` takes that on.",
    ]
    with opened(config) as gateway:
        _log(gateway, "restored")
    tell({"done": lines}, "\n".join(lines), json_=json_)


def _permitted(config: Path) -> Settings:
    """The settings, if this account may run the command.

    A role that has the power needs no store, which may be what was lost. Any other is answered by the store that is
    there, in whose audit log the refusal is written.
    """
    settings, _ = read(config)
    if not may(settings, actor()):
        if settings.store.url == "embedded" and not (settings.data.directory / backup.DATA).exists():
            raise refusal(actor())  # opening would make an empty store
        with opened(config):
            pass
    return settings


def _log(gateway: Gateway, outcome: str) -> None:
    """Tell the audit log of every clinic group what was done with a backup."""
    for tenant in gateway.tenants:
        entry = gateway.audit.entry(tenant, action="backup", actor=actor(), purpose="operations", outcome=outcome)
        gateway.audit.commit(entry)
