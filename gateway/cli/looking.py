"""messages, records, explain: looking at what is there; every look at patient data is in the audit log."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, get_args, get_type_hints
from uuid import UUID

import typer

from gateway.bootstrap import Gateway
from gateway.cli import damage
from gateway.cli.printing import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    TenantOption,
    actor,
    as_json,
    fields,
    listing,
    opened,
    record_bytes,
    table,
    tenant_of,
)
from gateway.diagnosis import nearest
from gateway.errors import IntegrityViolated, InvalidConfiguration
from gateway.flow.contents import DAMAGES, MEND, open_contents
from gateway.flow.explain import Explainer
from gateway.flow.listing import newest_messages
from gateway.model import TYPES
from gateway.store import journal
from gateway.store import messages as stored_messages
from gateway.store.rows import Found

STEP = 5_000
"""Records opened under one access entry."""
StateOption = Annotated[
    str, typer.Option("--state", help="Only these; a state that is not known is answered with all there are.")
]
LimitOption = Annotated[int, typer.Option(min=1, max=100_000, help="At most this many rows.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    for command in (messages, records, explain):
        app.command()(command)


def messages(
    config: ConfigOption = DEFAULT_CONFIG,
    tenant: TenantOption = "",
    limit: LimitOption = 50,
    before: Annotated[
        int | None, typer.Option(min=1, max=2**63 - 1, help="Go on below this message: the last id shown.")
    ] = None,
    json_: JsonOption = False,
) -> None:
    """The newest messages and what became of them; their content stays sealed."""
    with opened(config) as gateway:
        name = tenant_of(gateway, tenant)
        found = newest_messages(gateway.store, name, limit, before)
        residue = gateway.store.read_sync(lambda connection: stored_messages.residue_of(connection, name))
    unmapped = [{"source": r.source, "kind": r.kind, "path": r.path, "count": r.count} for r in residue]
    if json_:
        as_json({"messages": found, "residue": unmapped})
        return
    columns = ("id", "source", "kind", "control_id", "received_at", "answer", "outcome", "reason", "changes")
    listing("Messages, newest first", columns, found)
    listing("Unmapped places", ("source", "kind", "path", "count"), unmapped[:20])


def records(
    type_: Annotated[str | None, typer.Argument(metavar="TYPE", help="Only this record type.")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    tenant: TenantOption = "",
    patient: Annotated[str | None, typer.Option(help="Only of this patient (record id).")] = None,
    limit: LimitOption = 50,
    show: Annotated[bool, typer.Option("--show", help="Open their content; the look is logged.")] = False,
    json_: JsonOption = False,
) -> None:
    """Records as they stand; with --show, exit code 1 names those that are damaged."""
    if type_ is not None and type_ not in TYPES:
        fix = nearest(type_, TYPES) or f"Known are: {', '.join(sorted(TYPES))}."
        raise InvalidConfiguration("There is no such record type", where="records", fix=fix)
    with opened(config) as gateway:
        name = tenant_of(gateway, tenant)
        owner = None if patient is None else record_bytes(patient)
        rows = gateway.store.read_sync(lambda c: journal.recent_records(c, name, type_, owner, limit))
        contents = contents_of(gateway, name, rows) if show else {}
    found = [
        {
            "id": str(UUID(bytes=row.record_id)), "type": row.type, "source": row.source, "version": row.version,
            "patient": None if row.patient is None else str(UUID(bytes=row.patient)), "removed": row.removed,
            "source_version": row.source_version,
        } | contents.get(bytes(row.record_id), {})
        for row in rows
    ]  # fmt: skip
    if json_:
        as_json(found)
        return
    if show:
        for row in found:
            fields(f"{row['type']} {row['id']}", {name: row[name] for name in row if name not in ("id", "type")})
    else:
        listing("Records", ("id", "type", "source", "version", "patient", "removed"), found)


def contents_of(gateway: Gateway, tenant: str, rows: Any) -> dict[bytes, dict[str, Any]]:
    """Contents of these records, under an access entry committed before the first is opened; damaged ones are named."""
    contents = open_contents(gateway.store, gateway.vault, gateway.audit, tenant, rows, actor())
    for row in rows:
        reason = contents[bytes(row.record_id)].get("damaged")
        if reason:
            damage.name(row.type, str(UUID(bytes=bytes(row.record_id))), reason)
    return contents


def whole_content(gateway: Gateway, tenant: str, row: Found) -> dict[str, Any]:
    """Content of one record that something is decided on, under an access entry.

    Raises:
        IntegrityViolated: it is damaged.
        InvalidConfiguration: it was shredded.
    """
    found = open_contents(gateway.store, gateway.vault, gateway.audit, tenant, [row], actor())[bytes(row.record_id)]
    id = str(UUID(bytes=bytes(row.record_id)))
    if found.get("damaged"):
        raise IntegrityViolated(f"This {row.type} cannot be opened: {DAMAGES[found['damaged']]}", where=id, fix=MEND)
    if found.get("shredded"):
        raise InvalidConfiguration(
            f"This {row.type} was shredded with its patient", where=id, fix="Nothing of it is left to decide."
        )
    return found


def current_row(gateway: Gateway, tenant: str, record: str, type_: str) -> Found:
    """The row of a current record of this type; nothing of it is opened.

    Raises:
        InvalidConfiguration: it is no record id, or no record of this type has it now.
    """
    wanted = record_bytes(record)
    found = gateway.store.read_sync(lambda c: journal.record_heads(c, tenant, [wanted])).get(wanted)
    if found is None or found.type != type_ or found.removed:
        raise InvalidConfiguration(
            f"There is no such {type_}", where=str(UUID(record)), fix=f"See `gateway records {type_}`."
        )
    return found


def opened_records(
    gateway: Gateway, tenant: str, type_: str, only: Iterable[str] | None = None
) -> list[dict[str, Any]]:
    """Fields of current records of one type, of all or of those named; an access entry names each step of them.

    What was shredded is left out, and so is what is damaged, which is named on standard error and in the exit code.
    """
    if only is None:
        rows = gateway.store.read_sync(lambda connection: journal.recent_records(connection, tenant, type_, None, None))
    else:
        wanted = [UUID(id).bytes for id in only]
        heads = gateway.store.read_sync(lambda connection: journal.record_heads(connection, tenant, wanted))
        rows = [row for row in heads.values() if row.type == type_]
    kept = [row for row in rows if not row.removed]
    found: list[dict[str, Any]] = []
    for at in range(0, len(kept), STEP):
        step = kept[at : at + STEP]
        contents = contents_of(gateway, tenant, step)
        found += (
            {"id": str(UUID(bytes=bytes(row.record_id)))} | contents[bytes(row.record_id)]["fields"]
            for row in step
            if not contents[bytes(row.record_id)].keys() & {"shredded", "damaged"}
        )
    return found


def in_state(gateway: Gateway, tenant: str, type_: str, state: str) -> list[dict[str, Any]]:
    """Fields of current records of one type that stand in ``state``, or of all when it is empty.

    Raises:
        InvalidConfiguration: records of this type have no such state; nothing was opened then.
    """
    known = get_args(get_type_hints(TYPES[type_])["state"])
    if state and state not in known:
        raise InvalidConfiguration("There is no such state", where="--state", fix=f"Known are: {', '.join(known)}.")
    return [one for one in opened_records(gateway, tenant, type_) if not state or one["state"] == state]


def explain(
    record: Annotated[str, typer.Argument(help="Record id.")],
    field: Annotated[str, typer.Argument(help="Field name, or a dotted path.")],
    config: ConfigOption = DEFAULT_CONFIG,
    tenant: TenantOption = "",
    json_: JsonOption = False,
) -> None:
    """Where a value came from: message, place in it, mapping rule and versions. The look is logged."""
    record_bytes(record)
    with opened(config) as gateway:
        name = tenant_of(gateway, tenant)
        explainer = Explainer(name, gateway.store, gateway.vault, gateway.audit, gateway.origins, actor())
        found = explainer.explain(record, field)
    if json_:
        as_json(found)
        return
    for label in ("type", "field", "value", "version", "source", "control_id", "received_at", "adapter", "mapping"):
        typer.echo(f"{label:12} {getattr(found, label)}")
    if not found.same_code:
        typer.echo("note         the adapter has changed since; the steps below are those of today's")
    if found.derived_from:
        rows = [(one.type, one.record_id, one.version, one.source) for one in found.derived_from]
        table("Derived from", ("type", "id", "version", "source"), rows)
        return
    steps = [[step.get(name, "") for name in ("field", "path", "raw", "rule", "result")] for step in found.steps]
    table("Steps", ("field", "path", "as sent", "rule", "result"), steps)
