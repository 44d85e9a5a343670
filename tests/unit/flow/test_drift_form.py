"""A form is learnt from counts alone, bounded, and a gate finds what is missing or of another type."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.flow.drift_form import (
    EVERY,
    LEARN,
    MOST_PLACES,
    RETURNS,
    SURE,
    TYPES_EVERY,
    VANISHED,
    WRONG_TYPE,
    Gate,
    Learnt,
)
from gateway.model.form import Form
from gateway.wire.json_form import members
from tests.measuring import least

VALUES = st.sampled_from(["x", "", 7, -1.5, True, False, None, [], [1], {}, {"a": 1}])
ROWS = st.dictionaries(st.sampled_from("abcdef"), VALUES, max_size=6)
MAPPED = frozenset("abc")


def form(row: dict[str, Any]) -> Form:
    """A row as an adapter shows it."""
    return Form("k", members(json.dumps(row).encode()))


def looked(gate: Gate, row: dict[str, Any]) -> dict[str, str]:
    """What is barred of a row, of so many alike that their types are looked at."""
    found: dict[str, str] = {}
    for _ in range(TYPES_EVERY):
        found |= gate.look(form(row))
    return found


def taught(*rows: dict[str, Any], mapped: frozenset[str] = MAPPED) -> Gate:
    """A gate that has seen each of these rows as often as it takes to know them."""
    gate = Gate(Learnt(), mapped)
    for _ in range(LEARN):
        for row in rows:
            list(gate.learnt.count(form(row).places))
    gate.refresh()
    return gate


@given(rows=st.lists(ROWS, min_size=1, max_size=6))
@settings(deadline=None, max_examples=150)
def test_nothing_that_was_seen_is_barred(rows: list[dict[str, Any]]) -> None:
    """Rows of the forms that were learnt pass, whatever the forms are."""
    gate = taught(*rows)
    for row in rows:
        assert looked(gate, row) == {}


@given(row=ROWS, gone=st.sampled_from("abc"))
@settings(deadline=None, max_examples=100)
def test_a_place_that_was_always_there_is_missed(row: dict[str, Any], gone: str) -> None:
    """Exactly the place that is gone is barred, and only where a rule reads it."""
    gate = taught(row | {gone: "x"})
    left = {name: value for name, value in row.items() if name != gone}
    assert gate.look(form(left)) == {gone: VANISHED}
    assert taught(row | {gone: "x"}, mapped=MAPPED - {gone}).look(form(left)) == {}


@given(before=VALUES.filter(lambda value: value not in (None, "")), after=VALUES)
@settings(deadline=None, max_examples=150)
def test_another_type_is_barred(before: Any, after: Any) -> None:
    """Null, and text for numbers and the reverse, are for conversion to judge; every other change of type is barred."""

    def kind(value: Any) -> str:
        return (
            "scalar" if isinstance(value, str | int | float) and not isinstance(value, bool) else type(value).__name__
        )

    expected = {} if after in (None, "") or kind(after) == kind(before) else {"a": WRONG_TYPE}
    assert looked(taught({"a": before}), {"a": after}) == expected


def test_little_is_believed() -> None:
    """Before so many records nothing counts as known, and nothing is barred."""
    gate = Gate(Learnt(), MAPPED)
    for _ in range(LEARN - 1):
        list(gate.learnt.count(form({"a": 1}).places))
    gate.refresh()
    assert gate.look(form({})) == {}


def test_what_returns_is_optional() -> None:
    """A place that comes again so often was never vanished, and is not missed again."""
    gate = taught({"a": 1})
    assert gate.look(form({})) == {"a": VANISHED}
    found = [gate.returned(form({"a": 1})) for _ in range(RETURNS)]
    assert found == [[]] * (RETURNS - 1) + [["a"]]
    gate.refresh()
    assert gate.look(form({})) == {}


def test_known_kinds_are_counted_seldom() -> None:
    """Of a kind that is known, one record in so many is counted."""
    gate, shown, counted = taught({"a": 1}), form({"a": 1}), 0
    for _ in range(10 * EVERY):
        gate.look(shown)
        counted += gate.counts()
    assert counted == 10


def test_what_is_learnt_is_bounded_and_holds_no_values() -> None:
    """Thousands of places make no more of it than so many; a name that is no name is not kept; no content is."""
    learnt = Learnt()
    for number in range(3 * MOST_PLACES):
        list(learnt.count(form({f"p{number}": f"secret-{number}", f"Ann Doe, born 19{number % 90}": 1}).places))
    kept = msgspec.json.encode(learnt)
    assert len(learnt.places) == MOST_PLACES
    assert b"secret" not in kept
    assert b"born" not in kept
    assert msgspec.json.decode(kept, type=Learnt) == learnt


def test_a_place_that_becomes_empty_is_noticed() -> None:
    """What used to be filled and is nearly always empty of late is told; what was always empty is not."""
    learnt = Learnt()
    for _ in range(SURE * 10):
        list(learnt.count(form({"a": "x", "b": None}).places))
    assert Gate(learnt, MAPPED).emptied() == []
    for _ in range(60):
        list(learnt.count(form({"a": "", "b": None}).places))
    assert Gate(learnt, MAPPED).emptied() == ["a"]


def test_looking_is_cheap() -> None:
    """To look at the form of a record of thirty fields takes less than 20 microseconds, at best of turns."""
    row = {f"field_{number}": ["x", 1, None, True][number % 4] for number in range(30)}
    body = json.dumps(row).encode()
    gate = taught(row, mapped=frozenset(list(row)[:15]))

    def look() -> None:
        for _ in range(500):
            shown = Form("k", members(body))
            gate.look(shown)
            if gate.counts():
                list(gate.learnt.count(shown.places))

    assert least(look, enough=500 * 20e-6) <= 500 * 20e-6
