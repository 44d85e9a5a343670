"""verify ledger, verify audit: the first two promises as commands; exit code 1 when something does not add up."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from gateway.audit import AuditReport, export_bundle, standalone, verify_audit
from gateway.audit.findings import fixes
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
    tenant_of,
)
from gateway.cli.problems import broken, print_fixes, print_problems
from gateway.errors import IntegrityViolated, PageUnreadable
from gateway.flow.contents import MEND
from gateway.flow.ledger import Ledger, recount_tenant, totals
from gateway.flow.lost_keys import LostKey, lost_keys
from gateway.flow.sealed_check import check_sealed

app = typer.Typer(no_args_is_help=True, help="Recount everything, and prove the audit log.")


def ledgers(gateway: Gateway) -> list[Ledger]:
    """The recount of every tenant, each in one snapshot."""
    return [gateway.store.read_sync(partial(recount_tenant, tenant=tenant)) for tenant in gateway.tenants]


def keys_lost(gateway: Gateway) -> list[LostKey]:
    """Keys of every tenant that something rests on and that open nothing any more."""
    return [one for tenant in gateway.tenants for one in lost_keys(gateway.store, gateway.vault.keystore, tenant)]


def reports(gateway: Gateway) -> list[AuditReport]:
    """The recount of every tenant's audit log, against what all of its witnesses have."""
    found = []
    witnesses = gateway.witnesses()
    for tenant, seal in gateway.seals.items():
        heard = asyncio.run(witnesses.heads(tenant))
        beside = seal.witness.notes()
        recount = partial(
            verify_audit, tenant=tenant, public_keys=[seal.signer.public_key], witness_notes=beside + heard.heads,
            silent=heard.silent, gone=heard.gone, beside=beside,
        )  # fmt: skip
        found.append(gateway.store.read_sync(recount))
    return found


@app.command()
def ledger(config: ConfigOption = DEFAULT_CONFIG, json_: JsonOption = False) -> None:
    """Nothing lost: recount messages, changes and deliveries from their rows, and name what is missing.

    Every page of the embedded store is checked too, by its MAC under the file's key, and on PostgreSQL every row by its
    own; so is every key that holds a value.
    """
    found: list[Ledger] = []
    lost: list[LostKey] = []
    with opened(config) as gateway:
        pages = gateway.store.damaged_pages()
        try:
            found, lost = ledgers(gateway), keys_lost(gateway)
        except PageUnreadable:  # what cannot be read cannot be recounted; the pages tell why
            if not pages:
                raise
    summary = totals(found)
    if json_:
        told = {"tenants": found, "recounted": bool(found), "damaged_pages": pages, "lost_keys": lost}
        as_json(summary | told | {"fixes": broken([problem for one in found for problem in one.problems])})
    else:
        for one in found:
            _print(one)
        for key in lost:
            typer.echo(
                f"PROBLEM key-{key.reason}: keystore, key {key.key_id} of {key.tenant}: {key.values} values rest on it"
            )
        for page in pages:
            typer.echo(f"PROBLEM damaged-page: gateway.db: {page}")
        if lost:
            typer.echo("The keystore was changed or is damaged. Restore the keystore of a backup.")
        if pages:
            typer.echo("The store's file was changed or is damaged. Restore a backup: gateway backup restore.")
            if not found:
                typer.echo("Until then the ledger cannot be recounted.")
    if summary["unaccounted"] or pages or lost:
        raise typer.Exit(1)


def _print(one: Ledger) -> None:
    suppressed, quarantined = sum(one.suppressed.values()), sum(one.quarantined.values())
    typer.echo(
        f"{one.tenant}: {one.accepted} messages accepted = {one.normalized} normalized + {suppressed} suppressed"
        f" + {quarantined} quarantined + {one.pending} pending ({one.refused} more refused at the door)"
    )
    table(
        f"{one.changes} changes in the journal",
        ("route", "matching", "delivered", "suppressed", "quarantined", "expired", "pending"),
        [
            (
                route.route, route.matching, route.delivered, sum(route.suppressed.values()),
                sum(route.quarantined.values()), route.expired, route.pending,
            )
            for route in one.routes
        ],
    )  # fmt: skip
    print_problems(one.problems)
    typer.echo("Everything is accounted for." if not one.problems else f"{one.unaccounted} rows do not add up.")


@app.command()
def records(config: ConfigOption = DEFAULT_CONFIG, tenant: TenantOption = "", json_: JsonOption = False) -> None:
    """Nothing changed: open every message and version of a record, and name what is not what was sealed.

    It finds what counting cannot: a value that was changed where no row is missing. The looks are logged.
    """
    with opened(config) as gateway:
        names = [tenant_of(gateway, tenant)] if tenant else gateway.tenants
        found = [check_sealed(gateway.store, gateway.vault, gateway.audit, name, actor()) for name in names]
    if json_:
        as_json({"whole": not any(one.damaged for one in found), "tenants": found})
    else:
        for one in found:
            typer.echo(
                f"{one.tenant}: {one.messages} messages, {one.envelopes} envelopes, {one.versions} versions of records"
                f" and {one.groups} groups of reactors open,"
                f" {one.shredded} were shredded, {len(one.damaged)} damaged"
            )
            for bad in one.damaged:
                typer.echo(f"PROBLEM {bad['reason']}: {bad['type']} {bad['id']} version {bad['version']}")
        if any(one.damaged for one in found):
            typer.echo(f"Fix: {MEND}")
    if any(one.damaged for one in found):
        raise typer.Exit(1)


@app.command()
def audit(
    config: ConfigOption = DEFAULT_CONFIG,
    export: Annotated[Path | None, typer.Option(help="Also write a bundle for the standalone verifier.")] = None,
    offline: Annotated[Path | None, typer.Option(help="Check this bundle or proof instead; needs no gateway.")] = None,
    key: Annotated[list[str] | None, typer.Option(help="With --offline: a verifier key to trust.")] = None,
    witness: Annotated[list[Path] | None, typer.Option(help="With --offline: notes that a witness kept.")] = None,
    json_: JsonOption = False,
) -> None:
    """Nothing hidden: prove that no entry of the audit log was changed, removed, added or reordered."""
    if offline is not None:
        raise typer.Exit(standalone.main([str(offline), *_options("--key", key), *_options("--witness", witness)]))
    with opened(config) as gateway:
        with suppress(IntegrityViolated):  # the report says it better, and says everything
            gateway.sequence()
        found = reports(gateway)
        if export is not None:
            with export.open("w", encoding="utf-8") as out:
                for tenant, seal in gateway.seals.items():
                    keys = [seal.signer.public_key]
                    gateway.store.read_sync(partial(export_bundle, tenant=tenant, public_keys=keys, out=out))
    valid = all(one.valid for one in found)
    told = fixes(finding.reason for one in found for finding in one.findings)
    if json_:
        as_json({"audit_valid": valid, "tenants": found, "fixes": told})
    else:
        for one in found:
            typer.echo(
                f"{one.tenant}: {one.rows} entries, {one.leaves} in the tree, {one.checkpoints} signed heads,"
                f" {one.witnessed} confirmed by the witness"
            )
            for finding in one.findings:
                typer.echo(f"PROBLEM {finding.reason}: {finding.what}: {finding.where}")
        print_fixes(told)
        typer.echo("The audit log is whole." if valid else "The audit log was tampered with or is damaged.")
    if not valid:
        raise typer.Exit(1)


def _options(name: str, values: Sequence[object] | None) -> list[str]:
    return [word for value in values or () for word in (name, str(value))]
