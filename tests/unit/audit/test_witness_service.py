"""The witness on another host keeps what continues, refuses what does not, and remembers over a restart."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.audit.checkpoint import Checkpoint, Signer
from gateway.audit.merkle import leaf_hash
from gateway.audit.witness_service import WitnessService
from gateway.errors import IntegrityViolated
from tests import proofs

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
SIGNER = Signer("clinic", KEY)
LEAVES = [leaf_hash(bytes([at])) for at in range(40)]
OTHERS = [leaf_hash(b"x" + bytes([at])) for at in range(40)]


def head(size: int, leaves: Sequence[bytes] = LEAVES, signer: Signer = SIGNER) -> Checkpoint:
    """A signed head."""
    return signer.sign(size, proofs.root_of(leaves[:size]))


def request(old: int, told: Checkpoint, leaves: Sequence[bytes] = LEAVES) -> bytes:
    """What a log posts."""
    proof = proofs.consistency(leaves[: told.size], old) if 0 < old < told.size else []
    lines = [f"old {old}", *(base64.b64encode(one).decode() for one in proof), "", told.note]
    return "\n".join(lines).encode()


@pytest.fixture
def service(tmp_path: Path) -> WitnessService:
    """A witness that pins one key and has seen ten entries."""
    witness = WitnessService(tmp_path / "notes", [SIGNER.public_key])
    assert witness.add(request(0, head(10))).status == 200
    return witness


def test_what_continues_is_kept(service: WitnessService, tmp_path: Path) -> None:
    """Each further head is kept with its proof, a repeat changes nothing, and a restart forgets nothing."""
    for old, size in ((10, 11), (11, 32), (32, 32), (32, 40)):
        assert service.add(request(old, head(size))) == (200, "kept\n")
    assert service.newest(SIGNER.origin) == (200, head(40).note)
    assert service.newest("emr-gateway/other").status == 404
    assert (tmp_path / "notes").read_text().count(SIGNER.origin + "\n") == 4
    again = WitnessService(tmp_path / "notes", [SIGNER.public_key])
    assert again.newest(SIGNER.origin) == (200, head(40).note)
    assert again.add(request(39, head(40))).status == 409


@pytest.mark.parametrize(
    ("told", "status"),
    [
        (request(9, head(20)), 409),
        (request(0, head(20)), 409),
        (request(10, head(20, OTHERS), OTHERS), 422),
        (request(10, head(10, OTHERS), OTHERS), 422),
        (request(10, head(20)).replace(b"\n\n", b"\nAAAA\n\n", 1), 400),
        (b"\n".join(request(10, head(20)).split(b"\n")[:2] + request(10, head(20)).split(b"\n")[3:]), 422),
        (request(10, head(9)), 400),
        (request(10, head(20, signer=Signer("clinic", Ed25519PrivateKey.generate()))), 403),
        (request(0, head(20, signer=Signer("other", KEY))), 404),
        (request(10, head(20)).replace(b"old 10", b"old ten"), 400),
        (b"old 10\n" + b"A" * 20_000, 400),
        (b"\xff\xfe", 400),
    ],
    ids=[
        "wrong-old", "from-nothing", "fork", "same-size-fork", "short-hash", "missing-hash", "shorter", "foreign-key",
        "unpinned", "no-number", "too-long", "no-text",
    ],
)  # fmt: skip
def test_what_does_not_continue_is_refused(service: WitnessService, tmp_path: Path, told: bytes, status: int) -> None:
    """A fork, a rollback, a stranger's head and a malformed request each get their answer, and nothing is kept."""
    before = (tmp_path / "notes").read_bytes()
    said = service.add(told)
    assert said.status == status
    assert (tmp_path / "notes").read_bytes() == before
    if status == 409:
        assert said.text == "10\n"


def test_a_file_with_a_strangers_note_is_not_served(service: WitnessService, tmp_path: Path) -> None:
    """A witness whose own file was forged refuses to start."""
    (tmp_path / "notes").write_text(head(50, LEAVES, Signer("clinic", Ed25519PrivateKey.generate())).note)
    with pytest.raises(IntegrityViolated):
        WitnessService(tmp_path / "notes", [SIGNER.public_key])
