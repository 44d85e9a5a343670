"""remits lines, match, unmatch: bank lines that name no remittance, and what a person says that they pay.

What somebody decided is a bank line of its own for each trace number, beside the bank's: so settlements, books and
tie-out need no other rule than for lines that name their remittance themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any

import typer

from gateway.bootstrap import Gateway
from gateway.cli.deciding import decide
from gateway.cli.looking import current_row, opened_records, whole_content
from gateway.cli.printing import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    TenantOption,
    as_json,
    listing,
    opened,
    tell,
    tenant_of,
)
from gateway.errors import InvalidConfiguration
from gateway.flow.clock import iso, micros
from gateway.flow.decisions import NAME, Decision
from gateway.model.bank import trace_key
from gateway.model.values import ZERO

COLUMNS = ("id", "booked_on", "account", "amount", "kind", "description")
PART = "Part of line "
"""Begins the description of what somebody decided, before the bank line's record id."""
_KEPT = ("booked_on", "value_on", "account", "bank_reference", "kind")
LineId = Annotated[str, typer.Argument(help="A bank line's record id, as `gateway remits lines` shows it.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    for command in (lines, match, unmatch):
        app.command()(command)


def lines(config: ConfigOption = DEFAULT_CONFIG, tenant: TenantOption = "", json_: JsonOption = False) -> None:
    """Bank lines that name no remittance and were not matched yet: deposits of checks, returned items. Logged."""
    with opened(config) as gateway:
        found = unmatched(opened_records(gateway, tenant_of(gateway, tenant), "BankTransaction"))
    found.sort(key=lambda one: (one["booked_on"], one["id"]))
    if json_:
        as_json(found)
    else:
        listing("Bank lines without a remittance", COLUMNS, found)


def match(
    line: LineId,
    numbers: Annotated[list[str], typer.Argument(help="Trace or check numbers, as `gateway remits` shows them.")],
    config: ConfigOption = DEFAULT_CONFIG,
    tenant: TenantOption = "",
    json_: JsonOption = False,
) -> None:
    """Say which remittances a bank line pays: one, or several whose open amounts add up to it to the cent."""
    with opened(config) as gateway:
        name = tenant_of(gateway, tenant)
        fields = _line(gateway, name, line)
        if any(one.get("description") == PART + line for one in opened_records(gateway, name, "BankTransaction")):
            raise InvalidConfiguration(
                "This bank line is matched already", where=line, fix=f"First: gateway remits unmatch {line}"
            )
        settlements = [one for one in opened_records(gateway, name, "Settlement") if one["kind"] == "deposit"]
        shares = parts(Decimal(fields["amount"]), numbers, settlements)
        now = iso(micros())
        kept = {key: fields[key] for key in _KEPT if key in fields} | {"description": PART + line}
        for number, amount in shares.items():
            told = kept | {"trace_number": number, "amount": str(amount)}
            decide(gateway, name, Decision("BankTransaction", f"{line}/{trace_key(number)}", told), now)
    found = {number: str(amount) for number, amount in shares.items()}
    tell({"line": line, "parts": found}, ", ".join(f"{number} {found[number]}" for number in found), json_=json_)


def unmatch(
    line: LineId, config: ConfigOption = DEFAULT_CONFIG, tenant: TenantOption = "", json_: JsonOption = False
) -> None:
    """Take back what was said of a bank line: it names no remittance again."""
    with opened(config) as gateway:
        name = tenant_of(gateway, tenant)
        found = [
            one for one in opened_records(gateway, name, "BankTransaction") if one.get("description") == PART + line
        ]
        if not found:
            raise InvalidConfiguration("This bank line is not matched", where=line, fix="See `gateway remits lines`.")
        now = iso(micros())
        for one in found:
            native = f"{line}/{trace_key(one['trace_number'])}"
            decide(gateway, name, Decision("BankTransaction", native, {}, removed=True), now)
    numbers = [one["trace_number"] for one in found]
    tell({"line": line, "unmatched": numbers}, f"unmatched: {', '.join(numbers)}", json_=json_)


def _line(gateway: Gateway, tenant: str, line: str) -> dict[str, Any]:
    """Fields of a bank line that a person may match."""
    row = current_row(gateway, tenant, line, "BankTransaction")
    fields: dict[str, Any] = whole_content(gateway, tenant, row)["fields"]
    if row.source == NAME or fields.get("trace_number"):
        raise InvalidConfiguration(
            "This bank line names its remittance itself",
            where=line,
            fix="See `gateway remits lines` for those that do not.",
        )
    return fields


def unmatched(found: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Those of these bank lines that name no remittance, and of which nobody said what they pay."""
    told = {str(one.get("description", "")) for one in found}
    return [dict(one) for one in found if not one.get("trace_number") and PART + one["id"] not in told]


def parts(amount: Decimal, numbers: Sequence[str], settlements: Sequence[Mapping[str, Any]]) -> dict[str, Decimal]:
    """How much of a bank line each trace number gets: all of it where one is named, else what each lacks.

    Raises:
        InvalidConfiguration: a number is not known or named twice, or the open amounts do not add up.
    """
    known = {trace_key(one["number"]): one for one in settlements}
    named = [known.get(trace_key(number)) for number in numbers]
    if None in named or len({trace_key(number) for number in numbers}) < len(numbers):
        raise InvalidConfiguration(
            "A number has no remittance, or is named twice", where="numbers", fix="See `gateway remits`."
        )
    found = [one for one in named if one is not None]
    if len(found) == 1:
        return {found[0]["number"]: amount}
    shares = {one["number"]: Decimal(one["expected"]) - Decimal(one["received"]) for one in found}
    lacking = sum(shares.values(), ZERO)
    if lacking != amount or not all(shares.values()):
        raise InvalidConfiguration(
            f"The line has {amount}, and these remittances lack {lacking}", where="numbers",
            fix="Name just those that it pays; each must still lack something.",
        )  # fmt: skip
    return shares
