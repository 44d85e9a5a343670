"""JSON that cannot be read fails in one way."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from gateway.wire.json_decoder import decoder


@pytest.mark.parametrize(
    "body", [b"", b"[", b'{"a":' * 4000, b"[" * 4000, b'{"a":"\xff"}', b'"\\ud800"', b"[1]", b'{"a":1}'],
    ids=["nothing", "cut", "deep", "deep-lists", "not-utf-8", "half-a-character", "another-type", "another-value"],
)  # fmt: skip
def test_whatever_is_wrong_is_a_decode_error(body: bytes) -> None:
    """Depth and broken text are errors of the same family as a wrong type."""
    with pytest.raises(msgspec.DecodeError) as told:
        decoder(dict[str, str])(body)
    assert "ud800" not in str(told.value)


def test_sound_json_is_read() -> None:
    """With the exact amounts that are asked for."""
    assert decoder(dict[str, Decimal], float_hook=Decimal)(b'{"a":1.10}') == {"a": Decimal("1.10")}
