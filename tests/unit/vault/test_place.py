"""What a sealed value is bound to."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.vault.place import Place, binding, prefixed, row_bytes

PLACES = st.builds(Place, tenant=st.text(), table=st.text(), column=st.text(), row=st.binary(max_size=40))


@given(PLACES, PLACES)
def test_two_places_share_no_binding(one: Place, other: Place) -> None:
    """Different places never give the same associated data, wherever their parts are cut."""
    assert (binding(one) == binding(other)) == (one == other)


@given(st.lists(st.binary(max_size=8), max_size=5), st.lists(st.binary(max_size=8), max_size=5))
def test_prefixing_keeps_parts_apart(one: list[bytes], other: list[bytes]) -> None:
    """Joined parts are equal only when the parts are."""
    assert (prefixed(*one) == prefixed(*other)) == (one == other)


def test_a_number_and_its_digits_are_different_rows() -> None:
    """Row 7 is not row "7": a number takes eight bytes."""
    assert row_bytes(7) == bytes(7) + b"\x07"
    assert row_bytes("7") == b"7"
