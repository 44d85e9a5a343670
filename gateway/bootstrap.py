"""The one place where real parts meet: settings in, a gateway that can run out. Nothing happens on import."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog
from pydantic import BaseModel

from gateway.access import View
from gateway.access.views import compile_views
from gateway.audit import AuditLog, Seal, Witnesses
from gateway.configured import Configured, load_plugins
from gateway.diagnosis import met_at
from gateway.errors import IntegrityViolated, StoreUnavailable
from gateway.flow import decisions, polling
from gateway.flow.bound_rows import bind_first
from gateway.flow.deliver import Deliverer
from gateway.flow.derived import Reaction
from gateway.flow.dispatch import Route
from gateway.flow.gather import Gatherer
from gateway.flow.handoff import Handoff
from gateway.flow.health import health_path, keep_health
from gateway.flow.normalize import Normalizer
from gateway.flow.places import record_bytes
from gateway.flow.policy import bound_policy
from gateway.flow.react import Deriver, Reactors
from gateway.flow.receive import Receiver
from gateway.flow.retry import SCHEDULE
from gateway.flow.route import Filter
from gateway.flow.shred import Shredder
from gateway.flow.source import Origin, Source
from gateway.flow.subscriptions import Subscriptions, sampling, subscribable
from gateway.flow.texts import keep_texts
from gateway.hookspecs import Adapter, Hooked, OpenSink
from gateway.keyring import open_keystore, tend_keys
from gateway.mapping import Mapping
from gateway.registry import Registry
from gateway.settings import Http as HttpSettings
from gateway.settings import Route as RouteSettings
from gateway.settings import Settings, resolve_secret
from gateway.settings import Source as SourceSettings
from gateway.store import journal
from gateway.store.locking import take_lock
from gateway.store.opening import Store, open_store
from gateway.transport.schedule import Seat
from gateway.vault import Vault
from gateway.vault.shred_list import ShredList

HANDOFF_BYTES = 64 * 2**20
SEQUENCE_SECONDS = 1.0

log = structlog.get_logger(__name__)


@dataclass
class Gateway:
    """All parts of one process, opened. ``close`` it when done."""

    settings: Settings
    configured: Configured
    registry: Registry
    store: Store
    vault: Vault
    audit: AuditLog
    seals: dict[str, Seal]
    sources: dict[tuple[str, str], Source]
    views: dict[str, View]
    reactions: dict[tuple[str, str], Reaction] = field(default_factory=dict)
    handoff: Handoff = field(default_factory=lambda: Handoff(HANDOFF_BYTES))
    deliverers: list[Deliverer] = field(default_factory=list)
    seats: dict[str, Seat] = field(default_factory=dict)
    """By source: its place at this process's scheduler; none where another process polls."""
    news: list[Callable[[str], None]] = field(default_factory=list)
    """Told the tenant, on the event loop, whenever its journal has grown."""

    @property
    def tenants(self) -> list[str]:
        """Names of the clinic groups."""
        return [tenant.name for tenant in self.settings.tenants]

    @property
    def origins(self) -> dict[tuple[str, str], Origin]:
        """All that messages come from, by tenant and name: sources, reactors, and persons who decide."""
        decided = {(tenant, decisions.NAME): decisions.Decisions(tenant) for tenant in self.tenants}
        return {**self.sources, **self.reactions, **decided}

    def ask_soon(self, source: str) -> None:
        """Poll a source's streams before their time, if this process polls them; otherwise their time comes anyhow."""
        if (seat := self.seats.get(source)) is not None:
            seat.ask_soon()

    def receiver(self, source: Origin) -> Receiver:
        """The intake of one source."""
        limits = self.settings.limits
        return Receiver(
            source, self.store, self.vault, self.audit, self.handoff,
            most_bytes=limits.message_bytes, most_unsettled=limits.unsettled_messages,
        )  # fmt: skip

    def normalizer(self, changed: Callable[[str], None]) -> Normalizer:
        """The thread that settles messages; ``changed`` is told the tenant after each batch, on that thread."""
        return Normalizer(self.origins, self.store, self.vault, self.audit, self.handoff, changed)

    def derivers(self) -> list[Deriver]:
        """The configured reactors, ready to take steps."""
        return [
            Deriver(one, Gatherer(one, self.store, self.vault, self.audit), self.store, self.receiver(one))
            for one in self.reactions.values()
        ]

    def shredder(self) -> Shredder:
        """Who shreds patients, and sees that they stay shredded."""
        return Shredder(self.store, self.vault, self.audit, ShredList(self.settings.keys.shred_list))

    def check_witness(self) -> None:
        """Refuse to go on with a database that is older than what its witness has seen.

        Raises:
            IntegrityViolated: it was rolled back or cut.
        """
        for seal in self.seals.values():
            self.store.read_sync(seal.sequencer.resume)

    def witnesses(self) -> Witnesses:
        """The configured witnesses, ready to be told and asked."""
        opened = {}
        for one in self.settings.witnesses:
            kind = self.registry.witnesses[one.witness]
            opened[one.name] = (kind.every, kind.open(one.name, self.configured.witnesses[one.name]))
        return Witnesses(self.store, self.audit, self.seals, opened)

    def sequence(self) -> None:
        """Number new audit rows into the tree and sign a checkpoint when one is due."""
        for seal in self.seals.values():
            seal.sequencer.advance(self.store.write_sync)

    def close(self) -> None:
        """Sequence what is left, then let go of store and keys."""
        try:
            self.sequence()
        except (StoreUnavailable, IntegrityViolated) as error:
            log.warning("audit-not-sequenced", error=error.code)
        self.store.close()
        self.vault.keystore.close()


