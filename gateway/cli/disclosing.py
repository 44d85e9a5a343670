"""disclosures, breach: what left the gateway, of one patient and by one door; every such look is logged."""

from __future__ import annotations

from itertools import islice
from typing import Annotated, Any

import typer

from gateway.access import secrets
from gateway.bootstrap import Gateway
from gateway.cli.auditing import note
from gateway.cli.periods import ALWAYS, SinceOption, UntilOption, period
from gateway.cli.printing import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    TenantOption,
    as_csv,
    as_json,
    opened,
    record_bytes,
    require_known,
    table,
    tenant_of,
)
from gateway.cli.problems import broken, print_problems
from gateway.errors import InvalidConfiguration
from gateway.flow.clock import iso, micros
from gateway.flow.disclosed import Breach, Disclosure, accounting
from gateway.flow.disclosed import breach as breached
from gateway.flow.ledger import Problem, recount_deliveries
from gateway.store import clients, deliveries, reviewing

BEGINNING, END = iso(0), iso(ALWAYS)
COLUMNS = ("at", "recipient", "purpose", "route", "type", "record", "fields", "receipt")


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    for command in (disclosures, breach):
        app.command()(command)


def disclosures(
    patient: Annotated[str, typer.Argument(help="Record id of the patient, or the source's own id with --source.")],
    config: ConfigOption = DEFAULT_CONFIG,
    tenant: TenantOption = "",
    source: Annotated[str, typer.Option(help="The source whose own id was given.")] = "",
    since: SinceOption = "",
    until: UntilOption = "",
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="Lines on one page.")] = 10_000,
    after: Annotated[int, typer.Option(min=0, help="Go on after this many lines.")] = 0,
    csv_: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    json_: JsonOption = False,
) -> None:
    """What was sent of one patient: when, to whom, which fields, why. The look is logged.

    The list is only worth something if no delivery is missing, so they are recounted; exit code 1 when one is.
    """
    first, end = period(since, until)
    with opened(config) as gateway:
        name = tenant_of(gateway, tenant)
        record_id = gateway.vault.record_id(name, source, "Patient", patient) if source else patient
        owner = record_bytes(record_id)
        note(gateway, name, "disclosures", record_id)
        found = gateway.store.read_sync(
            lambda c: list(islice(accounting(c, name, owner, first, end), after, after + limit + 1))
        )
        if not found:
            require_known(gateway, name, owner)
        lane = gateway.store.read_sync(lambda c: reviewing.lane_of(c, name, owner))
        missing = gateway.store.read_sync(lambda c: recount_deliveries(c, name, lane, owner))
    more = len(found) > limit
    _print(record_id, found[:limit], missing, after + limit if more else None, form="csv" if csv_ else "json" * json_)
    if missing:
        raise typer.Exit(1)


def _print(patient: str, found: list[Disclosure], missing: list[Problem], next_: int | None, form: str) -> None:
    if form == "json":
        told = {"problems": missing, "fixes": broken(missing)}
        as_json({"patient": patient, "disclosures": found, "next": next_} | told)
        return
    rows = [
        (one.at, one.recipient, one.purpose, one.route, one.type, one.record, ", ".join(one.fields), one.receipt)
        for one in found
    ]
    if form == "csv":
        as_csv(COLUMNS, rows)
    else:
        shown = [row[:3] + row[4:5] + row[6:7] for row in rows]
        table(f"Disclosures of {patient}", ("at", "recipient", "purpose", "type", "fields"), shown)
        if next_ is not None:
            typer.echo(f"More: --after {next_}")
    print_problems(missing, err=form == "csv")


