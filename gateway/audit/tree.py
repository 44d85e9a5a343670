"""Proofs from the tree as it is stored: a few hundred hashes are read, however long the log is."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection

from gateway.audit.checkpoint import Verifier
from gateway.audit.merkle import STRIDE, consistency_path, inclusion_path, node_hash, verify_inclusion
from gateway.errors import IntegrityViolated, InvalidConfiguration
from gateway.store import audit as rows


class Inclusion(msgspec.Struct, frozen=True, kw_only=True):
    """All that a stranger needs to see that a row is in the log: the row, the way to the head, and the head."""

    leaf: int
    writer: int
    seq: int
    body: bytes
    size: int
    proof: tuple[bytes, ...]
    note: str
    """The signed head of ``size`` leaves."""


class StoredTree:
    """One tenant's tree, read where a proof needs it."""

    def __init__(self, connection: Connection, tenant: str) -> None:
        self._connection = connection
        self._tenant = tenant

    def head(self, start: int, end: int) -> bytes:
        """Head of a range of leaves that is a subtree: it begins at a multiple of its largest full part."""
        parts = []
        while start < end:
            level = min((start & -start).bit_length() - 1 if start else 63, (end - start).bit_length() - 1)
            parts.append(self._full(level, start >> level))
            start += 1 << level
        head = parts.pop()
        while parts:
            head = node_hash(parts.pop(), head)
        return head

    def consistency(self, old: int, size: int) -> tuple[bytes, ...]:
        """Hashes that show the head of ``old`` leaves to be a beginning of that of ``size``."""
        return tuple(self.head(start, end) for start, end in consistency_path(old, size))

    def inclusion(self, leaf: int, size: int) -> tuple[bytes, ...]:
        """Hashes that lead from a leaf to the head of ``size`` leaves."""
        return tuple(self.head(start, end) for start, end in inclusion_path(leaf, size))

    def _full(self, level: int, at: int) -> bytes:
        """Head of a full subtree, from the nearest kept level below it."""
        below = level - level % STRIDE
        span = 1 << (level - below)
        nodes = self._kept(below, at * span, span)
        while len(nodes) > 1:
            nodes = [node_hash(nodes[i], nodes[i + 1]) for i in range(0, len(nodes), 2)]
        return nodes[0]

    def _kept(self, level: int, first: int, count: int) -> list[bytes]:
        """Nodes of a kept level; one that was never kept is made from those below it."""
        found = rows.nodes(self._connection, self._tenant, level, first, first + count)
        if level == 0 and len(found) < count:
            raise IntegrityViolated("Leaves of the audit log are missing", where=f"leaf {first} and after")
        return [found[at] if at in found else self._made(level, at) for at in range(first, first + count)]

    def _made(self, level: int, at: int) -> bytes:
        span = 1 << STRIDE
        nodes = self._kept(level - STRIDE, at * span, span)
        while len(nodes) > 1:
            nodes = [node_hash(nodes[i], nodes[i + 1]) for i in range(0, len(nodes), 2)]
        return nodes[0]


def prove(connection: Connection, tenant: str, leaf: int, public_keys: Sequence[str]) -> Inclusion:
    """The proof that one entry is in the log under its newest signed head.

    Raises:
        InvalidConfiguration: there is no such entry, or no signed head covers it yet.
        IntegrityViolated: the log does not lead from the entry to the head; ``gateway verify audit`` tells why.
    """
    row = rows.leaf_at(connection, tenant, leaf)
    signed = rows.checkpoint_over(connection, tenant, leaf)
    if row is None or signed is None:
        raise InvalidConfiguration(
            "There is no such entry under a signed head", where=f"entry {leaf}", fix="See `gateway audit search`."
        )
    head = Verifier(list(public_keys)).open(signed.note)
    proof = StoredTree(connection, tenant).inclusion(leaf, head.size)
    if not verify_inclusion(bytes(row.hash), leaf, head.size, proof, head.root):
        raise IntegrityViolated(
            "The log does not lead from this entry to its signed head", where=f"entry {leaf}",
            fix="Run `gateway verify audit`.",
        )  # fmt: skip
    return Inclusion(
        leaf=leaf, writer=row.writer, seq=row.seq, body=bytes(row.body), size=head.size, proof=proof, note=signed.note
    )
