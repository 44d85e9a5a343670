"""A field that cannot be read is held back alone, by both ways of making a patch alike."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from gateway.errors import InvalidContent
from gateway.mapping import Mapping
from gateway.mapping.times import Unconvertible
from tests.unit.mapping.dictionary import folder, path
from tests.unit.mapping.test_generator import COLOURS, RECORDS, RULES

SECRET = "x" * 60


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Mapping:
    """The mapping as it is: a field that cannot be read fails its message."""
    place = folder(tmp_path_factory.mktemp("rules") / "demo", thing=RULES, codes__colour=COLOURS)
    return Mapping.load(place, None, path).bind(zone="America/Chicago")


def made(mapping: Mapping, record: dict[str, Any]) -> Any:
    """The patches, or the reason why there are none."""
    try:
        return mapping.patches("k", record)
    except (InvalidContent, Unconvertible) as error:
        return error.reason, getattr(error, "where", "")


@given(record=RECORDS)
@settings(deadline=None, max_examples=150)
def test_both_ways_hold_the_same(strict: Mapping, record: dict[str, Any]) -> None:
    """Generated functions and closures hold the same fields for the same reasons, and agree where nothing is held."""
    holding = strict.holding()
    found = made(holding, record)
    assert found == made(holding.traced(), record)
    plainly = made(strict, record)
    if isinstance(plainly, tuple) and plainly and not isinstance(plainly[0], str):
        assert found == plainly
    elif found and not isinstance(found[0], str):
        assert found[0].held
        assert plainly[0] in {one.reason for one in found[0].held}


def test_the_rest_goes_on(strict: Mapping) -> None:
    """An unlisted code costs its field alone; the code is told, for the mapping says that the place holds codes."""
    patch = strict.holding().patches("k", {"id": "1", "a": "word", "c": "green", "n": "7"})[0]
    assert (patch.fields["plain"], patch.fields["number"]) == ("word", 7)
    assert "coded" not in patch.fields
    held = patch.held[0]
    assert (held.field, held.place, held.reason, held.table, held.code) == (
        "coded", "c", "unmapped-code", "colour", "green",
    )  # fmt: skip


@pytest.mark.parametrize("value", [SECRET, "two\nlines"])
def test_what_is_no_code_is_not_told(strict: Mapping, value: str) -> None:
    """A text that is too long for a code, or has lines, is never told."""
    assert strict.holding().patches("k", {"id": "1", "c": value})[0].held[0].code == ""


def test_a_value_that_does_not_convert_is_not_told(strict: Mapping) -> None:
    """Only places with a code table tell what they hold."""
    held = strict.holding().patches("k", {"id": "1", "n": "seven"})[0].held[0]
    assert (held.field, held.code, held.table) == ("number", "", "")


def test_no_default_takes_a_held_fields_place(strict: Mapping) -> None:
    """A barred path holds a field whose default would else be written as if the source had said nothing."""
    barred = strict.holding().barring({"b": "b"}, "vanished", "The place is gone")
    for mapping in (barred, barred.traced()):
        patch = mapping.patches("k", {"id": "1", "a": "word", "gone": "no"})[0]
        assert {"target", "chosen"} & patch.fields.keys() == set()
        assert {"target", "chosen"} <= {one.field for one in patch.held}
        assert patch.fields["plain"] == "word"


def test_what_is_barred_stays_barred(strict: Mapping) -> None:
    """Several places of one record may be gone for several reasons: each holds its fields, and tells its own."""
    first = strict.holding().barring({"b": "b"}, "vanished", "The place is gone")
    both = first.barring({"n": "n"}, "wrong-type", "The content is of another type")
    for mapping in (both, both.traced()):
        patch = mapping.patches("k", {"id": "1", "a": "word", "n": "7"})[0]
        assert {"target", "number"} & patch.fields.keys() == set()
        assert {("target", "vanished"), ("number", "wrong-type")} <= {(one.field, one.reason) for one in patch.held}


def test_a_barred_place_within_a_repetition_is_barred(strict: Mapping) -> None:
    """Paths are told as seen from the message, whatever repetition their rules stand in."""
    barred = strict.holding().barring({"l[*].n": "l"}, "vanished", "The place is gone")
    for mapping in (barred, barred.traced()):
        patch = mapping.patches("k", {"id": "1", "l": [{"a": "x", "n": "1"}]})[0]
        assert [one.field for one in patch.held] == ["items"]


def test_an_id_is_never_held(strict: Mapping) -> None:
    """Without its id nobody knows which record the rest is of: the message fails."""
    barred = strict.holding().barring({"id": "id"}, "vanished", "The place is gone")
    assert made(barred, {"id": "1"}) == ("vanished", "id")
