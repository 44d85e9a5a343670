"""backup create, backup verify, backup restore: copies that are worth something because they were tried."""

from __future__ import annotations

import tempfile
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from gateway import backup
from gateway.cli.printing import DEFAULT_CONFIG, ConfigOption, JsonOption, actor, as_json, opened, read, tell
from gateway.cli.verifying import ledgers, reports
from gateway.flow.ledger import totals

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
        for tenant in gateway.tenants:
            entry = gateway.audit.entry(tenant, action="backup", actor=actor(), purpose="operations", outcome="made")
            gateway.audit.commit(entry)
    tell(made, f"{len(made.data)} files in {to}, {len(made.keys)} in {keys_to}.", json_=json_)


@app.command()
def verify(
    from_: FromOption, keys_from: KeysFromOption, config: ConfigOption = DEFAULT_CONFIG, json_: JsonOption = False
) -> None:
    """Restore a backup elsewhere, recount its ledger and prove its audit log; exit code 1 when it is not whole."""
    read(config)
    with (
        tempfile.TemporaryDirectory(prefix="gateway-rehearsal-") as folder,
        closing(backup.rehearse(config, from_, keys_from, Path(folder))) as gateway,
    ):
        gateway.sequence()
        summary, audited = totals(ledgers(gateway)), reports(gateway)
    valid = all(one.valid for one in audited) and not summary["unaccounted"]
    if json_:
        as_json({"valid": valid, "ledger": summary, "audit": audited})
    else:
        typer.echo(f"{summary['messages_accepted']} messages, {summary['unaccounted']} rows unaccounted.")
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
    settings, _ = read(config)
    lines = [
        *backup.restore(settings, from_, keys_from, replace=replace),
        "An older store lacks audit entries that the witness saw: `gateway audit acknowledge` takes that on.",
    ]
    tell({"done": lines}, "\n".join(lines), json_=json_)
