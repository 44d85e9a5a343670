"""What the HTTP room works with: the same store, vault and audit log as everyone else, and news of the journal."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from gateway.access import View
from gateway.audit import AuditLog
from gateway.flow.source import Origin
from gateway.http.refusal import HttpRefusal
from gateway.model.exchange import HookReceiver, Intake
from gateway.model.sampling import Sampling
from gateway.settings import Http, People, Route
from gateway.store.opening import Store
from gateway.vault import Vault

LOOK_SECONDS = 1.0
"""How long a change made by another process may stay unnoticed by somebody who waits."""
MOST_WAITING = 16
"""Requests of one client that may wait for changes at one time: each holds one of the port's places for a minute."""


class News:
    """Wakes those who wait for changes of a tenant."""

    def __init__(self) -> None:
        self._events: dict[str, asyncio.Event] = {}
        self._waiting: Counter[str] = Counter()
        self.over = False
        """Whether the gateway is about to stop: nobody is to wait any more."""

    def told(self, tenant: str) -> None:
        """Wake everybody who waits for this tenant."""
        waiting = self._events.pop(tenant, None)
        if waiting is not None:
            waiting.set()

    def end(self) -> None:
        """Wake everybody for good, so that no reader holds up the end or loses its answer to it."""
        self.over = True
        for tenant in list(self._events):
            self.told(tenant)

    @contextmanager
    def waiting(self, client: str) -> Iterator[None]:
        """Count a request that may wait; 429 when its client has as many under way as it may."""
        if self._waiting[client] >= MOST_WAITING:
            raise HttpRefusal(
                429, "too-many-waiting", f"{MOST_WAITING} requests of this client wait for changes already",
                where="wait", fix="Wait with one of them, and end it before the next.", headers={"Retry-After": "5"},
            )  # fmt: skip
        self._waiting[client] += 1
        try:
            yield
        finally:
            self._waiting[client] -= 1
            self._waiting += Counter()  # forgets whom nothing is counted for

    async def wait(self, tenant: str, seconds: float) -> None:
        """Return when there is news, or after ``seconds``, or when it is time to look what other processes did."""
        if self.over:
            return
        event = self._events.setdefault(tenant, asyncio.Event())
        with suppress(TimeoutError):
            async with asyncio.timeout(min(seconds, LOOK_SECONDS)):
                await event.wait()


@dataclass(frozen=True)
class House:
    """One process's parts, as the HTTP room is given them."""

    settings: Http
    tenants: Sequence[str]
    store: Store
    vault: Vault
    audit: AuditLog
    views: Mapping[str, View]
    hooks: Mapping[str, tuple[HookReceiver, Intake]]
    """By source: who takes what its system sends, and where it is stored."""
    ask_soon: Callable[[str], None]
    """Told the source's name when its system says that something changed and not what."""
    unsettled: Callable[[], int]
    """How many messages wait to be normalized."""
    people: People = field(default_factory=People)
    routes: Sequence[Route] = ()
    origins: Mapping[tuple[str, str], Origin] = field(default_factory=dict)
    """By tenant and name: where records come from, for explanations."""
    news: News = field(default_factory=News)
    agreements: bool = False
    """Whether a client needs an agreement on file with its recipient."""
    sampling: Sampling | None = None
    """Who shows what a subscription will be sent; None where the sink of subscriptions does not."""

    @property
    def url(self) -> str:
        """The public address, without a slash at its end."""
        return self.settings.url

    @property
    def admin_url(self) -> str:
        """The address under which people reach the admin port, without a slash at its end."""
        return self.people.admin_url or f"http://localhost:{self.settings.admin_port}"
