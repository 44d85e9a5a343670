"""The witness file only grows, is read back by log, and never takes a shorter log."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.audit import Signer
from gateway.errors import IntegrityViolated, RetryLater
from gateway.model.exchange import SignedHead
from gateway_witness_file.config import FileWitnessConfig
from gateway_witness_file.witness import AppendedFile

SIGNER, OTHER = (Signer(name, Ed25519PrivateKey.generate()) for name in ("clinic", "other"))


def head(size: int, signer: Signer = SIGNER) -> SignedHead:
    """A signed head."""
    return SignedHead(
        origin=signer.origin, size=size, note=signer.sign(size, bytes([size]) * 32).note, prove=lambda old: ()
    )


def witness(path: Path) -> AppendedFile:
    """A witness over one file."""
    return AppendedFile("safe", FileWitnessConfig(path=path))


def test_heads_are_appended_and_read_back(tmp_path: Path) -> None:
    """Heads of several logs in one file come back by log, a repeat adds nothing, and a torn end spoils nothing."""
    path = tmp_path / "deep" / "notes"
    for one in (head(3), head(2, OTHER), head(3), head(9)):
        asyncio.run(witness(path).keep(one))
    with path.open("ab") as file:
        file.write(head(10).note.encode()[:-20])
    asyncio.run(witness(path).keep(head(12)))
    assert asyncio.run(witness(path).heads(SIGNER.origin)) == [head(size).note for size in (3, 9, 12)]
    assert asyncio.run(witness(path).heads(OTHER.origin)) == [head(2, OTHER).note]


def test_a_shorter_log_is_refused(tmp_path: Path) -> None:
    """What is shorter than the file's newest head is not appended."""
    asyncio.run(witness(tmp_path / "notes").keep(head(9)))
    with pytest.raises(IntegrityViolated):
        asyncio.run(witness(tmp_path / "notes").keep(head(8)))


def test_heads_that_were_given_and_are_gone_are_missed(tmp_path: Path) -> None:
    """A file that vanished while the gateway ran is not begun anew in silence."""
    kept = witness(tmp_path / "notes")
    asyncio.run(kept.keep(head(9)))
    (tmp_path / "notes").unlink()
    with pytest.raises(IntegrityViolated, match="has lost heads"):
        asyncio.run(kept.keep(head(12)))
    assert not (tmp_path / "notes").exists()


def test_a_folder_that_is_away_is_tried_later(tmp_path: Path) -> None:
    """A place that cannot be written or read is told by its kind of error and the setting, to be tried again."""
    (tmp_path / "file").write_text("")
    with pytest.raises(RetryLater) as told:
        asyncio.run(witness(tmp_path / "file" / "notes").keep(head(1)))
    assert told.value.where == "witnesses.safe.path"
