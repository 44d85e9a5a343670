"""Proofs from the stored tree: right at every size, quick in a long log, and never made of what was changed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from random import Random

import pytest

from gateway.audit import merkle, prove
from gateway.audit.merkle import leaf_hash, verify_consistency, verify_inclusion
from gateway.audit.sequencer import MOST
from gateway.audit.tree import StoredTree
from gateway.errors import IntegrityViolated, InvalidConfiguration
from gateway.store import audit as rows
from tests import proofs
from tests.measuring import least
from tests.unit.audit.kept import Kept

SCALE = float(os.environ.get("GATEWAY_FAULT_SCALE", "1"))


def grow(kept: Kept, count: int) -> list[bytes]:
    """Leaves numbered as the sequencer does, of rows that are not there: the tree alone is looked at."""
    frontier, leaves = merkle.Frontier(), []
    for first in range(0, count, MOST):
        hashes = [leaf_hash(f"{kept.tenant} {at}".encode()) for at in range(first, min(count, first + MOST))]
        for hashed in hashes:
            frontier.append(hashed)
        numbered = [
            {"tenant": kept.tenant, "leaf": at, "writer": 1, "seq": at + 1, "hash": hashed}
            for at, hashed in enumerate(hashes, first)
        ]
        nodes = [{"tenant": kept.tenant, "level": lv, "node": at, "hash": node} for lv, at, node in frontier.grown]
        frontier.grown.clear()
        kept.store.write_sync(lambda c, n=numbered, k=nodes: (rows.add_leaves(c, n), rows.add_nodes(c, k)))
        leaves += hashes
    return leaves


def proofs_hold(kept: Kept, leaves: Sequence[bytes], sizes: Sequence[int]) -> None:
    """Inclusion and consistency at some sizes, against the tree computed from all leaves."""
    random = Random(7)

    def look(connection: object) -> None:
        tree = StoredTree(connection, kept.tenant)
        for size in sizes:
            root = proofs.root_of(leaves[:size])
            for leaf in {0, size - 1, random.randrange(size)}:
                assert verify_inclusion(leaves[leaf], leaf, size, tree.inclusion(leaf, size), root)
            old = random.randrange(1, size + 1)
            assert verify_consistency(old, proofs.root_of(leaves[:old]), size, root, tree.consistency(old, size))

    kept.store.read_sync(look)


def test_proofs_hold_at_every_kind_of_size(kept: Kept) -> None:
    """Around full subtrees of one leaf, 256 leaves and more, every proof leads to the head of all leaves."""
    leaves = grow(kept, 1300)
    proofs_hold(kept, leaves, (1, 2, 3, 255, 256, 257, 511, 512, 513, 1000, 1024, 1025, 1299, 1300))


def test_nodes_that_were_never_kept_are_made_from_leaves(kept: Kept) -> None:
    """A log from before nodes were kept, or one that lost them, gives the same proofs."""
    leaves = grow(kept, 700)
    assert kept.rows("select count(*) from audit_nodes where tenant = :t") == [(2,)]
    kept.sql("delete from audit_nodes where tenant = :t")
    proofs_hold(kept, leaves, (300, 700))


def test_the_sequencer_keeps_nodes(kept: Kept) -> None:
    """Each 256 leaves leave one node, also when a new process goes on in between, and the recount agrees with them."""
    for _ in range(3):
        kept.write(*(kept.entry(i) for i in range(200)))
        kept.sequencer = kept.new_sequencer()
        kept.sign()
    assert kept.rows("select level, node from audit_nodes where tenant = :t order by node") == [(8, 0), (8, 1)]
    assert kept.verify().valid
    kept.sql("update audit_nodes set hash = :h where tenant = :t and node = 1", h=bytes(32))
    assert kept.faults() == {"node-changed"}


def test_an_entry_is_proven_under_the_newest_head(kept: Kept) -> None:
    """The proof names row, place and signed head; an entry that no head covers has none yet."""
    kept.fill((400,))
    found = kept.store.read_sync(lambda c: prove(c, kept.tenant, 300, [kept.signer.public_key]))
    assert (found.leaf, found.size, len(found.proof)) == (300, 400, 9)
    with pytest.raises(InvalidConfiguration, match="no such entry"):
        kept.store.read_sync(lambda c: prove(c, kept.tenant, 400, [kept.signer.public_key]))


def test_no_proof_is_made_of_a_changed_tree(kept: Kept) -> None:
    """Where a kept node does not fit the signed head, the proof is refused instead of handed out."""
    kept.fill((600,))
    kept.sql("update audit_nodes set hash = :h where tenant = :t and node = 0", h=bytes(32))
    with pytest.raises(IntegrityViolated, match="does not lead"):
        kept.store.read_sync(lambda c: prove(c, kept.tenant, 590, [kept.signer.public_key]))


def test_a_proof_takes_less_than_a_tenth_of_a_second(kept: Kept) -> None:
    """In a log of 100,000 entries (times GATEWAY_FAULT_SCALE) any inclusion proof is made in under 100 ms."""
    count = int(100_000 * SCALE)
    leaves = grow(kept, count)
    worst = 0.0
    proof: list[bytes] = []
    for leaf in (0, count // 3, count - 1):

        def made(at: int = leaf) -> None:
            proof[:] = kept.store.read_sync(lambda c: StoredTree(c, kept.tenant).inclusion(at, count))

        worst = max(worst, least(made, enough=0.1))
        assert verify_inclusion(leaves[leaf], leaf, count, proof, proofs.root_of(leaves))
        assert 32 * len(proof) < 2048
    print(f"proof among {count} entries: {worst * 1000:.1f} ms")
    assert worst <= 0.1
