"""claims, claims show: where each claim stands and how it got there; every look is in the audit log."""

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

COLUMNS = ("control_number", "state", "sent_at", "charge", "payer_claim_number", "asked", "forwarded_to", "next_step")
WORK = frozenset(
    {
        "claim-unacknowledged", "claim-unanswered", "acknowledgement-missing", "transmission-rejected",
        "passed-on-unanswered", "second-payer-held",
    }
)  # fmt: skip
"""Kinds of tasks that say what did not come."""

app = typer.Typer(
    invoke_without_command=True, help="Claims that were sent: what became of them, and what did not come."
)


@app.callback()
def claims(
    context: typer.Context,
    config: ConfigOption = DEFAULT_CONFIG,
    tenant: TenantOption = "",
    state: StateOption = "",
    json_: JsonOption = False,
) -> None:
    """Every claim that was sent or answered, and the open work about them. The look is logged."""
    if context.invoked_subcommand is not None:
        return
    with opened(config) as gateway:
        name = tenant_of(gateway, tenant)
        found = in_state(gateway, name, "ClaimProgress", state)
        work = _work(gateway, name)
    found.sort(key=lambda one: (one.get("sent_at", ""), one["control_number"]))
    if json_:
        as_json({"claims": found, "work": work})
        return
    listing("Claims", COLUMNS, found)
    _tell(work)


@app.command()
def show(
    number: Annotated[str, typer.Argument(help="Control number, as `gateway claims` shows it.")],
    config: ConfigOption = DEFAULT_CONFIG,
    tenant: TenantOption = "",
    json_: JsonOption = False,
) -> None:
    """One claim: every step, and the acknowledgements of what it travelled in. The look is logged."""
    with opened(config) as gateway:
        name = tenant_of(gateway, tenant)
        one = next((each for each in opened_records(gateway, name, "ClaimProgress") if _is(each, number)), None)
        if one is None:
            raise InvalidConfiguration("No claim with an answer has this number", fix="See `gateway claims`.")
        sent = [each for each in opened_records(gateway, name, "Claim") if _is(each, number) and "transmission" in each]
        reports = opened_records(gateway, name, "ClaimStatusReport")
        acknowledged = [each for each in reports if any(_names(each, claim) for claim in sent)]
        work = [each for each in _work(gateway, name) if each.get("about") == one.get("claim")]
    if json_:
        as_json({"claim": one, "acknowledgements": acknowledged, "work": work})
        return
    for column in COLUMNS:
        typer.echo(f"{column:18} {one.get(column, '')}")
    steps = ("at", "document", "outcome", "paid")
    listing("History", steps, one["history"])
    told = ("report", "level", "outcome", "reported_by", "reported_at")
    listing("Acknowledgements", told, acknowledged)
    _tell(work)


def _is(one: dict[str, Any], number: str) -> bool:
    return bool(one["control_number"] == number)


def _names(report: dict[str, Any], claim: dict[str, Any]) -> bool:
    """Whether an acknowledgement is about what the claim travelled in: every number it names is the claim's."""
    about, sent = report.get("about") or {}, claim["transmission"]
    return bool(about) and all(
        str(sent.get(name, "")).lstrip("0") == str(number).lstrip("0") for name, number in about.items()
    )


def _work(gateway: Gateway, tenant: str) -> list[dict[str, Any]]:
    return [
        one for one in opened_records(gateway, tenant, "Task") if one.get("kind") in WORK and one["state"] == "open"
    ]


def _tell(work: list[dict[str, Any]]) -> None:
    if work:
        listing("Work", ("kind", "title", "reason", "money"), work)
