"""persons, review, duplicates, link, unlink: who is one human being across systems; every look is audited."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from gateway.bootstrap import Gateway
from gateway.cli.deciding import decide
from gateway.cli.looking import current_row, opened_records, whole_content
from gateway.cli.printing import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    TenantOption,
    actor,
    as_json,
    opened,
    record_bytes,
    table,
    tell,
    tenant_of,
)
from gateway.errors import InvalidConfiguration
from gateway.flow.clock import iso, micros
from gateway.flow.decisions import Decision

_TWICE = "duplicate-"
app = typer.Typer(invoke_without_command=True, help="Which patients of several systems are one person.")
PatientId = Annotated[str, typer.Argument(help="A patient's record id, as the review list shows it.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why, in a few words without names.")]


@app.callback()
def persons(
    context: typer.Context, config: ConfigOption = DEFAULT_CONFIG, tenant: TenantOption = "", json_: JsonOption = False
) -> None:
    """Every person who is a patient in more than one place, with the rule that links them."""
    if context.invoked_subcommand is not None:
        return
    with opened(config) as gateway:
        found = opened_records(gateway, tenant_of(gateway, tenant), "Person")
    if json_:
        as_json(found)
        return
    rows = [
        (one["id"], link["patient"], link.get("rule"), link.get("decided_by")) for one in found for link in one["links"]
    ]
    table("Persons", ("id", "patient", "rule", "decided by"), rows)


@app.command()
def review(config: ConfigOption = DEFAULT_CONFIG, tenant: TenantOption = "", json_: JsonOption = False) -> None:
    """Pairs of patients that look alike and are not linked: decide with `persons link` or `persons unlink`."""
    with opened(config) as gateway:
        tasks = opened_records(gateway, tenant_of(gateway, tenant), "Task")
    found = [one for one in tasks if str(one.get("kind", "")).startswith("person-") and one["state"] == "open"]
    if json_:
        as_json(found)
        return
    rows = [(one["about"], _other(one), one["reason"]) for one in found]
    table("To decide", ("id", "other id", "why"), rows)


@app.command()
def duplicates(config: ConfigOption = DEFAULT_CONFIG, tenant: TenantOption = "", json_: JsonOption = False) -> None:
    """What one person has in two systems: patient records, visits, treatments, authorizations; nothing was merged."""
    with opened(config) as gateway:
        name = tenant_of(gateway, tenant)
        people, tasks = opened_records(gateway, name, "Person"), opened_records(gateway, name, "Task")
    found = [
        {"kind": "patient", "id": one["links"][0]["patient"], "other": link["patient"], "why": link.get("rule")}
        for one in people
        for link in one["links"][1:]
    ]
    found += [
        {"kind": kind.removeprefix(_TWICE), "id": one["about"], "other": _other(one), "why": one["reason"]}
        for one in tasks
        if (kind := str(one.get("kind", ""))).startswith(_TWICE)
    ]
    if json_:
        as_json(found)
        return
    table("Seen twice", ("what", "id", "other id", "why"), [tuple(one.values()) for one in found])


@app.command()
def link(
    first: PatientId, second: PatientId, reason: ReasonOption = "", config: ConfigOption = DEFAULT_CONFIG,
    tenant: TenantOption = "", json_: JsonOption = False,
) -> None:  # fmt: skip
    """Say that two patients are one person; a running gateway follows within seconds."""
    _decide(config, tenant, (first, second), "same", reason, json_=json_)


@app.command()
def unlink(
    first: PatientId, second: PatientId, reason: ReasonOption = "", config: ConfigOption = DEFAULT_CONFIG,
    tenant: TenantOption = "", json_: JsonOption = False,
) -> None:  # fmt: skip
    """Say that two patients are not one person, whatever any rule says from now on."""
    _decide(config, tenant, (first, second), "different", reason, json_=json_)


def _decide(config: Path, tenant: str, pair: tuple[str, str], verdict: str, reason: str, *, json_: bool) -> None:
    with opened(config) as gateway:
        name = tenant_of(gateway, tenant)
        ids = sorted({str(UUID(bytes=record_bytes(one))) for one in pair})
        if len(ids) != 2:
            raise InvalidConfiguration(
                "A decision is about two different patients",
                where="patients",
                fix="Take both ids from one line of the list.",
            )
        births = _births(gateway, name, ids)
        now = iso(micros())
        fields: dict[str, Any] = {
            "first": ids[0], "second": ids[1], "first_born": births[0], "second_born": births[1], "verdict": verdict,
            "decided_by": actor(), "decided_at": now,
        }  # fmt: skip
        if reason:
            fields["reason"] = reason
        decide(gateway, name, Decision("PersonDecision", "/".join(ids), fields, patient=ids[0]), now)
    tell({"verdict": verdict, "patients": ids}, f"{verdict}: {ids[0]} {ids[1]}", json_=json_)


def _other(task: dict[str, Any]) -> str:
    """The second record of a pair, with which the title of its task ends."""
    return str(task["title"]).rpartition(" ")[2].rstrip(".")


def _births(gateway: Gateway, tenant: str, ids: Sequence[str]) -> list[date | None]:
    """Birth dates of two patients, opened under an access entry."""
    rows = [current_row(gateway, tenant, one, "Patient") for one in ids]
    days = [whole_content(gateway, tenant, row)["fields"].get("birth_date") for row in rows]
    return [None if day is None else date.fromisoformat(day) for day in days]
