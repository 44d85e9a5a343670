"""One unwrapped key in use, and a bounded memory of such keys."""

from __future__ import annotations

import itertools
from collections.abc import Hashable
from typing import Generic, TypeVar

from gateway.vault.cipher import Wrapper, derive

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Key:
    """A key of the keystore, unwrapped. It shows its id and kind, never its material.

    ``uses`` counts encryptions of this process, ``allowed`` is how many of them the keystore has on record already;
    ``alive`` turns false when the key is destroyed while somebody still holds it.
    """

    __slots__ = ("_secret", "alive", "allowed", "id", "kind", "tenant", "uses", "wrapper")

    def __init__(self, key_id: int, tenant: str, kind: str, secret: bytes, allowed: int) -> None:
        self.id = key_id
        self.tenant = tenant
        self.kind = kind
        self._secret = secret
        self.wrapper = Wrapper(derive(secret, "data-keys"))
        self.uses = itertools.count()
        self.allowed = allowed
        self.alive = True

    def derive(self, purpose: str) -> bytes:
        """The subkey for one purpose; no two purposes share one."""
        return derive(self._secret, purpose)

    def __repr__(self) -> str:
        return f"<Key {self.id} {self.kind}>"


class Recent(Generic[K, V]):
    """Keeps what was used lately, at most ``capacity`` entries, without a lock on the way in or out.

    Two generations: a hit in the old one moves the entry to the young one, and when the young one is half the capacity
    it becomes the old one. Every step is a single dictionary operation, so threads can at worst forget an entry.
    """

    def __init__(self, capacity: int) -> None:
        self._half = max(1, capacity // 2)
        self._young: dict[K, V] = {}
        self._old: dict[K, V] = {}

    def get(self, name: K) -> V | None:
        """The entry, or None when it was never put in or has been forgotten."""
        found = self._young.get(name)
        if found is None and (found := self._old.get(name)) is not None:
            self.put(name, found)
        return found

    def put(self, name: K, value: V) -> None:
        """Remember an entry, forgetting the least recently used ones when there are too many."""
        if len(self._young) >= self._half:
            self._young, self._old = {}, self._young
        self._young[name] = value

    def __len__(self) -> int:
        return len(self._young) + len(self._old)
