"""remits, remits show: which remittances the bank paid, to the cent; every look is in the audit log."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from gateway.bootstrap import Gateway
from gateway.cli.looking import StateOption, in_state, opened_records
from gateway.cli.printing import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    TenantOption,
    as_json,
    listing,
    opened,
    tenant_of,
)
from gateway.errors import InvalidConfiguration

STATES = ("open", "matched", "short", "over")
"""As they are shown: what is still to come first."""
COLUMNS = ("number", "payer_name", "since", "expected", "received", "difference", "state")

app = typer.Typer(invoke_without_command=True, help="Remittances against the bank: open, matched, short, over.")


@app.callback()
def remits(
    context: typer.Context,
    config: ConfigOption = DEFAULT_CONFIG,
    tenant: TenantOption = "",
    state: StateOption = "",
    json_: JsonOption = False,
) -> None:
    """Every remittance and deposit by trace number, and whether the two agree. The look is logged."""
    if context.invoked_subcommand is not None:
        return
    with opened(config) as gateway:
        found = _settlements(gateway, tenant_of(gateway, tenant), state)
    found.sort(key=lambda one: (STATES.index(one["state"]), one.get("since", ""), one["number"]))
    if json_:
        as_json(found)
    else:
        listing("Remittances and deposits", COLUMNS, found)


@app.command()
def show(
    number: Annotated[str, typer.Argument(help="Trace number, as `gateway remits` shows it.")],
    config: ConfigOption = DEFAULT_CONFIG,
    tenant: TenantOption = "",
    json_: JsonOption = False,
) -> None:
    """One trace number: the remittance, its claims and the bank's lines. The look is logged."""
    with opened(config) as gateway:
        name = tenant_of(gateway, tenant)
        one = next((each for each in _settlements(gateway, name) if each["number"] == number), None)
        if one is None:
            raise InvalidConfiguration("No remittance or deposit has this number", fix="See `gateway remits`.")
        remittances = opened_records(gateway, name, "Remittance", one.get("remittances", ()))
        lines = opened_records(gateway, name, "BankTransaction", one.get("bank_lines", ()))
        wanted = set(one.get("remittances", ()))
        claims = [each for each in opened_records(gateway, name, "ClaimPayment") if each.get("remittance") in wanted]
    if json_:
        as_json({"settlement": one, "remittances": remittances, "bank_lines": lines, "claims": claims})
        return
    for column in COLUMNS:
        typer.echo(f"{column:12} {one.get(column, '')}")
    listing("Remittance", ("payer_name", "payment_date", "method", "amount", "claim_count", "balanced"), remittances)
    summaries = [summary for each in remittances for summary in each.get("summaries", ())]
    if summaries:
        listing("Summaries", ("provider_id", "facility", "claim_count", "charge_total"), summaries)
    listing("Bank", ("booked_on", "account", "amount", "bank_reference"), lines)
    listing("Claims", ("patient_control_number", "status", "charge", "paid", "patient_responsibility"), claims)
    beside = [
        {"patient_control_number": each.get("patient_control_number")} | one
        for each in claims
        for one in each.get("stated", ())
    ]
    if beside:
        listing("Stated beside the balance", ("patient_control_number", "place", "amount"), beside)


def _settlements(gateway: Gateway, tenant: str, state: str = "") -> list[dict[str, Any]]:
    return [one for one in in_state(gateway, tenant, "Settlement", state) if one["kind"] == "deposit"]