def open_gateway(settings: Settings, folder: Path, text: str = "", *, create: bool = False) -> Gateway:
    """Open keystore, store, audit log, sources and views.

    Args:
        settings: the checked ``gateway.toml``.
        folder: where relative paths begin: the folder of ``gateway.toml``.
        text: the file itself, so that mistakes name their line.
        create: make root key, keystore and store where none are yet (``gateway init``).

    Raises:
        Stop: something a person must mend; ``KeysUnavailable`` and ``StoreUnavailable`` as they come.
    """
    registry, configured = load_plugins(settings, folder, text)
    keystore = open_keystore(settings, registry, configured, create=create)
    password = None if settings.store.password is None else resolve_secret(settings.store.password)
    store = open_store(settings.store.url, password, settings.data.directory, keystore.database_key)
    store.start()
    audit = AuditLog(store)
    vault = Vault(keystore, audit.is_committed)
    opened = Gateway(settings, configured, registry, store, vault, audit, {}, {}, compile_views(settings.views))
    bind_first(store, keystore, audit, opened.tenants)
    _prepare(opened)
    for tenant in opened.tenants:
        opened.shredder().reconcile(tenant)
    return opened


def bind_source(settings: SourceSettings, adapter: Adapter, config: BaseModel) -> Source:
    """A configured source with its mapping compiled."""
    with met_at(f"source {settings.name}"):
        mapping = Mapping.load(adapter.mappings, settings.overlay, adapter.path, settings.profile or "")
    mapping = mapping.bind(zone=settings.zone)
    return Source.bind(settings.tenant, settings.name, adapter, config, mapping, holding=settings.drift)


def open_sink(gateway: Gateway, route: RouteSettings) -> OpenSink:
    """The configured sink of one route, connected."""
    with met_at(f"route {route.name}"):
        return gateway.registry.sinks[route.sink].open(route.name, gateway.configured.routes[route.name])


