"""Health: the file by which a serving process says who it is, whether it can store, and how much waits."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import structlog

from gateway.errors import StoreUnavailable
from gateway.flow import polling
from gateway.flow.clock import iso, micros
from gateway.flow.deliver import Deliverer
from gateway.flow.handoff import Handoff
from gateway.settings import Settings
from gateway.store import messages
from gateway.store.opening import Store

HEALTH_SECONDS = 2.0

log = structlog.get_logger(__name__)


def health_path(settings: Settings) -> Path:
    """Where ``serve`` says how it is."""
    return settings.data.directory / "health.json"


async def keep_health(
    path: Path, store: Store, tenants: Sequence[str], handoff: Handoff, deliverers: Sequence[Deliverer],
    *, counting: bool,
) -> None:  # fmt: skip
    """Renew the health file until cancelled; then there is none.

    With ``counting``, how much waits is asked of the store, because another process normalizes.
    """
    try:
        while True:
            if counting:
                with suppress(StoreUnavailable):
                    for tenant in tenants:
                        count = await store.read(partial(messages.pending_count, tenant=tenant))
                        handoff.recounted(tenant, count)
            text = json.dumps(
                {
                    "pid": os.getpid(),
                    "at": iso(micros()),
                    "store": "ok" if store.healthy else "unavailable",
                    "unsettled_messages": handoff.unsettled,
                    "waiting_deliveries": {one.route.name: one.waiting for one in deliverers},
                    "routes": {one.route.name: one.valve.describe(micros()) for one in deliverers},
                }
            )
            try:
                await asyncio.to_thread(polling.replace, path, text)
            except OSError as error:
                log.warning("health-not-written", error=type(error).__name__)
                path.unlink(missing_ok=True)  # no file is unhealthy; an old one would say that all is well
            await asyncio.sleep(HEALTH_SECONDS)
    finally:
        path.unlink(missing_ok=True)