def breach(
    config: ConfigOption = DEFAULT_CONFIG,
    tenant: TenantOption = "",
    client: Annotated[str, typer.Option(help="What this client fetched.")] = "",
    route: Annotated[str, typer.Option(help="What this route sent.")] = "",
    key: Annotated[str, typer.Option(help="What could be fetched with this key: its public part or all of it.")] = "",
    since: Annotated[str, typer.Option("--from", help="From this day or moment on; UTC without zone.")] = "",
    until: Annotated[str, typer.Option("--to", help="Before this day or moment.")] = "",
    csv_: Annotated[bool, typer.Option("--csv", help="Print the patients as CSV.")] = False,
    json_: JsonOption = False,
) -> None:
    """Breach pack: whose data and which fields left by a client, a route, a key, or in a period.

    Its counts are compared with the ledger; exit code 1 when they differ, for then somebody may be missing from it.
    """
    first, end = period(since, until, ("--from", "--to"))
    if sum(map(bool, (client, route, key))) > 1:
        raise InvalidConfiguration(
            "Client, route and key are three breaches",
            where="--client, --route, --key",
            fix="Name one, and run it for each.",
        )
    if not (client or route or key or since or until):
        raise InvalidConfiguration("Say which client, route, key or period", where="breach", fix="See --help.")
    with opened(config) as gateway:
        name = tenant_of(gateway, tenant)
        if key:
            client, first, end = _of_key(gateway, name, key, first, end)
        _check_known(gateway, name, client, route)
        note(gateway, name, "breach", "")
        found = gateway.store.read_sync(
            lambda c: breached(c, name, route=route or None, client=client or None, since=first, until=end)
        )
        missing = gateway.store.read_sync(lambda c: recount_deliveries(c, name))
    _print_pack(found, missing, csv_=csv_, json_=json_)
    if missing or not found.reconciled:
        raise typer.Exit(1)


def _of_key(gateway: Gateway, tenant: str, key: str, first: int, end: int) -> tuple[str, int, int]:
    """The client of a key, and the part of the period in which the key held."""
    public = secrets.public_part(key) or key
    rows = gateway.store.read_sync(clients.secrets)
    owners = {row.client: row.tenant for row in gateway.store.read_sync(clients.everyone)}
    found = next((row for row in rows if row.secret == public and owners[row.client] == tenant), None)
    if found is None:
        raise InvalidConfiguration("There is no such key", where="--key", fix="See `gateway clients list --json`.")
    return found.client, max(first, found.created_at), min(end, found.expires_at or max(micros(), first) + 1)


def _check_known(gateway: Gateway, tenant: str, client: str, route: str) -> None:
    """A name that was mistyped must not pass for a breach that touched nobody."""
    known = {row.client for row in gateway.store.read_sync(clients.everyone) if row.tenant == tenant}
    if client and client not in known:
        raise InvalidConfiguration("There is no such client", where="--client", fix="See `gateway clients list`.")
    routes = gateway.store.read_sync(lambda c: deliveries.all_routes(c, tenant))
    if route and route not in routes:
        raise InvalidConfiguration("There is no such route", where="--route", fix=f"Known are: {', '.join(routes)}.")


def _print_pack(found: Breach, missing: list[Problem], *, csv_: bool, json_: bool) -> None:
    if json_:
        reconciled = found.reconciled and not missing
        as_json({"breach": found, "reconciled": reconciled, "problems": missing, "fixes": broken(missing)})
        return
    rows: list[tuple[Any, ...]] = [
        (one.patient, one.disclosures, ", ".join(one.fields), ", ".join(one.recipients)) for one in found.patients
    ]
    columns = ("patient", "disclosures", "fields", "recipients")
    if csv_:
        as_csv(columns, rows)
        print_problems(missing, err=True)
        return
    first = found.since if found.since > BEGINNING else "the beginning"
    last = found.until if found.until < END else "now"
    table(f"{len(rows)} patients affected, {found.tenant}, from {first} to {last}", columns, rows)
    table("Fields that left", ("field", "disclosures"), list(found.fields.items()))
    typer.echo(
        f"{found.deliveries} deliveries (the ledger has {found.ledger_deliveries}), {found.pages} patients on pages,"
        f" {found.without_patient} deliveries about no patient"
    )
    print_problems(missing)
