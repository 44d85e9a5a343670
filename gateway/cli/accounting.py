"""accounting tie-out: remittances, deposits and open items, each from its own records; every look is logged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any

import typer

from gateway.bootstrap import Gateway
from gateway.cli.looking import opened_records
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
from gateway.model.values import ZERO

CLOSE_DAYS = 11
"""The latest a day can close after its end, in whole days."""
TYPES = ("Remittance", "Settlement", "BankTransaction", "LedgerEntry", "Task")
Rows = Mapping[str, Mapping[str, Any]]
"""Fields of records by id."""

app = typer.Typer(no_args_is_help=True, help="The books: what was announced, what came, what is open, what is booked.")
_FROM = typer.Option("--from", formats=["%Y-%m-%d"], help="First payment date.")
_TO = typer.Option("--to", formats=["%Y-%m-%d"], help="Last payment date.")


@app.callback()
def accounting() -> None:
    """The books."""


@app.command("tie-out")
def tie_out(
    config: ConfigOption = DEFAULT_CONFIG,
    tenant: TenantOption = "",
    from_: Annotated[datetime | None, _FROM] = None,
    to: Annotated[datetime | None, _TO] = None,
    json_: JsonOption = False,
) -> None:
    """Whether remittances are deposits plus open items, and whether the journals say so too; exit code 1 when not.

    Each sum is added up from its own records. The look is logged.
    """
    with opened(config) as gateway:
        name = tenant_of(gateway, tenant)
        records = {type_: _records(gateway, name, type_) for type_ in TYPES}
    days = (from_.date() if from_ else date.min, to.date() if to else date.max)
    found = tied(records, days, datetime.now(UTC).date())
    if json_:
        as_json(found)
    else:
        for label in ("remittances", "deposits", "open_items", "difference", "booked", "held", "unbooked"):
            typer.echo(f"{label:12} {found[label]:>14}")
        columns = ("number", "payer_name", "since", "expected", "received", "open")
        listing("Open items", columns, found["items"])
        listing("Held back from the books", ("title", "money"), found["tasks"])
    if not found["tied"]:
        raise typer.Exit(1)


def tied(records: Mapping[str, Rows], days: tuple[date, date], today: date) -> dict[str, Any]:
    """The report of one period of payment dates.

    ``remittances`` are those of the period without repeats by another channel; ``deposits`` the bank's lines of the
    same trace numbers; ``open_items`` what settlements lack. ``booked`` is the money in the journals of remittances,
    ``held`` that of remittances which wait for a person, ``unbooked`` what neither accounts for: that may only be the
    remittances whose day is not closed yet, at most :data:`CLOSE_DAYS` old.
    """
    remittances = {id: one for id, one in records["Remittance"].items() if _within(_paid_on(one), days)}
    settled = [
        one for one in records["Settlement"].values()
        if one["kind"] == "deposit" and any(id in remittances for id in one.get("remittances", ()))
    ]  # fmt: skip
    tasks = [
        one for one in records["Task"].values()
        if str(one.get("kind", "")).startswith("accounting-") and one.get("about") in remittances
    ]  # fmt: skip
    held = {str(one["about"]) for one in tasks}
    counted = _without_repeats(remittances, held)
    bank = {id for one in settled for id in one.get("bank_lines", ()) if id in records["BankTransaction"]}
    items = [
        {name: one.get(name) for name in ("number", "payer_name", "since", "expected", "received", "state")}
        | {"open": str(-_money(one, "difference"))}
        for one in settled
        if _money(one, "difference")
    ]
    announced = _sum(_money(one, "amount") for one in counted.values())
    deposits = _sum(_money(records["BankTransaction"][id], "amount") for id in bank)
    open_items = _sum(-_money(one, "difference") for one in settled)
    waiting = _sum(_money(one, "amount") for id, one in counted.items() if id in held)
    journals = [
        one for one in records["LedgerEntry"].values()
        if one.get("kind") == "remittance" and one.get("origin") in remittances
    ]  # fmt: skip
    booked = _sum(_cash(one, _money(remittances[one["origin"]], "amount")) for one in journals)
    settled_ids = held | {str(one["origin"]) for one in journals}
    pending = _sum(
        _money(one, "amount") for id, one in counted.items()
        if id not in settled_ids and (today - (_paid_on(one) or today)).days <= CLOSE_DAYS
    )  # fmt: skip
    difference = announced - deposits - open_items
    unbooked = announced - booked - waiting
    sums = {
        "remittances": announced, "deposits": deposits, "open_items": open_items, "difference": difference,
        "booked": booked, "held": waiting, "unbooked": unbooked,
    }  # fmt: skip
    return {name: str(amount) for name, amount in sums.items()} | {
        "tied": not difference and unbooked == pending, "items": sorted(items, key=lambda one: str(one["number"])),
        "tasks": tasks,
    }  # fmt: skip


def _cash(entry: Mapping[str, Any], announced: Decimal) -> Decimal:
    """Money of the journal of a remittance; with deposits in the books it waits on clearing, as the first line there.

    A remittance of nothing has no such line: what stands on clearing is then what a payer took off without a reason.
    """
    by_role: dict[str, Decimal] = {}
    for line in entry["lines"]:
        by_role.setdefault(line["account"], _money(line, "amount"))
    return by_role.get("cash", by_role.get("clearing", ZERO) if announced else ZERO)


def _without_repeats(remittances: Rows, held: AbstractSet[str]) -> dict[str, Mapping[str, Any]]:
    """One remittance of each trace number, payer and amount: the same one may come by two channels, and one is held."""
    found: dict[tuple[str, str, str], str] = {}
    for id, one in sorted(remittances.items(), key=lambda each: (each[0] in held, each[0])):
        found.setdefault((one["trace_number"], str(one.get("payer_id")), one["amount"]), id)
    return {id: remittances[id] for id in found.values()}


def _paid_on(one: Mapping[str, Any]) -> date | None:
    text = one.get("payment_date") or one.get("production_date")
    return None if text is None else date.fromisoformat(text)


def _within(day: date | None, days: tuple[date, date]) -> bool:
    """A remittance without any date belongs to the period without bounds alone."""
    return days == (date.min, date.max) if day is None else days[0] <= day <= days[1]


def _money(one: Mapping[str, Any], field: str) -> Decimal:
    return Decimal(one.get(field) or ZERO)


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, ZERO)


def _records(gateway: Gateway, tenant: str, type_: str) -> dict[str, dict[str, Any]]:
    """Current records of one type, opened under one access entry."""
    return {one["id"]: one for one in opened_records(gateway, tenant, type_)}
