"""Polling: gives every source its seat at the scheduler, says how fresh all is, and polls only while it leads."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import structlog

from gateway.audit import AuditLog
from gateway.diagnosis import met_at
from gateway.errors import StoreUnavailable
from gateway.flow.source import Source
from gateway.flow.sweep import Sweeper
from gateway.model.exchange import Intake, RateBudget, Transport
from gateway.settings import Settings
from gateway.settings import Source as SourceSettings
from gateway.settings_polling import Budget
from gateway.store import drift
from gateway.store.leading import Leadership
from gateway.store.opening import Store
from gateway.transport.schedule import Budgets, Scheduler, Seat, seated
from gateway.vault import Vault

STATUS_SECONDS = 2.0
LEAD_SECONDS = 2.0
SPENT = "budgets"

log = structlog.get_logger(__name__)


def sources_path(settings: Settings) -> Path:
    """Where ``serve`` says how fresh its sources are."""
    return settings.data.directory / "sources.json"


def scheduler_of(settings: Settings) -> Scheduler:
    """The scheduler that the settings describe; what its budgets spent stays among the data."""
    own = settings.polling
    budgets = {
        name: Budgets(together=_budget(one.together), endpoint=_budget(one.endpoint))
        for name, one in own.vendors.items()
    }
    return Scheduler(at_once=own.at_once, budgets=budgets, spent=settings.data.directory / SPENT)


def seat_of(
    scheduler: Scheduler, source: Source, settings: SourceSettings, store: Store, vault: Vault, audit: AuditLog
) -> Seat:
    """The place of one source at the scheduler, with what sweeps it."""
    sweeper = Sweeper(
        source.tenant, source.name, store, vault, audit,
        interval=settings.sweep_seconds, most_absent=settings.most_absent,
    )  # fmt: skip
    sweeping = sweeper if settings.sweep_seconds else None
    return scheduler.seat(source.tenant, source.name, source.adapter.info.name, settings.goals, sweeping)


def start(
    group: asyncio.TaskGroup, seat: Seat, transport: Transport, intake: Intake, opened: Callable[[], None]
) -> None:
    """Run a transport so that its pollers and clients find the source's seat."""
    with seated(seat):
        group.create_task(_run(f"source {seat.source}", transport, intake, opened))


async def _run(source: str, transport: Transport, intake: Intake, opened: Callable[[], None]) -> None:
    with met_at(source):
        await transport.run(intake, opened)


async def report(scheduler: Scheduler, path: Path, store: Store) -> None:
    """Renew the status file until cancelled, with open alarms of drift; without a process there is no file."""
    drifting: dict[str, int] = {}
    try:
        while True:
            try:
                with suppress(StoreUnavailable):
                    drifting = await store.read(drift.open_counts)
                text = json.dumps({**scheduler.describe(), "drift": drifting})
                await asyncio.to_thread(replace, path, text)
            except OSError as error:
                log.warning("sources-not-written", error=type(error).__name__)
            await asyncio.sleep(STATUS_SECONDS)
    finally:
        path.unlink(missing_ok=True)


async def lead(scheduler: Scheduler, leadership: Leadership) -> None:
    """Poll only while this process holds the lock, until cancelled."""
    scheduler.leading.clear()
    try:
        while True:
            leads = await asyncio.to_thread(leadership.holds)
            if leads != scheduler.leading.is_set():
                log.info("polling-leader", leads=leads)
                (scheduler.leading.set if leads else scheduler.leading.clear)()
            await asyncio.sleep(LEAD_SECONDS)
    finally:
        await asyncio.to_thread(leadership.close)


def replace(path: Path, text: str) -> None:
    """Put a whole file in the place of another, so that no reader sees half of one."""
    part = path.with_suffix(".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def _budget(of: Budget | None) -> RateBudget | None:
    return None if of is None else RateBudget(requests=of.requests, seconds=of.seconds)
