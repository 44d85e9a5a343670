from __future__ import annotations

import functools
import os
import random
import string
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, get_args, get_origin

import msgspec
import pytest

from gateway.access import Veil, View, built_in
from gateway.errors import IntegrityViolated, InvalidConfiguration
from gateway.model import TYPES
from gateway.model.identity import RecordId

SEED = 20260714
fields_of = functools.cache(msgspec.structs.fields)  # reads the annotations anew each time
RECORDS = int(10_000 * float(os.environ.get("GATEWAY_FAULT_SCALE", "1")))
TODAY = date(2026, 7, 14)
VIEW = built_in()["analytics-deidentified"]
CODES = {"diagnoses": "M54.50", "procedure_code": "97110", "service_codes": "97110", "modifiers": "GP", "state": "TX"}
PUBLIC = {"reason": "45", "remarks": "N130", "group": "CO", "frequency": "1", "place_of_service": "11", "status": "1"}


def veil(days: int = -17, today: date = TODAY) -> Veil:
    return Veil(days, lambda record_id: f"code-{hash(record_id)}", today)


class Maker:
    """Makes canonical records of which every text, reference and date is an identifier that must not leave."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.secrets: set[str] = set()
        self.dates: set[str] = set()

    def record(self, struct: type[msgspec.Struct]) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for field in fields_of(struct):
            value = self._value(field.name, field.type)
            if value is not None:
                made[field.name] = value
        return made

    def _value(self, name: str, annotation: Any) -> Any:
        origin, arguments = get_origin(annotation), [one for one in get_args(annotation) if one is not type(None)]
        if annotation is RecordId:
            return self._secret("id")
        if origin is Literal:
            return self.random.choice(arguments)
        if origin is tuple:
            return [self._value(name, arguments[0]) for _ in range(self.random.randint(1, 2))]
        if arguments and origin is not dict:
            return self._value(name, arguments[0])
        if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
            return self.record(annotation)
        return self._plain(name, annotation)

    def _plain(self, name: str, kind: Any) -> Any:
        day = date(1900, 1, 1) + timedelta(days=self.random.randrange(46_000))
        if kind in {date, datetime}:
            self.dates.add(day.isoformat())
            return day.isoformat() if kind is date else f"{day.isoformat()}T09:30:00-05:00"
        if kind is bool:
            return True
        if kind in {int, float}:
            return self.random.randrange(9)
        if kind is Decimal:
            return f"{self.random.randrange(9)}.00"
        if name == "postal_code":
            return f"036{self.random.randrange(100):02d}"
        if kind is str and self.random.random() < 0.5 and name in CODES | PUBLIC:
            return (CODES | PUBLIC)[name]
        return self._secret(name) if kind is str else {}

    def _secret(self, name: str) -> str:
        letters = "".join(self.random.choice(string.ascii_letters) for _ in range(12))
        text = self.random.choice((f"{letters}", f"{letters}@x.example", f"{self.random.randrange(10**8, 10**9)}"))
        self.secrets.add(text)
        return f"{text}" if name != "id" else text


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
    elif isinstance(value, str):
        yield value


def test_no_identifier_leaves_in_ten_thousand_records() -> None:
    """Whatever texts, references and ZIP codes records of all types hold, none of them is in the bytes."""
    maker = Maker(SEED)
    names = sorted(TYPES)
    left = 0
    for number in range(RECORDS):
        type_name = names[number % len(names)]
        maker.secrets.clear()
        record = maker.record(TYPES[type_name])
        projection = VIEW.project(type_name, msgspec.json.encode(record), veil())
        told = set(_texts(msgspec.json.decode(projection.body)))
        left += len(told)
        assert not told & maker.secrets, type_name
        assert not [text for text in told if text.startswith("036")], type_name
    assert left > RECORDS  # a view that tells nothing would pass every line above


def test_no_field_is_granted_that_names_somebody() -> None:
    """The view grants none of the fields that hold the 18 identifiers, and no text that is not a public code."""
    paths = {f"{kind}.{path}" for kind, granted in VIEW.grants.items() for path in granted}
    words = {part for path in paths for part in path.replace("_", ".").split(".")}
    assert not words & {
        "name", "contacts", "lines.text", "city", "identifiers", "phone", "member", "number", "npi", "trace", "note",
        "notes", "text", "emergency", "guarantor", "room", "zone",
    }  # fmt: skip


def test_intervals_hold_and_dates_do_not() -> None:
    """All dates of a patient move by the same days, times keep the hour on the wall, and no date stays as it was."""
    record = {"start": "2026-03-10T09:00:00-05:00", "end": "2026-03-12T10:30:00-05:00", "status": "booked"}
    body = msgspec.json.decode(VIEW.project("Appointment", msgspec.json.encode(record), veil(-17)).body)
    assert body == {"start": "2026-02-21T09:00:00Z", "end": "2026-02-23T10:30:00Z", "status": "booked"}


@pytest.mark.parametrize(
    ("born", "told"),
    [
        ("1936-07-15", "1936-06-28"),  # turns 90 tomorrow
        ("1936-07-14", "1936-01-01"),
        ("1936-01-02", "1936-01-01"),
        ("1901-05-05", "1936-01-01"),
        ("2000-02-29", "2000-02-12"),
    ],
)
def test_ages_over_89_are_one_age(born: str, told: str) -> None:
    """Up to 89 the age stays as it is within the shift; from 90 on everybody is born at the start of the same year."""
    body = VIEW.project("Patient", msgspec.json.encode({"birth_date": born}), veil(-17)).body
    assert msgspec.json.decode(body) == {"birth_date": told}


@pytest.mark.parametrize(
    ("postal_code", "told"),
    [
        ("78701", "787"), ("78701-1234", "787"), ("787011234", "787"), ("03601", "000"), ("89310", "000"),
        ("K1A 0B1", "000"), ("787", "000"), ("", "000"), ("78701 Elm", "000"),
    ],
)  # fmt: skip
def test_zip_codes_are_three_digits(postal_code: str, told: str) -> None:
    """Three digits leave, and 000 where few people live or where it is no ZIP code."""
    record = {"addresses": [{"postal_code": postal_code, "city": "Austin", "lines": ["1 Elm"]}]}
    body = VIEW.project("Patient", msgspec.json.encode(record), veil()).body
    assert msgspec.json.decode(body) == {"addresses": [{"postal_code": told}]}


def test_a_code_field_that_holds_something_else_is_left_out() -> None:
    """A name or number typed where a code belongs does not leave, and its neighbours do."""
    record = {"diagnoses": ["M54.50", "John Miller", "123-45-6789", "5551234567"], "minutes": 45}
    projection = VIEW.project("Visit", msgspec.json.encode(record), veil())
    assert msgspec.json.decode(projection.body) == {"minutes": 45, "diagnoses": ["M54.50"]}
    assert set(projection.fields) == {"minutes", "diagnoses"}


def test_without_a_veil_nothing_leaves() -> None:
    """Where nobody says whose record it is, a veiled view gives an empty object."""
    assert VIEW.project("Patient", b'{"birth_date":"1980-01-01"}') == (b"{}", ())


def test_a_text_that_may_hold_anything_cannot_be_granted() -> None:
    """A veiled view that grants free text is refused at once, with the field's place."""
    with pytest.raises(InvalidConfiguration) as caught:
        View("v", {"Appointment": ["reason", "start"]}, veiled=True)
    assert caught.value.where == "views.v.Appointment.reason"


def test_what_is_not_canonical_gives_nothing_away() -> None:
    """A stored value that its type does not allow stops the projection, and the error holds no value."""
    with pytest.raises(IntegrityViolated) as caught:
        VIEW.project("Patient", b'{"sex":"CANARY"}', veil())
    assert "CANARY" not in str(caught.value)


def test_times_at_the_calendars_end_are_left_out() -> None:
    """A date that cannot be moved is left out instead of failing."""
    assert veil(-17).shifted(date(9999, 12, 31)) is None
    assert veil(-17).shifted_time(datetime(9999, 12, 31, tzinfo=UTC)) is None
    assert veil(-17, date(2028, 2, 29)).shifted(date(1938, 2, 28)) == date(1938, 1, 1)


def test_the_kept_text_says_how_it_was_made() -> None:
    """The text behind a view's version tells that identifiers were taken out, and only where they were."""
    assert msgspec.json.decode(VIEW.text)["method"] == "safe-harbor"
    assert "method" not in msgspec.json.decode(built_in()["billing"].text)
