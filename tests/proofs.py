"""Heads and proofs of RFC 6962 made from all leaves, as the gateway's stored tree makes them from its nodes."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.audit import merkle


def root_of(leaves: Sequence[bytes], start: int = 0, end: int | None = None) -> bytes:
    """Head of the tree over some leaf hashes."""
    frontier = merkle.Frontier()
    for leaf in leaves[start:end]:
        frontier.append(leaf)
    return frontier.root()


def inclusion(leaves: Sequence[bytes], leaf: int) -> list[bytes]:
    """Hashes that lead from one leaf to the head, from the leaf upwards."""
    return [root_of(leaves, start, end) for start, end in merkle.inclusion_path(leaf, len(leaves))]


def consistency(leaves: Sequence[bytes], old: int) -> list[bytes]:
    """Hashes that show the head of the first ``old`` leaves to be a beginning of the whole."""
    return [root_of(leaves, start, end) for start, end in merkle.consistency_path(old, len(leaves))]
