"""agreements add, list, end: the register of business associate agreements, without which nothing leaves."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Annotated, Any

import typer

from gateway.bootstrap import Gateway
from gateway.cli.periods import moment_of
from gateway.cli.printing import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    TenantOption,
    actor,
    as_json,
    listing,
    opened,
    table,
    tell,
    tenant_of,
)
from gateway.errors import InvalidConfiguration
from gateway.flow.clock import iso, micros
from gateway.store import agreements, clients

MOST_PARTY, MOST_PAPER = 120, 200
app = typer.Typer(no_args_is_help=True, help="Agreements on file: in production mode nothing leaves without one.")


@app.command()
def add(
    party: Annotated[str, typer.Argument(help="The recipient, exactly as the route or client names it.")],
    document: Annotated[str, typer.Option(help="Where the signed agreement is kept.")] = "",
    not_required: Annotated[str, typer.Option(help="Instead: why none is needed, such as 'own workforce'.")] = "",
    starts: Annotated[str, typer.Option(help="The day from which it holds; today when not given.")] = "",
    ends: Annotated[str, typer.Option(help="The day on which it lapses.")] = "",
    tenant: TenantOption = "",
    config: ConfigOption = DEFAULT_CONFIG,
    json_: JsonOption = False,
) -> None:
    """Enter an agreement; what was held for want of one goes on within a few seconds."""
    if bool(document) == bool(not_required):
        raise InvalidConfiguration(
            "An agreement needs a document, or the reason why none is needed", where="--document, --not-required",
            fix="Give one of the two.",
        )  # fmt: skip
    paper = document or f"not required: {not_required}"
    if not (party.strip() and len(party) <= MOST_PARTY and len(paper) <= MOST_PAPER and (party + paper).isprintable()):
        raise InvalidConfiguration(
            "Party and document are printable texts", where="--document",
            fix=f"Write at most {MOST_PARTY} letters for the party and {MOST_PAPER} for the document.",
        )  # fmt: skip
    now = micros()
    first, last = moment_of(starts, "--starts") if starts else now, moment_of(ends, "--ends") if ends else None
    if last is not None and last <= first:
        raise InvalidConfiguration("The agreement lapses before it begins", where="--ends", fix="Name a later day.")
    with opened(config) as gateway:
        name = tenant_of(gateway, tenant)
        row = {
            "tenant": name, "agreement": secrets.token_hex(6), "party": party, "document": paper, "starts_at": first,
            "ends_at": last, "added_at": now, "ended_at": None,
        }  # fmt: skip
        _change(gateway, name, str(row["agreement"]), "added", lambda c: agreements.add(c, row))
    tell({"agreement": row["agreement"], "party": party}, f"agreement {row['agreement']} with {party}", json_=json_)


@app.command("list")
def list_(config: ConfigOption = DEFAULT_CONFIG, tenant: TenantOption = "", json_: JsonOption = False) -> None:
    """Every agreement, and every route and client that has none now; exit code 1 when production mode holds any."""
    with opened(config) as gateway:
        name = tenant_of(gateway, tenant)
        now = micros()
        rows = gateway.store.read_sync(lambda c: agreements.everyone(c, name))
        missing = without_agreement(gateway, name, now)
        strict = gateway.settings.mode == "production"
    found = [
        {
            "id": row.agreement, "party": row.party, "document": row.document, "starts_at": iso(row.starts_at),
            "ends_at": None if row.ends_at is None else iso(row.ends_at),
            "ended_at": None if row.ended_at is None else iso(row.ended_at),
        }
        for row in rows
    ]  # fmt: skip
    if json_:
        as_json({"agreements": found, "missing": missing, "held": strict and bool(missing)})
    else:
        columns = ("id", "party", "document", "starts_at", "ends_at", "ended_at")
        listing("Agreements", columns, found)
        missed = [(one["kind"], one["name"], one["party"]) for one in missing]
        table("Held" if strict else "Would be held in production mode", ("kind", "name", "recipient"), missed)
    if strict and missing:
        raise typer.Exit(1)


@app.command()
def end(
    agreement: Annotated[str, typer.Argument(help="The id that `agreements list` shows.")],
    config: ConfigOption = DEFAULT_CONFIG,
    tenant: TenantOption = "",
    json_: JsonOption = False,
) -> None:
    """End an agreement now: in production mode its party gets nothing more within a few seconds."""
    with opened(config) as gateway:
        name = tenant_of(gateway, tenant)

        def ended(connection: Any) -> None:
            if not agreements.end(connection, name, agreement, micros()):
                raise InvalidConfiguration("There is no such agreement", fix="See `gateway agreements list`.")

        if not agreement.isalnum() or len(agreement) > 40:
            raise InvalidConfiguration("There is no such agreement", fix="See `gateway agreements list`.")
        _change(gateway, name, agreement, "ended", ended)
    tell({"agreement": agreement, "ended": True}, f"{agreement} is ended.", json_=json_)


def without_agreement(gateway: Gateway, tenant: str, now: int) -> list[dict[str, str]]:
    """Routes and clients whose recipient has no agreement that holds."""
    held = {party for _, party in gateway.store.read_sync(lambda c: agreements.valid(c, now, tenant))}
    found = [
        {"kind": "route", "name": route.name, "party": route.recipient}
        for route in gateway.settings.routes
        if route.tenant == tenant and route.recipient not in held
    ]
    return found + [
        {"kind": "client", "name": row.client, "party": row.recipient}
        for row in gateway.store.read_sync(clients.everyone)
        if row.tenant == tenant and row.revoked_at is None and row.recipient not in held
    ]


def _change(gateway: Gateway, tenant: str, agreement: str, outcome: str, unit: Callable[[Any], None]) -> None:
    """Change the register and write so in the log, in one commit."""
    entry = gateway.audit.entry(
        tenant, action="agreement", actor=actor(), purpose="operations", outcome=outcome, agreements=[agreement]
    )
    gateway.audit.commit(entry, unit)
