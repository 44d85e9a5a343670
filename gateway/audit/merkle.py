"""The hash tree of RFC 6962: a log whose head, 32 bytes, stands for everything in it.

The head of the first m leaves can be checked to be a beginning of the log of n (consistency), and any one leaf to be
in it (inclusion), with about log2(n) hashes each.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

HASH = 32
STRIDE = 8
"""Every eighth level of the tree is kept: one hash for 256 of the level below."""
EMPTY = sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    """Hash of one entry; the prefix keeps an entry from passing as an inner node."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node."""
    return sha256(b"\x01" + left + right).digest()


class Frontier:
    """The growing edge of a tree: roots of its full subtrees, largest first, enough to append and to tell the root."""

    __slots__ = ("_roots", "grown", "size")

    def __init__(self, size: int = 0, state: bytes = b"") -> None:
        """Go on from :attr:`size` and :meth:`state` of an earlier one; ValueError when they do not fit together."""
        if len(state) != size.bit_count() * HASH:
            raise ValueError("a frontier has one hash for each bit of its size")
        self.size = size
        self.grown: list[tuple[int, int, bytes]] = []
        """Inner nodes that were completed since the caller last emptied this: (level, index, hash)."""
        self._roots = [state[i : i + HASH] for i in range(0, len(state), HASH)]

    def append(self, leaf: bytes) -> None:
        """Add the hash of the next leaf."""
        size, roots = self.size, self._roots
        if size & 255 == 255:
            self._complete(leaf)
            return
        while size & 1:
            leaf = sha256(b"\x01" + roots.pop() + leaf).digest()
            size >>= 1
        roots.append(leaf)
        self.size += 1

    def _complete(self, node: bytes) -> None:
        """The same for a leaf that completes nodes which are kept."""
        size, level = self.size, 0
        while size & 1:
            node = sha256(b"\x01" + self._roots.pop() + node).digest()
            size, level = size >> 1, level + 1
            if level % STRIDE == 0:
                self.grown.append((level, size, node))
        self._roots.append(node)
        self.size += 1

    def root(self) -> bytes:
        """Head of the tree as it stands."""
        if not self._roots:
            return EMPTY
        root = self._roots[-1]
        for left in reversed(self._roots[:-1]):
            root = node_hash(left, root)
        return root

    def state(self) -> bytes:
        """What another :class:`Frontier` needs to go on."""
        return b"".join(self._roots)


def _split(size: int) -> int:
    """The largest power of two below ``size``."""
    return 1 << (size - 1).bit_length() - 1


def inclusion_path(leaf: int, size: int) -> list[tuple[int, int]]:
    """Ranges of leaves whose heads lead from one leaf to the head of ``size``, from the leaf upwards."""
    start, end, path = 0, size, []
    while end - start > 1:
        middle = start + _split(end - start)
        if leaf < middle:
            path.append((middle, end))
            end = middle
        else:
            path.append((start, middle))
            start = middle
    return path[::-1]


def verify_inclusion(leaf_hash: bytes, leaf: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether the proof shows this leaf at this position under this head."""
    if not 0 <= leaf < size:
        return False
    index, last, found = leaf, size - 1, leaf_hash
    for sibling in proof:
        if last == 0:
            return False
        if index & 1 or index == last:
            found = node_hash(sibling, found)
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        index, last = index >> 1, last >> 1
    return last == 0 and found == root


def consistency_path(old: int, size: int) -> list[tuple[int, int]]:
    """Ranges of leaves whose heads show that the first ``old`` leaves are a beginning of ``size``."""
    start, end, path, whole = 0, size, [], True
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            path.append((middle, end))
            end = middle
        else:
            path.append((start, middle))
            start, whole = middle, False
    if not whole:
        path.append((start, end))
    return path[::-1]


def verify_consistency(old: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether the proof shows the tree of ``old`` leaves to be a beginning of the tree of ``size``."""
    if not 0 < old <= size:
        return False
    if old == size:
        return not proof and old_root == root
    path = list(proof) if old & (old - 1) else [old_root, *proof]
    if not path:
        return False
    index, last = old - 1, size - 1
    while index & 1:
        index, last = index >> 1, last >> 1
    first = second = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if index & 1 or index == last:
            first, second = node_hash(sibling, first), node_hash(sibling, second)
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            second = node_hash(second, sibling)
        index, last = index >> 1, last >> 1
    return last == 0 and first == old_root and second == root
