"""Who may ask: the clients of the store, held for two seconds, so that a revoked one is out everywhere within five."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from gateway.access import View, scopes, secrets
from gateway.flow.clock import micros
from gateway.http.refusal import HttpRefusal
from gateway.store import agreements, clients
from gateway.store.opening import Store

HOLD_SECONDS = 2.0


async def _let_in() -> None:
    """Whoever was let in for the length of one answer, as people on the admin port are, is not asked again."""


@dataclass(frozen=True)
class Client:
    """One client as the store has it."""

    id: str
    tenant: str
    view: str
    purpose: str
    recipient: str
    scopes: tuple[str, ...]
    locations: frozenset[bytes]
    hook_hosts: frozenset[str]
    quota: int
    jwks: str
    revoked: bool
    secrets: Mapping[str, tuple[bytes, int | None]] = field(default_factory=dict)
    """Public part -> hash, and when it ends (microseconds)."""


@dataclass(frozen=True)
class Principal:
    """A client that has shown who it is, with what it may see in this request."""

    client: Client
    view: View
    types: frozenset[str]
    """Record types that view and scopes let through."""
    scopes: tuple[str, ...] = ()
    check: Callable[[], Awaitable[None]] = _let_in
    """Refuses when the client was revoked since it was let in; asked before each page, for an answer may take long."""

    @property
    def tenant(self) -> str:
        """The clinic group whose records it may see; there is no way to name another."""
        return self.client.tenant

    @property
    def actor(self) -> str:
        """Its name in the audit log."""
        return f"client:{self.client.id}"

    @property
    def discloses(self) -> bool:
        """Whether to show it a record is to disclose it to somebody outside."""
        return True

    def narrowed(self, asked: tuple[str, ...]) -> Principal:
        """The same with scopes of a token."""
        return replace(self, scopes=asked, types=self.types & scopes.allowed(asked, self.types))

    def doing(self, interaction: str) -> Principal:
        """The same for FHIR's read (``r``) or search (``s``) alone, which scopes grant one by one."""
        through = (scopes.allowed(held, self.types, interaction) for held in (self.client.scopes, self.scopes))
        return replace(self, types=self.types.intersection(*through))


class Directory:
    """Finds clients by key and by id."""

    def __init__(
        self, store: Store, views: Mapping[str, View], tenants: frozenset[str], *, agreements: bool = False
    ) -> None:
        self._store = store
        self._agreements = agreements
        self._agreed: set[tuple[str, str]] = set()
        self._views = views
        self._tenants = tenants
        self._loaded = float("-inf")
        self._clients: dict[str, Client] = {}
        self._by_secret: dict[str, Client] = {}
        self._lock = asyncio.Lock()

    async def by_id(self, client: str) -> Client | None:
        """A client that is not revoked."""
        await self._refresh()
        found = self._clients.get(client)
        return None if found is None or found.revoked else found

    async def by_key(self, text: str) -> Client | None:
        """The client whose key or secret this is, while both hold."""
        public = secrets.public_part(text)
        if public is None:
            return None
        await self._refresh()
        found = self._by_secret.get(public)
        if found is None or found.revoked:
            return None
        digest, ends = found.secrets[public]
        if not secrets.matches(text, digest) or (ends is not None and ends <= micros()):
            return None
        return found

    def principal(self, client: Client) -> Principal:
        """What a client may see; refused when its view or tenant is not configured any more."""
        view = self._views.get(client.view)
        if view is None or client.tenant not in self._tenants:
            raise HttpRefusal(
                403, "view-unknown", "The client's view is not configured", where=client.view,
                fix="Ask the gateway's operator to define it again under [views].",
            )  # fmt: skip
        if view.veiled:
            raise HttpRefusal(
                403, "view-for-routes", "Records without identifiers go out by routes alone", where=client.view,
                fix="Ask the gateway's operator for a route with this view, into files or a mailbox.",
            )  # fmt: skip
        if self._agreements and (client.tenant, client.recipient) not in self._agreed:
            raise HttpRefusal(
                403, "no-agreement", "No agreement with the client's recipient is on file", where=client.id,
                fix="Ask the gateway's operator to enter it: `gateway agreements add`.",
            )  # fmt: skip
        return Principal(client, view, scopes.allowed(client.scopes, view.grants), client.scopes)

    async def _refresh(self) -> None:
        if time.monotonic() - self._loaded < HOLD_SECONDS:
            return
        async with self._lock:
            if time.monotonic() - self._loaded < HOLD_SECONDS:
                return
            begun = time.monotonic()
            rows, kept, agreed = await self._store.read(
                lambda c: (clients.everyone(c), clients.secrets(c), agreements.valid(c, micros()))
            )
            held: dict[str, dict[str, tuple[bytes, int | None]]] = {}
            for row in kept:
                held.setdefault(row.client, {})[row.secret] = (bytes(row.hash), row.expires_at)
            self._clients = {row.client: _client(row, held.get(row.client, {})) for row in rows}
            self._by_secret = {public: one for one in self._clients.values() for public in one.secrets}
            self._agreed, self._loaded = agreed, begun


def _client(row: Any, held: Mapping[str, tuple[bytes, int | None]]) -> Client:
    return Client(
        id=row.client, tenant=row.tenant, view=row.view, purpose=row.purpose, recipient=row.recipient,
        scopes=tuple(row.scopes.split()), locations=frozenset(map(bytes.fromhex, json.loads(row.locations))),
        hook_hosts=frozenset(json.loads(row.hook_hosts)), quota=row.quota, jwks=row.jwks,
        revoked=row.revoked_at is not None, secrets=held,
    )  # fmt: skip
