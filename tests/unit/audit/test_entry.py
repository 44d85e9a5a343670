"""Entries: canonical, compact, and without anything that could be a patient's value."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.audit.entry import entry, rows_of
from gateway.vault import row_bytes

AT = datetime(2026, 3, 1, 7, 30, tzinfo=timezone(timedelta(hours=-6)))
WORDS = {"action": "access", "actor": "source:north", "purpose": "intake"}


def test_the_row_is_canonical_json() -> None:
    """Sorted keys, no spaces, time in UTC, runs of numbers as pairs: the same facts always give the same bytes."""
    made = entry("t", **WORDS, at=AT, counts={"b": 2, "a": 1}, messages=[7, 3, 1, 2, 3], changes=["b/1", "a/2"])
    assert made.body == (
        b'{"action":"access","actor":"source:north","at":"2026-03-01T13:30:00.000000Z","counts":{"a":1,"b":2},'
        b'"outcome":"done","purpose":"intake","rows":{"changes":["a/2","b/1"],"messages":[[1,3],7]},"v":1}'
    )
    again = entry(
        "t", **WORDS, at=AT.astimezone(UTC), counts={"a": 1, "b": 2}, changes=["a/2", "b/1"], messages=[1, 2, 3, 7]
    )
    assert again.body == made.body


@given(
    st.lists(st.integers(0, 400) | st.integers(0, 2**62)), st.lists(st.from_regex(r"[a-z0-9/-]{1,9}", fullmatch=True))
)
def test_ids_survive_packing(numbers: list[int], texts: list[str]) -> None:
    """Every id that was named is read back, once, and is what a grant covers."""
    texts = [text for text in texts if text[0].isalnum()]
    made = entry("t", **WORDS, messages=[*numbers, *texts])
    assert rows_of(made.body, "messages") == [*sorted(set(numbers)), *sorted(set(texts))]
    assert rows_of(made.body, "changes") == []
    assert made.covers() == {("messages", row_bytes(row)) for row in [*numbers, *texts]}


def test_a_long_batch_stays_small() -> None:
    """A thousand messages in a row take a few bytes, not a few thousand."""
    assert len(entry("t", **WORDS, messages=range(10**6, 10**6 + 1000)).body) < 200


@pytest.mark.parametrize("field", ["action", "actor", "purpose", "outcome"])
@pytest.mark.parametrize("value", ["Jane Doe", "", "a\nb", "x" * 201, "O'Neil", "(555) 0100", "é"])
def test_free_text_is_refused(field: str, value: str) -> None:
    """Whatever looks like more than a word or an id does not get into the log, and the refusal does not repeat it."""
    with pytest.raises(ValueError, match=field) as caught:
        entry("t", **{**WORDS, field: value})
    assert not value or value not in str(caught.value)


def test_ids_and_patients_are_checked_too() -> None:
    """A name where an id belongs is refused."""
    with pytest.raises(ValueError, match="patients"):
        entry("t", **WORDS, patients=["Jane Doe"])
    with pytest.raises(ValueError, match="rows"):
        entry("t", **WORDS, changes=["Jane Doe"])


def test_patients_are_listed_once() -> None:
    """The patients of an entry are sorted record ids without repeats."""
    body = json.loads(entry("t", **WORDS, patients=["p2", "p1", "p2"]).body)
    assert body["patients"] == ["p1", "p2"]
