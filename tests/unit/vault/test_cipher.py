"""Boxes and wraps: nothing opens that was changed or moved."""

from __future__ import annotations

import hmac

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import IntegrityViolated
from gateway.vault.cipher import Mac, Wrapper, derive, new_key

WRAPPER = Wrapper(new_key())


@given(st.binary(max_size=300), st.binary(max_size=30))
def test_what_is_sealed_opens_again(plaintext: bytes, place: bytes) -> None:
    """Any bytes, the empty ones too, come back as they were."""
    wrapped, box = WRAPPER.seal(plaintext, place, place + b"key")
    assert WRAPPER.open(wrapped, box, place, place + b"key") == plaintext
    assert plaintext not in box or len(plaintext) < 4


@given(st.binary(min_size=1, max_size=60), st.data())
def test_every_flipped_bit_is_seen(plaintext: bytes, data: st.DataObject) -> None:
    """One flipped bit anywhere in the box or the wrapped key refuses to open."""
    wrapped, box = WRAPPER.seal(plaintext, b"place", b"place and key")
    both = bytearray(wrapped + box)
    both[data.draw(st.integers(0, len(both) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(IntegrityViolated):
        WRAPPER.open(bytes(both[: len(wrapped)]), bytes(both[len(wrapped) :]), b"place", b"place and key")


@pytest.mark.parametrize("length", range(30))
def test_a_box_cut_short_is_refused(length: int) -> None:
    """A truncated box is a fault, never a crash of another kind."""
    wrapped, box = WRAPPER.seal(b"", b"", b"")
    with pytest.raises(IntegrityViolated):
        WRAPPER.open(wrapped, box[:length], b"", b"")


@pytest.mark.parametrize("wrapped", [b"", b"x" * 59, b"x" * 60, b"x" * 61])
def test_a_wrap_of_other_bytes_is_refused(wrapped: bytes) -> None:
    """What was never wrapped does not unwrap, whatever its length."""
    with pytest.raises(IntegrityViolated):
        WRAPPER.unwrap(wrapped, b"")


def test_another_key_opens_nothing() -> None:
    """A value stays closed to every key but its own."""
    wrapped, box = WRAPPER.seal(b"value", b"p", b"k")
    with pytest.raises(IntegrityViolated):
        Wrapper(new_key()).open(wrapped, box, b"p", b"k")


def test_no_nonce_or_data_key_comes_twice() -> None:
    """Equal values sealed at the same place look unrelated."""
    sealed = [WRAPPER.seal(b"same", b"p", b"k") for _ in range(2000)]
    assert len({wrapped[:12] for wrapped, _ in sealed}) == len({box[2:14] for _, box in sealed}) == 2000
    assert len({box[14:] for _, box in sealed}) == 2000


@given(st.binary(min_size=32, max_size=32), st.text(max_size=20))
def test_derivation_is_hkdf(secret: bytes, purpose: str) -> None:
    """The same subkeys come out of another implementation of RFC 5869."""
    expected = HKDFExpand(SHA256(), 32, b"emr-gateway/1/" + purpose.encode()).derive(secret)
    assert derive(secret, purpose) == expected


@given(st.binary(max_size=64), st.lists(st.binary(max_size=5000), max_size=4))
def test_a_mac_is_the_librarys_hmac(key: bytes, values: list[bytes]) -> None:
    """Under any key of at most a block each value has the digest of HMAC-SHA-256, however many came before it."""
    mac = Mac(key)
    assert [mac.digest(value) for value in values] == [hmac.digest(key, value, "sha256") for value in values]
