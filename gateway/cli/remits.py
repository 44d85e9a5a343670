"""remits, remits show: which remittances the bank paid, to the cent; every look is in the audit log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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
Numbers = Mapping[str, str]
"""Trace number of each remittance."""
NOT_HERE = "not here"
OUTSIDE = {
    "50": "late charge", "51": "interest as a penalty", "72": "refund that was agreed", "90": "early payment discount",
    "AP": "benefits paid in advance", "B2": "rebate", "CS": "adjustment", "FB": "carried to or from another remittance",
    "IR": "tax withheld", "J1": "not reimbursed", "L6": "interest owed", "LE": "levy", "WO": "overpayment taken back",
}  # fmt: skip
"""What a payer changes outside any claim, by code (PLB03-1), in our words; codes without a word stand alone."""
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
    """One trace number: the remittance, its claims, what is outside them, and the bank's lines. The look is logged."""
    with opened(config) as gateway:
        name = tenant_of(gateway, tenant)
        settlements = _settlements(gateway, name)
        one = next((each for each in settlements if each["number"] == number), None)
        if one is None:
            raise InvalidConfiguration("No remittance or deposit has this number", fix="See `gateway remits`.")
        remittances = opened_records(gateway, name, "Remittance", one.get("remittances", ()))
        lines = opened_records(gateway, name, "BankTransaction", one.get("bank_lines", ()))
        wanted = set(one.get("remittances", ()))
        payments = opened_records(gateway, name, "ClaimPayment")
    numbers = {id: each["number"] for each in settlements for id in each.get("remittances", ())}
    claims = [each | taken_back(each, payments, numbers) for each in payments if each.get("remittance") in wanted]
    beyond = list(outside(remittances, payments, numbers))
    if json_:
        found = {"settlement": one, "remittances": remittances, "bank_lines": lines, "claims": claims}
        as_json(found | {"outside_claims": beyond})
        return
    for column in COLUMNS:
        typer.echo(f"{column:12} {one.get(column, '')}")
    if one.get("repeats"):
        typer.echo(f"{'repeats':12} {one['repeats']}  (came by another way too; counts once)")
    paid = ("payer_name", "payment_date", "method", "claim_count", "paid_total", "amount", "balanced")
    listing("Remittance", paid, remittances)
    if beyond:
        listing("Outside any claim", ("reason", "means", "reference", "refers_to", "takes_off"), beyond)
    summaries = [summary for each in remittances for summary in each.get("summaries", ())]
    if summaries:
        listing("Summaries", ("provider_id", "facility", "claim_count", "charge_total"), summaries)
    listing("Bank", ("booked_on", "account", "amount", "bank_reference"), lines)
    columns = ("patient_control_number", "status", "charge", "paid", "patient_responsibility")
    back = ("takes_back",) if any("takes_back" in each for each in claims) else ()
    listing("Claims", (*columns, *back), claims)
    beside = [
        {"patient_control_number": each.get("patient_control_number")} | one
        for each in claims
        for one in each.get("stated", ())
    ]
    if beside:
        listing("Stated beside the balance", ("patient_control_number", "place", "amount"), beside)


def _settlements(gateway: Gateway, tenant: str, state: str = "") -> list[dict[str, Any]]:
    return [one for one in in_state(gateway, tenant, "Settlement", state) if one["kind"] == "deposit"]


def taken_back(claim: Mapping[str, Any], payments: Sequence[Mapping[str, Any]], numbers: Numbers) -> dict[str, str]:
    """Of a reversal, the trace number under which what it takes back was paid; nothing of any other claim."""
    if claim.get("status") != "reversal":
        return {}
    number = claim.get("payer_claim_number")
    found = [
        numbers.get(one.get("remittance", ""), "")
        for one in payments
        if number and one.get("payer_claim_number") == number and one.get("status") != "reversal"
    ]
    return {"takes_back": " ".join(sorted(filter(None, set(found)))) or NOT_HERE}


def outside(
    remittances: Sequence[Mapping[str, Any]], payments: Sequence[Mapping[str, Any]], numbers: Numbers
) -> Iterator[dict[str, str]]:
    """What remittances change outside any claim (PLB), and the claims or remittance that it refers to."""
    traces = {number.casefold(): number for number in numbers.values()}
    for remittance in remittances:
        for one in remittance.get("provider_adjustments", ()):
            reference = one.get("reference", "").strip()
            named = sorted(_known_as(reference, payments))
            if reference.casefold() in traces:
                named.append(f"remittance {traces[reference.casefold()]}")
            yield {
                "reason": one["reason"], "means": OUTSIDE.get(one["reason"], ""), "reference": reference,
                "refers_to": ", ".join(named) or NOT_HERE, "takes_off": one["amount"],
            }  # fmt: skip


def _known_as(number: str, payments: Sequence[Mapping[str, Any]]) -> set[str]:
    """Our numbers of the claims that the payer knows by a number."""
    return {one["patient_control_number"] for one in payments if number and one.get("payer_claim_number") == number}
