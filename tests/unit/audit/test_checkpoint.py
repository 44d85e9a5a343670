"""Signed heads: their form, and who is believed."""

from __future__ import annotations

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from gateway.audit.checkpoint import Signer, Verifier, notes_in, origin_of, parse
from gateway.errors import IntegrityViolated, InvalidConfiguration

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
SIGNER = Signer("clinic", KEY)
ROOT = hashlib.sha256(b"root").digest()


def test_the_note_has_the_published_form() -> None:
    """Three lines, an empty one, and a signature over the first three by the key that its hash names."""
    note = SIGNER.sign(42, ROOT).note
    origin, size, root, empty, signed, end = note.split("\n")
    assert (origin, size, base64.b64decode(root), empty, end) == ("emr-gateway/clinic", "42", ROOT, "", "")
    dash, name, data = signed.split(" ")
    public = KEY.public_key()
    key_hash = hashlib.sha256(b"emr-gateway/clinic\n\x01" + public.public_bytes_raw()).digest()[:4]
    assert (dash, name, base64.b64decode(data)[:4]) == ("\u2014", origin, key_hash)
    public.verify(base64.b64decode(data)[4:], f"{origin}\n{size}\n{root}\n".encode())


@given(st.integers(0, 10**17), st.binary(min_size=32, max_size=32))
def test_a_signed_head_is_believed(size: int, root: bytes) -> None:
    """What the signer signs, whoever has its key reads back."""
    checkpoint = SIGNER.sign(size, root)
    assert Verifier([SIGNER.public_key]).open(checkpoint.note) == checkpoint


@given(st.data())
def test_a_changed_note_is_not_believed(data: st.DataObject) -> None:
    """One other character anywhere in the signed text, or in the signature, is refused."""
    note = SIGNER.sign(42, ROOT).note
    at = data.draw(st.integers(0, len(note) - 1))
    other = data.draw(st.characters(codec="utf-8").filter(lambda c: c != note[at]))
    changed = note[:at] + other + note[at + 1 :]
    with pytest.raises(IntegrityViolated):
        Verifier([SIGNER.public_key]).open(changed)


def test_others_are_not_believed() -> None:
    """A stranger's key, the right key under another log's name, and an empty list of keys vouch for nothing."""
    stranger = Signer("clinic", Ed25519PrivateKey.generate())
    elsewhere = Signer("other", KEY)
    for signer in (stranger, elsewhere):
        with pytest.raises(IntegrityViolated):
            Verifier([SIGNER.public_key]).open(signer.sign(1, ROOT).note)
    with pytest.raises(IntegrityViolated):
        Verifier([]).open(SIGNER.sign(1, ROOT).note)


def test_one_good_signature_of_several_is_enough() -> None:
    """Cosignatures that we cannot check do not spoil the one we can."""
    note = SIGNER.sign(1, ROOT).note
    head, _, own = note.partition("\n\n")
    cosigned = f"{head}\n\n\u2014 witness.example QUF\n\u2014 witness.example QUFBQUFB\n{own}"
    assert Verifier([SIGNER.public_key]).open(cosigned).size == 1


@pytest.mark.parametrize("key", ["", "a+b", "a+00000000+AAAA", SIGNER.public_key[:-8] + "AAAAAAA=", "x+y+z+w"])
def test_unreadable_keys_are_refused(key: str) -> None:
    """A verifier key that was mistyped is told at once."""
    with pytest.raises(InvalidConfiguration):
        Verifier([key])


@pytest.mark.parametrize("tenant", ["two words", "a+b", "new\nline"])
def test_names_that_break_notes_are_refused(tenant: str) -> None:
    """A tenant's name that could forge a line of a note signs nothing."""
    with pytest.raises(InvalidConfiguration):
        origin_of(tenant)


def test_notes_are_found_among_torn_ones() -> None:
    """Whole notes are read even where a crash has left half of another before them."""
    notes = [SIGNER.sign(size, ROOT).note for size in (1, 2, 3)]
    text = f"{notes[0]}\n{notes[1][:60]}\n{notes[1]}\n{notes[2]}\n{notes[2][:-20]}"
    assert notes_in(text) == notes
    assert parse(notes[2])[0].size == 3
