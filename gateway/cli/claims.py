"""claims, show, resend: where each claim stands, and sending one again; every look and decision is in the audit log."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import typer

from gateway.bootstrap import Gateway
from gateway.cli.deciding import decide
from gateway.cli.looking import StateOption, in_state, opened_records
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

COLUMNS = ("control_number", "state", "sent_at", "charge", "payer_claim_number", "asked", "forwarded_to", "next_step")
WORK = frozenset(
    {
        "claim-unacknowledged", "claim-unanswered", "acknowledgement-missing", "transmission-rejected",
        "passed-on-unanswered",
    }
)  # fmt: skip
"""Kinds of tasks that say what did not come."""
HELD = "-payer-held"
"""End of the kinds of tasks about claims to further payers: second, third and so on."""
UNDECIDED = frozenset({"sent", "rejected", "not-found"})
"""States in which no payer has the claim, as far as is known."""
MOST_REASON = 200

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
        one = _progress(gateway, name, number)
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


@app.command()
def resend(
    number: Annotated[str, typer.Argument(help="Control number, as `gateway claims` shows it.")],
    reason: Annotated[str, typer.Option("--reason", help="Why, in a few words without names.")],
    config: ConfigOption = DEFAULT_CONFIG,
    tenant: TenantOption = "",
    json_: JsonOption = False,
) -> None:
    """Send a claim once more, as it says by now: after a 999 or 277CA refused it, or nobody has it."""
    if not reason.strip() or len(reason) > MOST_REASON:
        raise InvalidConfiguration(
            "A decision needs a reason", where="--reason", fix=f"Give one of at most {MOST_REASON} letters."
        )
    with opened(config) as gateway:
        name = tenant_of(gateway, tenant)
        one = _progress(gateway, name, number)
        earlier = [each for each in opened_records(gateway, name, "ClaimDecision") if _is(each, number)]
        after = _may_go(one, earlier)
        now = iso(micros())
        fields: dict[str, Any] = {
            "control_number": number, "after": after, "decided_at": now, "decided_by": actor(), "reason": reason,
        }  # fmt: skip
        patient = one.get("patient")
        if patient:
            fields["patient"] = patient
        decide(gateway, name, Decision("ClaimDecision", number, fields, patient=patient), now)
    told = f"{number} goes once more; a gateway that serves sends it within seconds"
    tell({"claim": number, "decided_at": now}, told, json_=json_)


def _may_go(one: dict[str, Any], earlier: Sequence[dict[str, Any]]) -> str:
    """When the last word about it came: only what is made here, nobody decided, and does not go once more already."""
    number, state = one["control_number"], one["state"]
    if not one.get("made_here"):
        raise InvalidConfiguration(
            "Nothing here makes this claim now",
            where=number,
            fix="A visit that cannot be billed has a task, claim-held; what another system made is sent again there.",
        )
    if state not in UNDECIDED:
        raise InvalidConfiguration(
            f"This claim is {state}: a payer has it", where=number,
            fix="Sent once more it would be a duplicate; send a replacement (frequency 7) from the billing system.",
        )  # fmt: skip
    last: str = max((each["at"] for each in one["history"]), key=datetime.fromisoformat)
    if any(datetime.fromisoformat(each["after"]) == datetime.fromisoformat(last) for each in earlier):
        raise InvalidConfiguration(
            "This claim goes once more already, and no word of it came since", where=number,
            fix="See `gateway routes` and `gateway quarantine list` for what holds it.",
        )  # fmt: skip
    return last


def _progress(gateway: Gateway, tenant: str, number: str) -> dict[str, Any]:
    found = next((one for one in opened_records(gateway, tenant, "ClaimProgress") if _is(one, number)), None)
    if found is None:
        raise InvalidConfiguration("No claim with an answer has this number", where=number, fix="See `gateway claims`.")
    return found


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
        one for one in opened_records(gateway, tenant, "Task") if one["state"] == "open" and _about(one.get("kind", ""))
    ]


def _about(kind: str) -> bool:
    """Whether a kind of task is about claims that were sent."""
    return kind in WORK or kind.endswith(HELD)


def _tell(work: list[dict[str, Any]]) -> None:
    if work:
        listing("Work", ("kind", "title", "reason", "money"), work)
