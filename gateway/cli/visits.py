"""visits: say what became of a visit, for the system that keeps the calendar; it is ledgered like a message."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

import typer

from gateway.cli.deciding import decide
from gateway.cli.looking import current_row
from gateway.cli.printing import DEFAULT_CONFIG, ConfigOption, JsonOption, TenantOption, opened, tell, tenant_of
from gateway.errors import InvalidConfiguration
from gateway.flow.clock import iso, micros
from gateway.flow.decisions import Decision

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
    json_: JsonOption = False,
) -> None:
    """Decide it, as a task that a route can write back; a running gateway follows within seconds."""
    if reason and (became != "cancelled" or not reason.isascii() or not reason.isalpha() or len(reason) > 20):
        raise InvalidConfiguration(
            "A reason is one word, of a cancellation", where="reason", fix="Use one such as illness, work, away, other."
        )
    with opened(config) as gateway:
        name = tenant_of(gateway, tenant)
        visit = current_row(gateway, name, record, "Appointment")
        id, now = str(UUID(bytes=bytes(visit.record_id))), iso(micros())
        fields: dict[str, Any] = {
            "title": TITLES[became], "state": "open", "kind": f"visit-{became}", "about": id, "role": "front-desk",
            "created_at": now,
        }  # fmt: skip
        owner = None if visit.patient is None else str(UUID(bytes=bytes(visit.patient)))
        fields |= ({"patient": owner} if owner else {}) | {"reason": reason or None}
        decide(gateway, name, Decision("Task", f"visit/{id}", fields, patient=owner), now)
    tell({"appointment": id, "became": became}, f"{became}: {id}", json_=json_)
