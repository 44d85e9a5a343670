"""Subscriptions: clients that asked over HTTP to be told of changes are served by the ordinary delivery engine.

Each is a route of its own, ``hook-<id>``: its cursors are made in the commit that keeps it, so no change between asking
and being served is missed. Once a second it is looked what runs: a subscription that ended, whose
client was revoked or may not see as much any more, stops; what changed starts anew where it stood. What an ended one,
or one of a revoked client, had not delivered is closed with a verdict, so that nothing of it is pending for ever. An
endpoint that says that it is gone (410) ends its subscription, as the client would.

The signing secrets rest nowhere: they are keyed digests of the subscription and of how often it was rotated. After a
rotation the old one signs too for a day.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import structlog
from sqlalchemy import Connection

from gateway.access import View, scopes
from gateway.audit import AuditLog
from gateway.errors import GatewayError, InvalidConfiguration, RetryLater
from gateway.flow.addresses import Address, Addresses, is_sealed
from gateway.flow.clock import micros
from gateway.flow.deliver import Deliverer
from gateway.flow.dispatch import Route
from gateway.flow.ending import Ending, end_route
from gateway.flow.retry import SCHEDULE
from gateway.flow.route import Filter
from gateway.hookspecs import OpenSink, Sink, Subscribable
from gateway.model.exchange import Dispatch, Outcome, Reaching, Rejected, SinkInfo, Target
from gateway.model.sampling import Sampling
from gateway.store import deliveries, subscriptions
from gateway.store.opening import Store
from gateway.vault import Vault

LOOK_SECONDS = 1.0
OVERLAP_MICROS = 86_400_000_000
GONE = "endpoint-gone"

log = structlog.get_logger(__name__)


def route_name(subscription: str) -> str:
    """The route that serves a subscription."""
    return f"hook-{subscription}"


def secret(vault: Vault, tenant: str, subscription: str, generation: int) -> str:
    """A signing secret as a receiver is told it, by the Standard Webhooks form."""
    key = vault.digest(tenant, f"subscription\0{subscription}\0{generation}".encode())
    return "whsec_" + base64.b64encode(key).decode("ascii")


def wanted(types: str, locations: frozenset[bytes], view: View, held: str) -> Filter:
    """What a subscription is told of: the types it names that view and scopes still let through."""
    seen = frozenset(types.split()) & scopes.allowed(held.split(), view.grants)
    return Filter(seen, frozenset(), locations)


def subscribable(sinks: Mapping[str, Sink], name: str) -> tuple[Subscribable, SinkInfo]:
    """The sink that serves subscriptions.

    Raises:
        InvalidConfiguration: it takes none, or is not installed.
    """
    fix = "Name an installed sink that takes subscriptions, such as webhook."
    if name not in sinks:
        raise InvalidConfiguration("This sink is not installed", where="http.hook_sink", fix=fix)
    sink = sinks[name]
    if not isinstance(sink, Subscribable):
        raise InvalidConfiguration("This sink takes no subscriptions", where="http.hook_sink", fix=fix)
    return sink, sink.info


def sampling(sinks: Mapping[str, Sink], name: str) -> Sampling | None:
    """The same sink, where it is installed and also shows what it will send."""
    if name not in sinks:
        return None
    sink = sinks[name]
    return sink if isinstance(sink, Sampling) else None


class _Watched:
    """A subscription's sink, and whether its endpoint has said that it is gone."""

    def __init__(self, sink: OpenSink) -> None:
        self._sink = sink
        self.gone = False
        self.probe, self.close = sink.probe, sink.close
        if isinstance(sink, Reaching):
            self.endpoint = sink.endpoint

    async def deliver(self, dispatch: Dispatch) -> Sequence[Outcome]:
        """Hand it on, and listen."""
        outcomes = await self._sink.deliver(dispatch)
        self.gone = self.gone or any(isinstance(one, Rejected) and one.reason == GONE for one in outcomes)
        return outcomes


