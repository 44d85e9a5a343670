"""denials, write-off, reopen: what payers refused, and giving it up; every look and decision is in the audit log."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from gateway.bootstrap import Gateway
from gateway.cli.deciding import decide
from gateway.cli.looking import StateOption, current_row, in_state, whole_content
from gateway.cli.printing import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    TenantOption,
    actor,
    as_json,
    listing,
    opened,
    tell,
    tenant_of,
)
from gateway.errors import InvalidConfiguration
from gateway.flow.clock import iso, micros
from gateway.flow.decisions import Decision

COLUMNS = ("id", "state", "category", "at_risk", "denied_on", "act_by", "next_step")
MOST_REASON = 200

app = typer.Typer(invoke_without_command=True, help="What payers refused: open, or written off.")
DenialId = Annotated[str, typer.Argument(help="A denial's record id, as `gateway denials` shows it.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why, in a few words without names.")]


@app.callback()
def denials(
    context: typer.Context,
    config: ConfigOption = DEFAULT_CONFIG,
    tenant: TenantOption = "",
    state: StateOption = "",
    json_: JsonOption = False,
) -> None:
    """Every refused claim or line, the first to act on above. The look is logged."""
    if context.invoked_subcommand is not None:
        return
    with opened(config) as gateway:
        found = in_state(gateway, tenant_of(gateway, tenant), "Denial", state)
    found.sort(key=lambda one: one.get("act_by", ""))
    if json_:
        as_json(found)
    else:
        listing("Denials", COLUMNS, found)


@app.command(name="write-off")
def write_off(
    denial: DenialId,
    reason: ReasonOption,
    config: ConfigOption = DEFAULT_CONFIG,
    tenant: TenantOption = "",
    json_: JsonOption = False,
) -> None:
    """Give refused money up: its task goes, and the books write it off; a running gateway follows within seconds."""
    _decide(config, tenant, denial, "written-off", reason)
    tell({"denial": denial, "state": "written-off"}, f"written-off: {denial}", json_=json_)


@app.command()
def reopen(
    denial: DenialId,
    reason: ReasonOption,
    config: ConfigOption = DEFAULT_CONFIG,
    tenant: TenantOption = "",
    json_: JsonOption = False,
) -> None:
    """Take a write-off back: the denial is open again, and the books reverse what they wrote off."""
    _decide(config, tenant, denial, "open", reason)
    tell({"denial": denial, "state": "open"}, f"open: {denial}", json_=json_)


def _decide(config: ConfigOption, tenant: str, denial: str, verdict: str, reason: str) -> None:
    if not reason.strip() or len(reason) > MOST_REASON:
        raise InvalidConfiguration(
            "A decision needs a reason", where="--reason", fix=f"Give one of at most {MOST_REASON} letters."
        )
    with opened(config) as gateway:
        name = tenant_of(gateway, tenant)
        native_id, refused = _one(gateway, name, denial, "Denial")
        if refused["state"] == verdict:
            raise InvalidConfiguration(f"The denial is {verdict} already", where=denial, fix="There is nothing to do.")
        payment = refused["claim_payment"]
        _, paid = _one(gateway, name, payment, "ClaimPayment")
        number = paid.get("patient_control_number") or payment
        now = iso(micros())
        fields: dict[str, Any] = {
            "denial": denial, "claim_payment": payment, "claim_number": number, "verdict": verdict,
            "place": native_id.removeprefix(f"{number}/"), "decided_by": actor(), "decided_at": now, "reason": reason,
        }  # fmt: skip
        patient = refused.get("patient")
        if patient:
            fields["patient"] = patient
        decide(gateway, name, Decision("DenialDecision", denial, fields, patient=patient), now)


def _one(gateway: Gateway, tenant: str, id: str, type_: str) -> tuple[str, dict[str, Any]]:
    """Native id and fields of a current record, under an access entry."""
    row = current_row(gateway, tenant, id, type_)
    found = whole_content(gateway, tenant, row)
    return found["native_id"], found["fields"]
