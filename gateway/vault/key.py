"""One unwrapped key in use, a bounded memory of such keys, and of those with a cipher set up."""

from __future__ import annotations

import itertools
from collections import deque
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

    __slots__ = ("_awake", "_secret", "_wrapper", "alive", "allowed", "id", "kind", "tenant", "uses")

    def __init__(self, key_id: int, tenant: str, kind: str, secret: bytes, allowed: int, awake: Awake) -> None:
        self.id = key_id
        self.tenant = tenant
        self.kind = kind
        self._secret = secret
        self._awake = awake
        self._wrapper: Wrapper | None = None
        self.uses = itertools.count()
        self.allowed = allowed
        self.alive = True

    @property
    def wrapper(self) -> Wrapper:
        """What wraps data keys under this key; set up when it is asked for, and again after it was let go."""
        return self._wrapper or self._wake()

    def rest(self) -> None:
        """Let go of the cipher that was set up."""
        self._wrapper = None

    def _wake(self) -> Wrapper:
        wrapper = self._wrapper = Wrapper(derive(self._secret, "data-keys"))
        self._awake.add(self)
        return wrapper

    def derive(self, purpose: str) -> bytes:
        """The subkey for one purpose; no two purposes share one."""
        return derive(self._secret, purpose)

    def __repr__(self) -> str:
        return f"<Key {self.id} {self.kind}>"


class Awake:
    """The keys that have a cipher set up, at most so many: the library takes 3 kB for each, ten times the key itself.

    The first ones rest first. Safe from any thread: threads can at worst set up a cipher twice.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._keys: deque[Key] = deque()

    def add(self, key: Key) -> None:
        """Count one more, and let the first rest when there are too many."""
        self._keys.append(key)
        if len(self._keys) > self._most:
            self._keys.popleft().rest()


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
