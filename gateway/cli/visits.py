"""visits: say what became of a visit, for the system that keeps the calendar; it is ledgered like a message."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

import typer

from gateway.bootstrap import Gateway
from gateway.cli.printing import DEFAULT_CONFIG, ConfigOption, TenantOption, opened, tenant_of
from gateway.errors import InvalidConfiguration
from gateway.flow.clock import iso, micros
from gateway.flow.decisions import NAME, Decision, decision_item
from gateway.store import journal
from gateway.store.rows import Found

app = typer.Typer(help="Say what became of a visit.")
Mark = Literal["arrived", "no-show", "cancelled"]
TITLES: dict[str, str] = {
    "arrived": "The patient arrived: mark the visit so.",
    "no-show": "The patient did not come: mark the visit so.",
    "cancelled": "Cancel the visit.",
}


@app.callback()
def visits() -> None:
    """Say what became of a visit."""


@app.command()
def mark(
    record: Annotated[str, typer.Argument(help="The appointment's record id, as `gateway records` shows it.")],
    became: Annotated[Mark, typer.Argument(help="What became of it.")],
    reason: Annotated[
        str, typer.Option("--reason", help="Of a cancellation: a word such as illness, work, away, other.")
    ] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    tenant: TenantOption = "",
) -> None:
    """Decide it, as a task that a route can write back; a running gateway follows within seconds."""
    if reason and (became != "cancelled" or not reason.isascii() or not reason.isalpha() or len(reason) > 20):
        raise InvalidConfiguration(
            "A reason is one word, of a cancellation", where="reason", fix="Use one such as illness, work, away, other."
        )
    with opened(config) as gateway:
        name = tenant_of(gateway, tenant)
        visit = _visit(gateway, name, record)
        id, now = str(UUID(bytes=bytes(visit.record_id))), iso(micros())
        fields: dict[str, Any] = {
            "title": TITLES[became], "state": "open", "kind": f"visit-{became}", "about": id, "role": "front-desk",
            "created_at": now,
        }  # fmt: skip
        owner = None if visit.patient is None else str(UUID(bytes=bytes(visit.patient)))
        fields |= ({"patient": owner} if owner else {}) | {"reason": reason or None}
        decision = Decision("Task", f"visit/{id}", fields, patient=owner)
        gateway.receiver(gateway.origins[name, NAME]).hand_in([decision_item(decision, now)], lambda _: None).result()
    typer.echo(f"{became}: {id}")


def _visit(gateway: Gateway, tenant: str, record: str) -> Found:
    """The appointment's record, of which nothing needs to be opened."""
    try:
        wanted = UUID(record).bytes
    except ValueError:
        raise InvalidConfiguration(
            "This is no record id", where="record", fix="Take it from `gateway records Appointment`."
        ) from None
    heads = gateway.store.read_sync(lambda connection: journal.record_heads(connection, tenant, [wanted]))
    found = heads.get(wanted)
    if found is None or found.type != "Appointment" or found.removed:
        raise InvalidConfiguration(
            "There is no such appointment", where="record", fix="See `gateway records Appointment`."
        )
    return found
