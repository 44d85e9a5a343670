"""Keys of clients: recognised by their form, matched by their hash, never by anything shorter."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.access import secrets


def test_a_key_is_found_by_its_public_part_and_matched_by_its_hash() -> None:
    """What is kept finds and matches the key, and holds nothing of its secret."""
    made = secrets.make()
    assert secrets.public_part(made.text) == made.public
    assert secrets.matches(made.text, made.hash)
    assert not secrets.matches(secrets.make().text, made.hash)
    assert made.text.count("_") == 2


@given(st.integers(0, secrets.LENGTH - 1), st.sampled_from("aZ09_-é"))
def test_a_mistyped_key_is_told_without_the_store(at: int, letter: str) -> None:
    """One wrong letter, or one too few, makes no key."""
    text = secrets.make().text
    wrong = text[:at] + letter + text[at + 1 :]
    assert wrong == text or secrets.public_part(wrong) is None
    assert secrets.public_part(text[:at]) is None


@pytest.mark.parametrize("text", ["", "egw_", "x" * secrets.LENGTH, "egt_" + "a" * 50])
def test_what_is_no_key_has_no_public_part(text: str) -> None:
    """Other bearers are not taken for keys."""
    assert secrets.public_part(text) is None
