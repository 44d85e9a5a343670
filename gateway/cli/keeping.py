"""retention plan, retention run, hold add, hold list, hold remove: how long things are kept, and what must be."""

from __future__ import annotations

from functools import partial
from typing import Annotated
from uuid import UUID

import typer
from sqlalchemy import Connection

from gateway.bootstrap import Gateway
from gateway.cli.printing import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    TenantOption,
    actor,
    as_json,
    opened,
    record_bytes,
    require_known,
    table,
    tell,
    tenant_of,
)
from gateway.errors import InvalidConfiguration
from gateway.flow import retention as keeping
from gateway.flow.clock import iso, micros
from gateway.store import holds
from gateway.store.rows import RowExists

retention = typer.Typer(no_args_is_help=True, help="Drop what was kept for as long as the settings say.")
hold = typer.Typer(no_args_is_help=True, help="Legal holds: what must be kept, whatever retention and requests say.")
HoldName = Annotated[str, typer.Argument(help="Its name, such as case-2026-17.")]


@retention.command()
def plan(config: ConfigOption = DEFAULT_CONFIG, json_: JsonOption = False) -> None:
    """What a run would drop now; nothing is changed."""
    with opened(config) as gateway:
        _print(_retainer(gateway).plan(gateway.settings.retention), json_)


@retention.command()
def run(
    config: ConfigOption = DEFAULT_CONFIG,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be dropped, as plan does.")] = False,
    json_: JsonOption = False,
) -> None:
    """Destroy what opens messages, versions and patients whose time is over; their rows stay. Run it daily."""
    with opened(config) as gateway:
        retainer, rules = _retainer(gateway), gateway.settings.retention
        _print(retainer.plan(rules) if dry_run else retainer.run(rules, actor()), json_)


def _retainer(gateway: Gateway) -> keeping.Retainer:
    return keeping.Retainer(gateway.store, gateway.vault.keystore, gateway.audit, gateway.shredder())


def _print(found: list[keeping.Due], json_: bool) -> None:
    if json_:
        as_json(found)
        return
    rows = [
        (one.tenant, one.of, ", ".join(one.records) or "all", ", ".join(one.sources) or "all", one.days, one.count)
        for one in found
    ]
    table("Retention", ("tenant", "of", "records", "sources", "days", "count"), rows)


@hold.command()
def add(
    name: HoldName,
    reason: Annotated[str, typer.Option(help="Why, for whoever reads the list.")],
    patient: Annotated[str, typer.Option(help="Record id of the patient; everybody of the tenant if not given.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    tenant: TenantOption = "",
    json_: JsonOption = False,
) -> None:
    """Keep a patient's data, or a tenant's, until the hold is removed."""
    with opened(config) as gateway:
        owner = tenant_of(gateway, tenant)
        if patient:
            require_known(gateway, owner, record_bytes(patient))
        row = {
            "tenant": owner, "hold": name[:32], "reason": reason[:200], "by": actor(),
            "patient": record_bytes(patient) if patient else None, "at": micros(), "ended_at": None,
        }  # fmt: skip
        about = [str(UUID(patient))] if patient else []

        entry = gateway.audit.entry(
            owner, action="hold", actor=actor(), purpose="legal", patients=about, outcome="begun"
        )

        def begun(connection: Connection) -> None:
            try:
                holds.add(connection, row)
            except RowExists:
                raise InvalidConfiguration("There is a hold of this name", where=name, fix="Choose another.") from None

        gateway.audit.commit(entry, begun)
    tell({"hold": name, "patient": patient or None}, f"{name} holds.", json_=json_)


@hold.command("list")
def list_(config: ConfigOption = DEFAULT_CONFIG, tenant: TenantOption = "", json_: JsonOption = False) -> None:
    """Every hold, ended ones too."""
    with opened(config) as gateway:
        rows = gateway.store.read_sync(partial(holds.every, tenant=tenant_of(gateway, tenant)))
    found = [
        {
            "hold": row.hold, "patient": None if row.patient is None else str(UUID(bytes=bytes(row.patient))),
            "reason": row.reason, "by": row.by, "since": iso(row.at),
            "ended": None if row.ended_at is None else iso(row.ended_at),
        }
        for row in rows
    ]  # fmt: skip
    if json_:
        as_json(found)
    else:
        table("Holds", ("hold", "patient", "reason", "by", "since", "ended"), [list(one.values()) for one in found])


@hold.command()
def remove(
    name: HoldName, config: ConfigOption = DEFAULT_CONFIG, tenant: TenantOption = "", json_: JsonOption = False
) -> None:
    """End a hold; it stays on the list."""
    with opened(config) as gateway:
        owner = tenant_of(gateway, tenant)

        def ended(connection: Connection) -> None:
            if not holds.end(connection, owner, name, micros()):
                raise InvalidConfiguration("No hold of this name stands", where=name, fix="See `gateway hold list`.")

        gateway.audit.commit(
            gateway.audit.entry(owner, action="hold", actor=actor(), purpose="legal", outcome="ended"), ended
        )
    tell({"hold": name, "ended": True}, f"{name} ended.", json_=json_)