class Subscriptions:
    """Starts and stops the deliverers of subscriptions; ``deliverers`` is the list that news of the journal go to."""

    def __init__(
        self, store: Store, vault: Vault, audit: AuditLog, views: Mapping[str, View],
        sink: tuple[Subscribable, SinkInfo], deliverers: list[Deliverer], *,
        loopback: bool = False, agreement: bool = False, schedule: tuple[float, ...] = SCHEDULE,
    ) -> None:  # fmt: skip
        self._store = store
        self._vault = vault
        self._audit = audit
        self._views = views
        self._sink, self._info = sink
        self._deliverers = deliverers
        self._loopback = loopback
        self._agreement = agreement
        self._schedule = schedule
        self._running: dict[tuple[str, str], tuple[Any, asyncio.Task[None]]] = {}
        self._watched: dict[tuple[str, str], _Watched] = {}
        self._addresses = Addresses(store, vault, audit)
        self._urls: dict[tuple[str, str], tuple[str, Address]] = {}
        """By subscription, its row's sealed address and what that is."""

    async def run(self) -> None:
        """Serve until cancelled."""
        try:
            while True:
                with suppress(RetryLater):
                    await self._look()
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            for key in list(self._running):
                await self._stop(key)

    async def _look(self) -> None:
        now = micros()
        for key, sink in self._watched.items():
            if sink.gone:
                await self._end(*key)
        running, over = await self._store.read(subscriptions.unclosed)
        rows = {(row.tenant, row.subscription): row for row in running}
        await asyncio.to_thread(self._address, rows)
        asked = {key: (row, now - row.rotated_at < OVERLAP_MICROS) for key, row in rows.items() if self._allowed(row)}
        for key, (was, task) in list(self._running.items()):
            if asked.get(key) != was or task.done():
                await self._stop(key)
        for key, state in asked.items():
            if key not in self._running:
                self._start(key, *state)
        for row in over:
            await self._close(row)

    async def _end(self, tenant: str, subscription: str) -> None:
        """Nothing that is sent there ever arrives: it ends as if its client had ended it."""
        entry = self._audit.entry(
            tenant, action="client", actor="gateway:subscriptions", purpose="operations", outcome=GONE,
            clients=[self._running[tenant, subscription][0][0].client],
        )  # fmt: skip

        def unit(connection: Connection) -> None:
            subscriptions.end(connection, tenant, subscription, micros())
            self._audit.append(connection, entry)

        await self._store.write(unit)
        log.warning("subscription-ended", route=route_name(subscription), reason=GONE)

    def _address(self, rows: Mapping[tuple[str, str], Any]) -> None:
        """Know where each of them leads; what stands there in the clear is sealed."""
        new: dict[str, list[Any]] = {}
        for key, row in rows.items():
            if key not in self._urls or self._urls[key][0] != row.url:
                new.setdefault(row.tenant, []).append(row)
        self._urls = {key: url for key, url in self._urls.items() if key in rows}
        for tenant, theirs in new.items():
            found = self._addresses.open(tenant, theirs, "gateway:subscriptions")
            for row in theirs:
                address = found.get(row.subscription, Address(""))
                self._urls[tenant, row.subscription] = row.url, address
                if not is_sealed(row):
                    url = self._addresses.seal(tenant, row.subscription, address)
                    asked = "fhir" if address.asked else ""
                    self._store.write_sync(
                        partial(
                            subscriptions.readdress, tenant=tenant, subscription=row.subscription, url=url, asked=asked
                        )
                    )

    async def _close(self, row: Any) -> None:
        """Give what it had not delivered its verdict."""
        view = self._views.get(row.view)
        told = {} if view is None or row.content == "empty" else view.grants
        fields = dict.fromkeys(told, ("id",)) if row.content == "thin" else told
        ending = Ending(row.tenant, route_name(row.subscription), row.recipient, row.purpose, fields)
        count = await end_route(ending, self._store, self._vault)
        await self._store.write(lambda c: subscriptions.close(c, row.tenant, row.subscription, micros()))
        if count:
            log.info("subscription-closed", route=ending.route, undelivered=count)

    def _allowed(self, row: Any) -> bool:
        view, url = self._views.get(row.view), self._urls[row.tenant, row.subscription][1].url
        return view is not None and not view.veiled and urlsplit(url).hostname in json.loads(row.hook_hosts)

    def _start(self, key: tuple[str, str], row: Any, overlapping: bool) -> None:
        view = self._views[row.view]
        chosen = wanted(row.types, frozenset(map(bytes.fromhex, json.loads(row.locations))), view, row.scopes)
        if not chosen.types:
            return  # an empty filter would be all of the journal
        route = Route(
            tenant=row.tenant, name=route_name(row.subscription), filter=chosen, view=view, purpose=row.purpose,
            recipient=row.recipient, halt=False, info=self._info, start_now=True, agreement=self._agreement,
            schedule=self._schedule,
        )  # fmt: skip
        first = max(0, row.generation - overlapping)
        held = [secret(self._vault, row.tenant, row.subscription, n) for n in range(first, row.generation + 1)]
        address = self._urls[key][1]
        target = Target(
            url=address.url, secrets=tuple(held), content=row.content, authorization=address.authorization,
            allow_loopback=self._loopback,
        )  # fmt: skip
        try:
            sink = _Watched(self._sink.subscribe(route.name, target))
        except GatewayError as error:
            log.warning("subscription-not-served", route=route.name, error=error.code)
            return
        deliverer = Deliverer(route, sink, self._store, self._vault, self._audit)
        self._deliverers.append(deliverer)
        self._watched[key] = sink
        self._running[key] = ((row, overlapping), asyncio.create_task(self._serve(deliverer)))

    async def _serve(self, deliverer: Deliverer) -> None:
        try:
            await deliverer.run()
        except Exception as error:  # noqa: BLE001 - one client's subscription must not end another's
            log.error("subscription-failed", route=deliverer.route.name, error=type(error).__name__)  # noqa: TRY400 - its text might hold a value
        finally:
            self._deliverers.remove(deliverer)
            await deliverer.close()

    async def _stop(self, key: tuple[str, str]) -> None:
        _, task = self._running.pop(key)
        del self._watched[key]
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def kept(connection: Connection, row: Mapping[str, Any], chosen: Filter) -> None:
    """Keep a subscription and where its route begins, in one commit."""
    subscriptions.add(connection, row)
    name = route_name(row["subscription"])
    deliveries.register(connection, row["tenant"], name, chosen.text, row["created_at"], now=True)