def bind_route(gateway: Gateway, route: RouteSettings) -> Route:
    """A configured route with its filter and view compiled."""
    view = gateway.views[route.view]
    names = route.sources or tuple(source for tenant, source in gateway.sources if tenant == route.tenant)
    locations = frozenset(
        record_bytes(gateway.vault.record_id(route.tenant, source, "Location", native))
        for source in names
        for native in route.locations
    )
    return Route(
        tenant=route.tenant,
        name=route.name,
        filter=Filter(frozenset(route.types or view.grants), frozenset(route.sources), locations),
        view=view,
        purpose=route.purpose,
        recipient=route.recipient,
        halt=route.poison == "halt",
        start_now=route.start == "now",
        info=gateway.registry.sinks[route.sink].info,
        schedule=route.retries or SCHEDULE,
        policy=bound_policy(route),
        agreement=gateway.settings.mode == "production",
    )


async def serve(gateway: Gateway, roles: frozenset[str], ready: Callable[[], None]) -> None:
    """Run the parts that ``roles`` name (intake, worker, deliver, api) until cancelled.

    ``ready`` is called once everything listens.
    """
    lock = take_lock(gateway.settings.data.directory)
    gateway.check_witness()
    witnesses = gateway.witnesses()
    await witnesses.check()
    loop = asyncio.get_running_loop()

    reactors = Reactors(gateway.derivers())

    def changed(tenant: str) -> None:
        reactors.wake()
        loop.call_soon_threadsafe(_wake, gateway, tenant)

    normalizer = gateway.normalizer(changed)
    openings: list[asyncio.Event] = []
    if "worker" in roles:
        normalizer.start()
        reactors.start()
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_sequence(gateway))
            group.create_task(tend_keys(gateway.vault.keystore, gateway.shredder(), gateway.tenants))
            group.create_task(witnesses.run())
            if "deliver" in roles:
                _deliver_routes(gateway, group)
            if "intake" in roles:
                openings += _open_sources(gateway, group)
            if "api" in roles and gateway.settings.http is not None:
                openings.append(asyncio.Event())
                group.create_task(_answer(gateway, gateway.settings.http, openings[-1].set))
            await _all_open(openings)
            group.create_task(keep_health(
                health_path(gateway.settings), gateway.store, gateway.tenants, gateway.handoff, gateway.deliverers,
                counting="worker" not in roles,
            ))  # fmt: skip
            ready()
    finally:
        if "worker" in roles:
            await asyncio.to_thread(reactors.stop)
            await asyncio.to_thread(normalizer.stop)
        lock.close()


def _deliver_routes(gateway: Gateway, group: asyncio.TaskGroup) -> None:
    """Start every route, and whoever serves clients that subscribe."""
    for route in gateway.settings.routes:
        answers = gateway.origins[route.tenant, route.answers] if route.answers else None
        deliverer = Deliverer(
            bind_route(gateway, route), open_sink(gateway, route), gateway.store, gateway.vault, gateway.audit,
            None if answers is None else gateway.receiver(answers),
        )  # fmt: skip
        gateway.deliverers.append(deliverer)
        group.create_task(_deliver(deliverer))
    if gateway.settings.http is not None:
        group.create_task(_subscriptions(gateway, gateway.settings.http).run())


def _open_sources(gateway: Gateway, group: asyncio.TaskGroup) -> list[asyncio.Event]:
    """Start every listener and poller; an event each, which is set once it is open."""
    openings: list[asyncio.Event] = []
    scheduler = polling.scheduler_of(gateway.settings)
    for source in gateway.sources.values():
        receiver = gateway.receiver(source)
        own = gateway.settings.source(source.name)
        seat = polling.seat_of(scheduler, source, own, gateway.store, gateway.vault, gateway.audit)
        gateway.seats[source.name] = seat
        for transport in source.adapter.transports(source.name, source.config):
            openings.append(asyncio.Event())
            polling.start(group, seat, transport, receiver, openings[-1].set)
    group.create_task(polling.report(scheduler, polling.sources_path(gateway.settings), gateway.store))
    leadership = gateway.store.leadership()
    if leadership is not None:
        group.create_task(polling.lead(scheduler, leadership))
    return openings


