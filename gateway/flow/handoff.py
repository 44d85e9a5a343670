"""Between receive and normalize: what has just been stored and is still in memory.

Bytes in here were opened by nobody: they are the plaintext as received, covered by their receive entry, held only
within a byte limit. When the limit is passed, memory is let go and the normalizer goes back to the store, which has
everything: it lists what waits there, and what arrives from then on stands behind it in memory again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence

import msgspec

from gateway.flow.turns import Turns
from gateway.model.exchange import Fate


class Stored(msgspec.Struct, frozen=True, gc=False):
    """One stored message that waits to be normalized and is not in memory."""

    message_id: int
    source: str
    lane: int


class Arrived(msgspec.Struct, frozen=True, gc=False):
    """One stored message that waits to be normalized."""

    message_id: int
    source: str
    kind: str
    lane: int
    body: bytes
    context: bytes
    key_id: int
    wrapped: bytes
    received_at: int
    attempt: int = 0
    damaged: bool = False
    """True when its stored bytes could not be opened; then there is no body."""
    gone: bool = False
    """True when that is so because the key was destroyed on purpose."""
    crashed: bool = False
    """True when that is so because the process has ended too often with it at hand."""


class Handoff:
    """A bounded memory of what waits for each tenant, from which it is taken by :class:`~gateway.flow.turns.Turns`."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._waiting: dict[str, Turns[Arrived | Stored]] = {}
        self._listed: dict[str, set[int]] = {}
        """What was listed from the store and may be offered once more, since its commit was just before."""
        self._bytes = 0
        self._live: set[str] = set()
        self._unsettled: dict[str, int] = {}
        self.arrived = threading.Event()
        self._watched: dict[int, Callable[[Fate], None]] = {}

    def watch(self, message_id: int, told: Callable[[Fate], None]) -> None:
        """Have ``told`` called, on the normalizer's thread, once this process has settled the message."""
        self._watched[message_id] = told

    def unwatch(self, message_id: int) -> None:
        """Ask no more."""
        self._watched.pop(message_id, None)

    def tell(self, fates: Iterable[tuple[int, Fate]]) -> None:
        """Messages whose outcome was just committed."""
        if self._watched:
            for message_id, fate in fates:
                if (told := self._watched.pop(message_id, None)) is not None:
                    told(fate)

    @property
    def unsettled(self) -> int:
        """Messages stored by this process, or found at start, that have no outcome yet."""
        return sum(self._unsettled.values())

    def recounted(self, tenant: str, count: int) -> None:
        """How many messages the store says are waiting: at start, and wherever another process normalizes."""
        with self._lock:
            self._unsettled[tenant] = count
        self.arrived.set()

    def offer(self, tenant: str, arrived: Sequence[Arrived]) -> None:
        """Messages whose commit was just synced."""
        with self._lock:
            self._unsettled[tenant] = self._unsettled.get(tenant, 0) + len(arrived)
            if tenant in self._live:
                size = sum(len(message.body) for message in arrived)
                if self._bytes + size > self._most_bytes:
                    self._forget(tenant)
                else:
                    self._keep(tenant, arrived)
        self.arrived.set()

    def go_live(self, tenant: str) -> None:
        """From now on keep what arrives; call before listing what waits in the store."""
        with self._lock:
            self._live.add(tenant)

    def is_live(self, tenant: str) -> bool:
        """Whether everything not yet taken is in memory or was listed."""
        with self._lock:
            return tenant in self._live

    def listed(self, tenant: str, stored: Sequence[Stored]) -> bool:
        """What waits in the store, oldest first, as found since :meth:`go_live`; False when memory was let go since."""
        with self._lock:
            if tenant not in self._live:
                return False
            arrived = list(self._waiting.pop(tenant, ()))
            self._bytes -= _size(arrived)
            self._waiting[tenant] = Turns(stored)
            self._listed[tenant] = {one.message_id for one in stored}
            self._keep(tenant, [one for one in arrived if isinstance(one, Arrived)])
            return True

    def take(self, tenant: str, most: int) -> list[Arrived | Stored]:
        """What is next."""
        with self._lock:
            waiting = self._waiting.get(tenant)
            taken = [] if waiting is None else waiting.take(most)
            if not taken:
                self._listed.pop(tenant, None)
            self._bytes -= _size(taken)
            return taken

    def settled(self, tenant: str, count: int) -> None:
        """Messages that now have an outcome."""
        with self._lock:
            self._unsettled[tenant] = max(0, self._unsettled.get(tenant, 0) - count)

    def fall_behind(self, tenant: str) -> None:
        """Forget what is in memory, for instance because a commit failed; the store has it."""
        with self._lock:
            self._forget(tenant)
        self.arrived.set()

    def _keep(self, tenant: str, arrived: Sequence[Arrived]) -> None:
        listed = self._listed.get(tenant)
        if listed:
            arrived = [one for one in arrived if one.message_id not in listed]
        self._waiting.setdefault(tenant, Turns()).add(arrived)
        self._bytes += _size(arrived)

    def _forget(self, tenant: str) -> None:
        self._live.discard(tenant)
        self._listed.pop(tenant, None)
        self._bytes -= _size(self._waiting.pop(tenant, ()))


def _size(messages: Iterable[Arrived | Stored]) -> int:
    return sum(len(one.body) for one in messages if isinstance(one, Arrived))
