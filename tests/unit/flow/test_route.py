"""Filters, lanes and words: small functions that everything is counted by."""

from __future__ import annotations

from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from gateway.flow.lanes import intake_lane, journal_lane
from gateway.flow.route import Filter, order_key
from gateway.flow.words import stored_word
from gateway.store.schema import LANES

NAMES = st.frozensets(st.text(max_size=8), max_size=3)
FILTERS = st.builds(Filter, NAMES, NAMES, st.frozensets(st.binary(min_size=16, max_size=16), max_size=3))
CHANGES = st.builds(
    SimpleNamespace,
    kind=st.sampled_from(["created", "updated", "removed", "merged", "barrier"]), type=st.text(max_size=8),
    source=st.text(max_size=8), location=st.none() | st.binary(min_size=16, max_size=16),
    left_location=st.none() | st.binary(min_size=16, max_size=16),
)  # fmt: skip


@given(FILTERS)
def test_a_filter_is_its_text(filter_: Filter) -> None:
    """A filter read back from its text is the same one, and equal filters have equal texts."""
    assert Filter.parse(filter_.text) == filter_
    assert Filter(filter_.types, filter_.sources, filter_.locations).text == filter_.text


@given(FILTERS, CHANGES)
def test_each_part_of_a_filter_only_narrows(filter_: Filter, change: SimpleNamespace) -> None:
    """What a filter wants is wanted by each of its parts alone, and a barrier by none."""
    parts = [Filter(types=filter_.types), Filter(sources=filter_.sources), Filter(locations=filter_.locations)]
    assert filter_.matches(change) == all(part.matches(change) for part in parts)
    assert not (change.kind == "barrier" and filter_.matches(change))
    assert Filter().matches(change) == (change.kind != "barrier")


def test_order_is_the_patients_or_the_records_own() -> None:
    """Changes about a patient keep that patient's order, the others their record's."""
    assert order_key(SimpleNamespace(patient=b"p", record_id=b"r")) == b"p"
    assert order_key(SimpleNamespace(patient=None, record_id=b"r")) == b"r"


@given(st.text(), st.none() | st.text() | st.just("\ud800"))
def test_lanes_are_fixed(source: str, key: str | None) -> None:
    """Any key has one of the lanes, the same each time; no key means the source's own serial queue."""
    source = source.encode(errors="replace").decode()
    assert intake_lane(source, key) == intake_lane(source, key) in range(LANES)
    assert intake_lane(source, None) == intake_lane(source, "")


def test_patients_are_spread_over_the_lanes() -> None:
    """Random patient ids fill every lane about evenly."""
    import hashlib

    counts = [0] * LANES
    for number in range(6400):
        counts[journal_lane("s", hashlib.sha256(str(number).encode()).digest()[:16])] += 1
    assert min(counts) > 50
    assert journal_lane("s", None) == journal_lane("s", None) in range(LANES)


@given(st.text(st.characters(), max_size=300), st.integers(40, 200))
def test_words_fit_their_column(word: str, most: int) -> None:
    """Any text becomes printable, encodable and short enough; what fits already is kept as it is."""
    kept = stored_word(word, most)
    assert len(kept) <= most
    assert kept.isprintable()
    kept.encode()
    assert kept == stored_word(word, most)
    if word.isprintable() and len(word) <= most:
        assert kept == word


@given(st.lists(st.text(st.characters(), min_size=100, max_size=120), min_size=2, max_size=4, unique=True))
def test_different_words_stay_different(words: list[str]) -> None:
    """Words that are too long for their column do not become the same."""
    assert len({stored_word("same beginning " * 10 + word, 60) for word in words}) == len(words)