async def _answer(gateway: Gateway, settings: HttpSettings, opened: Callable[[], None]) -> None:
    """Serve HTTP; the room and its libraries are loaded only where they are asked for."""
    from gateway.http import House, serve_http

    hooks = {
        source.name: (found, gateway.receiver(source))
        for source in gateway.sources.values()
        if isinstance(source.adapter, Hooked)
        and (found := source.adapter.hooks(source.name, source.config)) is not None
    }
    house = House(
        settings, gateway.tenants, gateway.store, gateway.vault, gateway.audit, gateway.views, hooks,
        gateway.ask_soon, lambda: gateway.handoff.unsettled, gateway.settings.people, gateway.settings.routes,
        gateway.origins, agreements=gateway.settings.mode == "production",
        sampling=sampling(gateway.registry.sinks, settings.hook_sink),
    )  # fmt: skip
    gateway.news.append(house.news.told)
    await serve_http(house, opened)


def _subscriptions(gateway: Gateway, settings: HttpSettings) -> Subscriptions:
    """Who serves the clients that subscribe over HTTP."""
    served = subscribable(gateway.registry.sinks, settings.hook_sink)
    return Subscriptions(
        gateway.store, gateway.vault, gateway.audit, gateway.views, served, gateway.deliverers,
        loopback=settings.hook_loopback, agreement=gateway.settings.mode == "production",
        schedule=settings.hook_retries or SCHEDULE,
    )  # fmt: skip


async def _all_open(openings: Sequence[asyncio.Event]) -> None:
    """Wait for every transport, so that nobody who was told that the gateway is ready finds a port closed."""
    for opening in openings:
        await opening.wait()


async def _deliver(deliverer: Deliverer) -> None:
    try:
        await deliverer.run()
    finally:
        await deliverer.close()


async def _sequence(gateway: Gateway) -> None:
    while True:
        try:
            await asyncio.to_thread(gateway.sequence)
        except (StoreUnavailable, OSError) as error:  # a disk or a table of files that is full is no end of the gateway
            log.warning("audit-waits", error=type(error).__name__)
        await asyncio.sleep(SEQUENCE_SECONDS)


def _wake(gateway: Gateway, tenant: str) -> None:
    for deliverer in gateway.deliverers:
        if deliverer.route.tenant == tenant:
            deliverer.changed.set()
    for told in gateway.news:
        told(tenant)


def _prepare(gateway: Gateway) -> None:
    """Compile sources, make tenants' lanes and keys, and keep the texts that provenance refers to."""
    for source in gateway.settings.sources:
        adapter = gateway.registry.adapters[source.adapter]
        bound = bind_source(source, adapter, gateway.configured.sources[source.name])
        gateway.sources[source.tenant, source.name] = bound
    for one in gateway.settings.reactors:
        config = gateway.configured.reactors[one.name]
        reaction = Reaction(one.tenant, one.name, gateway.registry.reactors[one.reactor], config)
        gateway.reactions[one.tenant, reaction.name] = reaction
    witness = gateway.settings.keys.keystore.parent
    for tenant in gateway.tenants:
        gateway.seals[tenant] = Seal.of(tenant, gateway.vault.signing_key(tenant), witness)

    def unit(connection: Any) -> None:
        for tenant in gateway.tenants:
            journal.ensure_lanes(connection, tenant)
        texts = [(source.mapping_hash, "mapping", source.mapping.text) for source in gateway.sources.values()]
        texts += [(one.mapping_hash, "reactor", one.text) for one in gateway.reactions.values()]
        texts.append((decisions.Decisions.mapping_hash, "reactor", decisions.TEXT))
        texts += [(bytes.fromhex(view.version), "view", view.text) for view in gateway.views.values()]
        keep_texts(connection, gateway.audit, gateway.tenants, texts)

    gateway.store.write_sync(unit)
