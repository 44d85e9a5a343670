"""How what a message says becomes a record, and how a record is written and read."""

from __future__ import annotations

import timeit
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import InvalidContent
from gateway.model import TYPES, decode, encode, fold
from tests.unit.model.strategies import Fields, records, stored, unhurried

APPOINTMENT: Fields = {
    "start": datetime(2026, 3, 2, 15, tzinfo=UTC), "end": datetime(2026, 3, 2, 16, tzinfo=UTC), "status": "booked",
    "zone": "America/Chicago", "type": "evaluation", "minutes": 60, "patient": "p" * 36, "practitioner": "t" * 36,
    "location": "l" * 36,
}  # fmt: skip
PATIENT: Fields = {
    "identifiers": [{"value": "1001", "type": "MR"}, {"value": "2002", "type": "MB"}], "sex": "female",
    "name": {"family": "Rivera", "given": "Ana"}, "birth_date": date(1980, 2, 29), "active": True,
    "contacts": [{"system": "phone", "value": "555-0100", "use": "home"}],
    "addresses": [{"lines": ["1 Elm St"], "city": "Peoria", "state": "IL", "postal_code": "61602"}],
}  # fmt: skip


@unhurried
@given(records())
def test_absent_changes_nothing(drawn: tuple[str, list[Fields]]) -> None:
    """Folding no fields into a stored record gives the same record."""
    name, (fields,) = drawn
    record = fold(name, None, fields)
    assert fold(name, stored(record), {}) == record


@unhurried
@given(records(count=2))
def test_folding_twice_is_folding_once(drawn: tuple[str, list[Fields]]) -> None:
    """The same message again makes no change, byte for byte."""
    name, (before, fields) = drawn
    once = fold(name, stored(fold(name, None, before)), fields)
    assert encode(fold(name, stored(once), fields)) == encode(once)


@unhurried
@given(records(count=2))
def test_a_value_sets_its_field_and_no_other(drawn: tuple[str, list[Fields]]) -> None:
    """After a fold every field is the new value where one was given and the old one where none was."""
    name, (before, fields) = drawn
    old, given_alone = fold(name, None, before), fold(name, None, fields)
    new = fold(name, stored(old), fields)
    for field in msgspec.structs.fields(TYPES[name]):
        source = given_alone if field.name in fields else old
        assert getattr(new, field.name) == getattr(source, field.name)


@unhurried
@given(records(), st.data())
def test_none_deletes(drawn: tuple[str, list[Fields]], data: st.DataObject) -> None:
    """None puts an optional field back to absent, and is refused by place for one the record cannot be without."""
    name, (fields,) = drawn
    field = data.draw(st.sampled_from(msgspec.structs.fields(TYPES[name])))
    before = stored(fold(name, None, fields))
    if field.required:
        with pytest.raises(InvalidContent) as caught:
            fold(name, before, {field.name: None})
        assert caught.value.where == f"{name}.{field.name}"
    else:
        record = fold(name, before, {field.name: None})
        assert getattr(record, field.name) == field.default
        assert field.name not in stored(record)


@unhurried
@given(records())
def test_decode_is_the_inverse_of_encode(drawn: tuple[str, list[Fields]]) -> None:
    """A record survives its JSON unchanged, and the JSON of what was read is the same bytes."""
    name, (fields,) = drawn
    record = fold(name, None, fields)
    assert decode(name, encode(record)) == record
    assert encode(decode(name, encode(record))) == encode(record)


def test_fold_leaves_its_arguments_alone() -> None:
    """Neither the stored fields nor the patch's fields are changed by a fold."""
    before, fields = dict(APPOINTMENT), {"status": "cancelled", "type": None}
    fold("Appointment", before, fields)
    assert before == APPOINTMENT
    assert fields == {"status": "cancelled", "type": None}


CANARY = "CANARY-7731"


@pytest.mark.parametrize(
    ("name", "before", "fields", "where"),
    [
        ("Appointment", APPOINTMENT, {"status": CANARY}, "Appointment.status"),
        ("Appointment", APPOINTMENT, {"start": CANARY}, "Appointment.start"),
        ("Appointment", APPOINTMENT, {"start": datetime(2026, 3, 2, 15)}, "Appointment.start"),
        ("Appointment", APPOINTMENT, {"zone": CANARY}, "Appointment.zone"),
        ("Appointment", APPOINTMENT, {"minutes": CANARY}, "Appointment.minutes"),
        ("Appointment", APPOINTMENT, {CANARY: 1}, "Appointment"),
        ("Appointment", None, {"status": "booked"}, "Appointment.start"),
        ("Patient", PATIENT, {"name": {"family": 7731}}, "Patient.name.family"),
        ("Patient", PATIENT, {"contacts": [{"system": "phone"}]}, "Patient.contacts[0].value"),
        ("Patient", PATIENT, {"birth_date": CANARY}, "Patient.birth_date"),
        ("Remittance", None, {"amount": Decimal("7.731"), "trace_number": "1"}, "Remittance.amount"),
        (
            "ClaimPayment", None,
            {"status": "1", "charge": Decimal("1.00"), "paid": Decimal("1.00"),
             "lines": [{"procedure_code": "97110", "charge": Decimal("1.00"), "paid": Decimal("7.731")}]},
            "ClaimPayment.lines[0].paid",
        ),
        (CANARY, None, {}, ""),
    ],
)  # fmt: skip
def test_a_refusal_names_the_place_and_never_the_value(
    name: str, before: Fields | None, fields: Fields, where: str
) -> None:
    """Whatever is wrong with a value, the error says where it stands and shows nothing of it."""
    with pytest.raises(InvalidContent) as caught:
        fold(name, before, fields)
    assert caught.value.reason == "invalid-record"
    assert caught.value.where == where
    for shown in (str(caught.value), repr(caught.value)):
        assert CANARY not in shown
        assert "7731" not in shown
        assert "7.731" not in shown


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff", b'{"status": "CANARY-7731"}', b'{"status": "\xff"}'])
def test_decode_refuses_what_is_no_record(data: bytes) -> None:
    """Bytes that are not a valid record are refused without showing any of them."""
    with pytest.raises(InvalidContent) as caught:
        decode("Appointment", data)
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(("name", "fields"), [("Appointment", APPOINTMENT), ("Patient", PATIENT)])
def test_fold_is_fast_enough_for_the_hot_path(name: str, fields: Fields) -> None:
    """Folding one change into a stored record takes at most 15 microseconds at its best."""
    before: dict[str, Any] = stored(fold(name, None, fields))
    best = min(timeit.repeat(lambda: fold(name, before, fields), number=500, repeat=20)) / 500
    assert best < 15e-6
