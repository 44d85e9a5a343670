"""Items of claims and of their answers: amounts, services, adjustments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from gateway.errors import InvalidContent
from gateway.model.values import CENT, ZERO
from gateway_fhir.records import CodeableConcept, Money
from gateway_fhir.records_financial import Adjudication, ClaimItem, Total

PATIENT = {"deductible": "1", "coinsurance": "2", "copay": "3"}
"""Categories that the patient owes, with their claim adjustment reason code."""
_CARC = "claim-adjustment-reason-codes"
_GROUPS = frozenset({"CO", "CR", "OA", "PI", "PR"})
"""Claim adjustment group codes, where a server sends them as the category."""
_RARC = "remittance-advice-remark-codes"

_MEND = "Have the server send a valid resource; a newer version of it takes this one's place."


def dollars(amount: Money | None, where: str) -> Decimal | None:
    """An amount in US dollars; None when there is none. Raises ``InvalidContent`` for another currency."""
    if amount is None or amount.value is None:
        return None
    if amount.currency not in (None, "USD"):
        what = "The amount is in another currency than US dollars"
        raise InvalidContent("foreign-currency", what, where=where, fix="Book it by hand; amounts are not converted.")
    try:
        exact = amount.value.quantize(CENT)
    except InvalidOperation:  # more digits than any amount has
        exact = None
    if exact is None or exact != amount.value:
        what = "The value is no amount: an amount has two places, this has more"
        raise InvalidContent("not-money", what, where=where, fix="Ask the sender for the amount in cents.")
    return exact or ZERO


def service(one: ClaimItem, where: str, days: tuple[str, str] = ("service_date", "")) -> dict[str, Any]:
    """What was done, how often and when."""
    concept = one.product_or_service
    code = concept and (concept.code or concept.text)
    if not code:
        raise InvalidContent("missing-code", "The item names no service", where=f"{where}.productOrService", fix=_MEND)
    line: dict[str, Any] = {"procedure_code": code}
    modifiers = [found for each in one.modifier if (found := each.code)]
    if modifiers:
        line["modifiers"] = modifiers
    if one.quantity is not None and one.quantity.value is not None:
        line["units"] = one.quantity.value
    period = one.serviced_period
    begin, end = one.serviced_date or (period.start if period else None), period.end if period else None
    for name, text in zip(days, (begin, end), strict=True):
        if name and text and len(text) >= 10:
            line[name] = _day(text, where)
    return line


def _day(text: str, where: str) -> date:
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        raise InvalidContent("not-a-date", "The value is not a date", where=f"{where}.serviced", fix=_MEND) from None


def charge_of(one: ClaimItem, where: str) -> Decimal | None:
    """The item's net, or unit price times quantity and factor, or the sum of its details."""
    net = dollars(one.net, f"{where}.net")
    if net is not None:
        return net
    price = dollars(one.unit_price, f"{where}.unitPrice")
    if price is not None:
        count = one.quantity.value if one.quantity and one.quantity.value is not None else Decimal(1)
        return (price * count * (one.factor if one.factor is not None else 1)).quantize(CENT)
    details = [charge_of(inner, f"{where}.detail") for inner in one.detail]
    return sum((each for each in details if each is not None), ZERO) if details and None not in details else None


def submitted(one: ClaimItem, where: str) -> Decimal | None:
    found = category_sum(one.adjudication, ("submitted",), where)
    return found if found is not None else charge_of(one, where)


def code_of(concept: CodeableConcept | None) -> str | None:
    return concept.code if concept else None


def category_sum(adjudications: Iterable[Adjudication], names: tuple[str, ...], where: str) -> Decimal | None:
    found = [
        amount
        for one in adjudications
        if code_of(one.category) in names
        and (amount := dollars(one.amount, f"{where}.adjudication.amount")) is not None
    ]
    return sum(found, ZERO) if found else None


def total_of(totals: Iterable[Total], names: tuple[str, ...], place: str) -> Decimal | None:
    for name in names:
        for one in totals:
            if code_of(one.category) == name:
                return dollars(one.amount, f"{place}.total.amount")
    return None


def adjustments(adjudications: Iterable[Adjudication], where: str) -> list[dict[str, Any]]:
    return [
        {"group": group, "reason": reason, "amount": amount} for group, reason, amount in _why(adjudications, where)
    ]


def _why(adjudications: Iterable[Adjudication], where: str) -> Iterator[tuple[str, str, Decimal]]:
    for one in adjudications:
        amount = dollars(one.amount, f"{where}.adjudication.amount")
        category = code_of(one.category) or ""
        if not amount:
            continue
        if category in PATIENT:
            yield "PR", PATIENT[category], amount
        elif one.reason is not None:
            group = category if category in _GROUPS else "OA"
            for coding in one.reason.coding:
                if coding.system and coding.system.endswith(_CARC) and coding.code:
                    yield group, coding.code, amount
                    break


def remarks(adjudications: Iterable[Adjudication]) -> list[str]:
    return [
        coding.code
        for one in adjudications
        for concept in (one.reason, one.category)
        if concept is not None
        for coding in concept.coding
        if coding.system and coding.system.endswith(_RARC) and coding.code
    ]
