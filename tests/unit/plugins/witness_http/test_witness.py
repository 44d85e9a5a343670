"""Telling a witness process over a real socket: it keeps what continues and stops what was rewritten."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.audit import Signer
from gateway.audit.merkle import leaf_hash
from gateway.errors import IntegrityViolated, InvalidConfiguration, SourceUnavailable
from gateway.model.exchange import SignedHead
from gateway_witness_http.config import HttpWitnessConfig
from gateway_witness_http.simulator import running
from gateway_witness_http.witness import RemoteWitness
from tests import proofs
from tests.waiting import PATIENCE

SIGNER = Signer("clinic", Ed25519PrivateKey.generate())
LEAVES = [leaf_hash(bytes([at])) for at in range(40)]
OTHERS = [leaf_hash(b"x" + bytes([at])) for at in range(40)]


def head(size: int, leaves: Sequence[bytes] = LEAVES, signer: Signer = SIGNER) -> SignedHead:
    """A signed head with its proofs."""
    return SignedHead(
        origin=signer.origin, size=size, note=signer.sign(size, proofs.root_of(leaves[:size])).note,
        prove=lambda old: proofs.consistency(leaves[:size], old),
    )  # fmt: skip


def meet(folder: Path, use: Callable[[str], Awaitable[None]]) -> None:
    """Run a witness process and use it."""

    async def main() -> None:
        async with running(folder / "notes", [SIGNER.public_key]) as url, asyncio.timeout(PATIENCE):
            await use(url)

    asyncio.run(main())


def remote(url: str) -> RemoteWitness:
    """The gateway's side, as after a start."""
    return RemoteWitness("elsewhere", HttpWitnessConfig(url=url))


def test_heads_are_kept_with_proof_and_asked_back(tmp_path: Path) -> None:
    """A log is told as it grows; a gateway that starts anew goes on, and asks what was seen; forks are stopped."""

    async def use(url: str) -> None:
        first = remote(url)
        assert await first.heads(SIGNER.origin) == []
        for size in (1, 7, 20):
            await first.keep(head(size))
        again = remote(url)
        await again.keep(head(33))
        assert await again.heads(SIGNER.origin) == [head(33).note]
        for rewritten in (head(39, OTHERS), head(20)):
            with pytest.raises(IntegrityViolated):
                await remote(url).keep(rewritten)
        with pytest.raises(SourceUnavailable, match="404"):
            await again.keep(head(5, signer=Signer("other", Ed25519PrivateKey.generate())))
        assert await again.heads(SIGNER.origin) == [head(33).note]

    meet(tmp_path, use)


def test_a_witness_that_is_away_is_told_later() -> None:
    """Where nobody listens, the head waits."""
    with pytest.raises(SourceUnavailable):
        asyncio.run(remote("http://127.0.0.1:9").keep(head(1)))


def test_no_plain_http_off_this_machine() -> None:
    """A witness elsewhere is reached by https only, and a missing file of authorities is told."""
    with pytest.raises(InvalidConfiguration):
        remote("http://witness.example:8099")
    with pytest.raises(InvalidConfiguration, match="authorities"):
        RemoteWitness("elsewhere", HttpWitnessConfig(url="https://w.example", ca_file=Path("/nowhere.pem")))
