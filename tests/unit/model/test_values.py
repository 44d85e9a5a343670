"""Money, instants and zones, wherever a type holds one."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model import TYPES
from gateway.model.schema import structs
from gateway.model.values import Instant, Money, Zone, is_zone, money
from tests.unit.model.strategies import example, unhurried

STRUCTS = sorted({struct for cls in TYPES.values() for struct in structs(cls)}, key=lambda cls: cls.__name__)


def fields_of_kind(kind: Any) -> list[Any]:
    """Every (struct, field) whose type is ``kind`` or may be."""
    return [
        pytest.param(struct, field.name, id=f"{struct.__name__}.{field.name}")
        for struct in STRUCTS
        for field in msgspec.structs.fields(struct)
        if field.type == kind or kind in get_args(field.type)
    ]


@pytest.mark.parametrize(("struct", "field"), fields_of_kind(Money))
def test_money_has_exactly_two_places_everywhere(struct: type[msgspec.Struct], field: str) -> None:
    """No amount field of any type takes one, three or no places, NaN or infinity."""
    good = example(struct)
    msgspec.convert({**good, field: Decimal("-12.50")}, struct)
    for amount in ("1", "1.5", "1.005", "1E+2", "NaN", "Infinity"):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({**good, field: Decimal(amount)}, struct)


@pytest.mark.parametrize(("struct", "field"), fields_of_kind(Instant))
def test_a_time_without_offset_is_refused_everywhere(struct: type[msgspec.Struct], field: str) -> None:
    """No time field of any type takes a naive time, as a value or as text."""
    for naive in (datetime(2026, 3, 2, 9), "2026-03-02T09:00:00"):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({**example(struct), field: naive}, struct)


@pytest.mark.parametrize(("struct", "field"), fields_of_kind(Zone))
def test_an_unknown_zone_is_refused_everywhere(struct: type[msgspec.Struct], field: str) -> None:
    """No zone field of any type takes a name that is not in the IANA database."""
    msgspec.convert({**example(struct), field: "America/Denver"}, struct)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({**example(struct), field: "America/Springfield"}, struct)


@pytest.mark.parametrize("name", ["", "America", "../UTC", "/etc/passwd", "Central Standard Time", "UTC\0", "x" * 300])
def test_a_hostile_zone_name_is_just_unknown(name: str) -> None:
    """A folder, a path or nonsense is answered with no, never with an error."""
    assert not is_zone(name)


@unhurried
@given(st.integers(-(10**15), 10**15))
def test_money_reads_any_number_of_cents(cents: int) -> None:
    """Text of whole cents gives exactly that amount with two places."""
    text = f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02}"
    amount = money(text)
    assert amount * 100 == cents
    assert amount.as_tuple().exponent == -2


@pytest.mark.parametrize(
    ("text", "amount"),
    [("34", "34.00"), ("-5.5", "-5.50"), (".5", "0.50"), ("7.", "7.00"), ("+1.10", "1.10"), ("1.230", "1.23"),
     ("-0", "0.00"), ("0.000", "0.00")],
)  # fmt: skip
def test_money_takes_the_forms_of_x12_and_of_vendors(text: str, amount: str) -> None:
    """Leading signs, missing digits and needless zeros are read; zero has no sign."""
    assert str(money(text)) == amount


@pytest.mark.parametrize(
    "text", ["", "-", ".", "1.005", "0.001", "1e2", "1,000.00", "$5", " 1", "1_0", "NaN", "inf", "٣", "9" * 19, "--1"]
)
def test_money_refuses_what_it_would_have_to_guess(text: str) -> None:
    """A third place that counts, or anything but a plain number, is refused, without showing it."""
    with pytest.raises(ValueError, match="amount") as caught:
        money(text)
    assert text not in str(caught.value) or len(text) < 2
