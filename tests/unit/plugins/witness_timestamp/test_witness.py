"""Stamped heads: a real token is checked and kept, a token of another authority is not."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.audit import Signer
from gateway.errors import IntegrityViolated, InvalidConfiguration, RetryLater
from gateway.model.exchange import SignedHead
from gateway_witness_timestamp.config import TimestampConfig
from gateway_witness_timestamp.simulator import available, running
from gateway_witness_timestamp.witness import Stamped
from tests.waiting import PATIENCE

SIGNER = Signer("clinic", Ed25519PrivateKey.generate())
HEAD = SignedHead(origin=SIGNER.origin, size=1234, note=SIGNER.sign(1234, bytes(32)).note, prove=lambda old: ())


def stamped(url: str, roots: Path, folder: Path) -> Stamped:
    """A witness with one pinned root."""
    return Stamped("noon", TimestampConfig(url=url, roots=roots, folder=folder, allow_loopback=True))


def test_a_token_is_checked_and_kept(tmp_path: Path) -> None:
    """Head and token lie beside each other and are read back; another authority's token is refused and not kept."""
    pytest.importorskip("rfc3161_client", reason="the extra [timestamps] is not installed")
    if not available():
        pytest.skip("the program openssl, which makes the tokens, is not on this machine")
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.mkdir()
    theirs.mkdir()

    async def main() -> None:
        async with running(ours) as url, running(theirs), asyncio.timeout(PATIENCE):
            witness = stamped(url, ours / "root.pem", tmp_path / "kept")
            await witness.keep(HEAD)
            assert await witness.heads(SIGNER.origin) == [HEAD.note]
            stranger = stamped(url, theirs / "root.pem", tmp_path / "none")
            with pytest.raises(IntegrityViolated):
                await stranger.keep(HEAD)
            assert not (tmp_path / "none").exists()

    asyncio.run(main())
    assert {path.suffix for path in (tmp_path / "kept").iterdir()} == {".note", ".tsr"}
    with pytest.raises(RetryLater):
        asyncio.run(stamped("http://127.0.0.1:9/", ours / "root.pem", tmp_path / "kept").keep(HEAD))


def test_a_missing_root_is_told(tmp_path: Path) -> None:
    """Without a readable root certificate nothing is set up."""
    with pytest.raises(InvalidConfiguration, match="root certificate"):
        stamped("https://tsa.example/", tmp_path / "nothing.pem", tmp_path)
