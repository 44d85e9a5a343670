"""An eligibility answer to benefits: one record for each coverage, service type and network that it tells of."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from msgspec import structs

from gateway.model.identity import Ref
from gateway.model.patch import Patch
from gateway.model.values import ZERO, money
from gateway_fhir.records import Money
from gateway_fhir.records_financial import BenefitAmount, BenefitItem, CoverageEligibilityResponse, EligibilityInsurance
from gateway_fhir.records_reference import referred

_NETWORK = {"in": True, "out": False}
_MONEY = {"copay": "copay", "deductible": "deductible", "copay-maximum": "out_of_pocket"}
"""Benefit types that are amounts, by canonical field."""
FIELDS = frozenset(
    {
        "coverage", "active", "service_type", "in_network", "copay", "coinsurance", "deductible", "deductible_left",
        "out_of_pocket", "out_of_pocket_left", "visit_limit", "visits_used", "authorization_required",
    }
)  # fmt: skip
"""Fields that are made here; what an answer does not say about them is gone."""


def benefits(patch: Patch, answer: CoverageEligibilityResponse) -> Iterator[Patch]:
    """The patches of one answer; an answer without items makes one benefit under the answer's own id."""
    for number, insurance in enumerate(answer.insurance):
        own = _about(insurance)
        groups: dict[tuple[str | None, bool | None], dict[str, Any]] = {}
        for item in insurance.item:
            category = item.category.code if item.category else None
            network = _NETWORK.get(item.network.code or "") if item.network else None
            _add(groups.setdefault((category, network), {}), item)
        if not groups:
            groups[None, None] = {}
        for (category, network), found in groups.items():
            name = "/".join(filter(None, (category, {True: "in", False: "out", None: ""}[network])))
            native_id = patch.native_id + (f"#{number}" if number else "") + (f"/{name}" if name else "")
            told = {"service_type": category, "in_network": network}
            yield structs.replace(patch, native_id=native_id, fields=patch.fields | own | told | found, references=None)
    if not answer.insurance:
        yield patch


def _about(insurance: EligibilityInsurance) -> dict[str, Any]:
    coverage = referred(insurance.coverage, "Coverage", strict=False)
    return {"coverage": Ref("Coverage", coverage) if coverage else None, "active": insurance.inforce}


def _add(fields: dict[str, Any], item: BenefitItem) -> None:
    """What one item says, added to what others of its group said."""
    if item.authorization_required is not None:
        fields["authorization_required"] = item.authorization_required
    for one in item.benefit:
        type = one.type.code if one.type else None
        if type in _MONEY:
            _amount(fields, _MONEY[type], one)
        elif type == "copay-percent" and one.allowed_unsigned_int is not None:
            fields["coinsurance"] = Decimal(one.allowed_unsigned_int) / 100
        elif type == "visit":
            fields |= {"visit_limit": one.allowed_unsigned_int, "visits_used": one.used_unsigned_int}


def _amount(fields: dict[str, Any], name: str, one: BenefitAmount) -> None:
    allowed, used = _dollars(one.allowed_money), _dollars(one.used_money)
    if allowed is not None:
        fields[name] = allowed
        if used is not None and name != "copay":
            fields[f"{name}_left"] = max(allowed - used, ZERO)


def _dollars(amount: Money | None) -> Decimal | None:
    """US dollars only: a benefit in another currency still says whether the policy is in force."""
    if amount is None or amount.value is None or amount.currency not in (None, "USD"):
        return None
    try:
        return money(f"{amount.value:f}")
    except ValueError:
        return None
