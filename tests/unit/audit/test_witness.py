"""The witness file: what was given to it stays, whatever happens while it is written."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.audit import FileWitness, Signer

SIGNER = Signer("clinic", Ed25519PrivateKey.generate())
HEADS = [SIGNER.sign(size, bytes(32)) for size in range(1, 600)]


def test_notes_come_back_in_order(tmp_path: Path) -> None:
    """Every note is there, oldest first, and the newest is found without reading all."""
    witness = FileWitness(tmp_path / "notes")
    assert (witness.notes(), witness.last()) == ([], None)
    for head in HEADS:
        witness.append(head)
    assert witness.notes() == [head.note for head in HEADS]
    assert witness.last() == HEADS[-1].note
    assert witness.path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("cut", range(1, len(HEADS[1].note) + 1, 7))
def test_a_torn_note_spoils_no_other(tmp_path: Path, cut: int) -> None:
    """A crash in the middle of a note loses at most that note."""
    witness = FileWitness(tmp_path / "notes")
    witness.append(HEADS[0])
    with witness.path.open("ab") as file:
        file.write(HEADS[1].note.encode()[:cut])
    witness.append(HEADS[2])
    notes = witness.notes()
    assert {HEADS[0].note, HEADS[2].note} <= set(notes) <= {head.note for head in HEADS[:3]}
    assert witness.last() == HEADS[2].note
