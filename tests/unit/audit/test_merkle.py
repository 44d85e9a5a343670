"""The tree, compared with an independent implementation of RFC 6962."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymerkle import InmemoryTree, InvalidProof, verify_consistency, verify_inclusion

from gateway.audit import merkle
from tests import proofs

SIZES = st.integers(1, 70)


def entries_of(size: int) -> list[bytes]:
    """Some different entries."""
    return [b"entry %d" % i for i in range(size)]


def peer_root(entries: list[bytes]) -> bytes:
    """The peer's head of some entries."""
    tree = InmemoryTree(algorithm="sha256")
    for one in entries:
        tree.append_entry(one)
    return tree.get_root()


def subproof(old: int, entries: list[bytes], *, whole: bool) -> list[bytes]:
    """SUBPROOF of RFC 6962 section 2.1.2, as recursive as it is written there, over the peer's heads."""
    if old == len(entries):
        return [] if whole else [peer_root(entries)]
    k = max(1 << i for i in range(8) if 1 << i < len(entries))
    if old <= k:
        return [*subproof(old, entries[:k], whole=whole), peer_root(entries[k:])]
    return [*subproof(old - k, entries[k:], whole=False), peer_root(entries[:k])]


def peer(size: int) -> tuple[InmemoryTree, list[bytes]]:
    """The peer's tree and our leaf hashes of the same entries."""
    entries = entries_of(size)
    tree = InmemoryTree(algorithm="sha256")
    for one in entries:
        tree.append_entry(one)
    return tree, [merkle.leaf_hash(one) for one in entries]


@pytest.mark.parametrize("size", [*range(1, 40), 63, 64, 65, 127, 128, 129])
def test_roots_agree_with_the_peer(size: int) -> None:
    """Every head from one leaf on is the peer's head."""
    tree, leaves = peer(size)
    frontier = merkle.Frontier()
    for count, leaf in enumerate(leaves, 1):
        frontier.append(leaf)
        assert frontier.root() == tree.get_root(count)
    assert proofs.root_of(leaves) == tree.get_root()


def test_the_empty_tree_has_the_standards_root() -> None:
    """No leaves hash to SHA-256 of nothing."""
    assert merkle.Frontier().root().hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@settings(deadline=None)
@given(SIZES, st.data())
def test_inclusion_proofs_hold_and_bind(size: int, data: st.DataObject) -> None:
    """A proof convinces for its leaf, position, size and head, and for no other."""
    tree, leaves = peer(size)
    leaf = data.draw(st.integers(0, size - 1))
    proof = proofs.inclusion(leaves, leaf)
    root = proofs.root_of(leaves)
    assert merkle.verify_inclusion(leaves[leaf], leaf, size, proof, root)
    assert not merkle.verify_inclusion(leaves[leaf], leaf, size, proof, bytes(32))
    assert not merkle.verify_inclusion(bytes(32), leaf, size, proof, root)
    assert not merkle.verify_inclusion(leaves[leaf], leaf, size, [*proof, bytes(32)], root)
    assert not merkle.verify_inclusion(leaves[leaf], size, size, proof, root)
    assert not proof or not merkle.verify_inclusion(leaves[leaf], leaf, size, proof[:-1], root)
    other = data.draw(st.integers(0, size - 1))
    assert merkle.verify_inclusion(leaves[leaf], other, size, proof, root) == (other == leaf)
    theirs = tree.prove_inclusion(leaf + 1)
    assert theirs.path == ([leaves[leaf], *proof] if proof else [leaves[leaf]])
    verify_inclusion(leaves[leaf], root, theirs)


@settings(deadline=None)
@given(SIZES, st.data())
def test_consistency_proofs_hold_and_bind(size: int, data: st.DataObject) -> None:
    """A proof convinces that one log continues another, and not that it continues a different one."""
    tree, leaves = peer(size)
    old = data.draw(st.integers(1, size))
    proof = proofs.consistency(leaves, old)
    old_root, root = proofs.root_of(leaves, 0, old), proofs.root_of(leaves)
    assert merkle.verify_consistency(old, old_root, size, root, proof)
    assert not merkle.verify_consistency(old, bytes(32), size, root, proof)
    assert not merkle.verify_consistency(old, old_root, size, bytes(32), proof)
    assert not merkle.verify_consistency(old, old_root, size, root, [*proof, bytes(32)])
    assert not merkle.verify_consistency(0, merkle.EMPTY, size, root, proof)
    assert not proof or not merkle.verify_consistency(old, old_root, size, root, proof[:-1])
    theirs = tree.prove_consistency(old, size)
    assert proof == subproof(old, entries_of(size), whole=True)
    verify_consistency(old_root, root, theirs)
    with pytest.raises(InvalidProof):
        verify_consistency(bytes(32), root, theirs)


@given(st.integers(0, 300), st.integers(0, 300))
def test_a_frontier_goes_on_from_its_state(first: int, more: int) -> None:
    """Stopping and going on gives the same head as never stopping."""
    leaves = [merkle.leaf_hash(b"%d" % i) for i in range(first + more)]
    frontier = merkle.Frontier()
    for leaf in leaves[:first]:
        frontier.append(leaf)
    resumed = merkle.Frontier(frontier.size, frontier.state())
    for leaf in leaves[first:]:
        resumed.append(leaf)
    assert resumed.root() == proofs.root_of(leaves)


def test_a_frontier_of_the_wrong_length_is_refused() -> None:
    """State and size that do not fit together never make a tree."""
    with pytest.raises(ValueError, match="size"):
        merkle.Frontier(3, bytes(32))
