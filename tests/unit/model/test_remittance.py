"""The balance equation of the 835 at its three levels."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from gateway.model import decode, encode
from gateway.model.remittance import Balance, Remittance, imbalance
from tests.unit.model.strategies import AMOUNTS, unhurried


@unhurried
@given(AMOUNTS, st.lists(AMOUNTS, max_size=5))
def test_a_charge_less_its_adjustments_balances(charge: Decimal, adjustments: list[Decimal]) -> None:
    """A payment of charge less adjustments has no difference, and keeps two places."""
    difference = imbalance(charge, adjustments, charge - sum(adjustments))
    assert difference == 0
    assert difference.as_tuple().exponent == -2


@unhurried
@given(AMOUNTS, st.lists(AMOUNTS, max_size=5), AMOUNTS)
def test_the_difference_is_what_was_paid_too_much(charge: Decimal, adjustments: list[Decimal], extra: Decimal) -> None:
    """Paying more by an amount makes exactly that difference, with its sign."""
    assert imbalance(charge, adjustments, charge - sum(adjustments) + extra) == extra


def test_a_verdict_of_false_is_kept_in_json() -> None:
    """An unbalanced remittance says so in its JSON; only fields never set are absent."""
    remittance = Remittance(
        amount=Decimal("280.56"),
        trace_number="71",
        balanced=False,
        difference=Decimal("370.56"),
        balance=Balance(line=True, claim=True, transaction=False),
    )
    assert encode(remittance) == (
        b'{"amount":"280.56","trace_number":"71","balanced":false,"difference":"370.56",'
        b'"balance":{"line":true,"claim":true,"transaction":false}}'
    )
    assert decode("Remittance", encode(remittance)) == remittance
