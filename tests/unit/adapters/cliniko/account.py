"""A simulated account on loopback and the streams that poll it, for the tests beside this file."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from gateway.mapping import Mapping
from gateway.model.exchange import RateBudget
from gateway.testing.recording_intake import RecordingIntake
from gateway.testing.synthetic_clinic import synthetic_clinic
from gateway.transport.http import HttpClient, HttpLimits
from gateway_cliniko.config import ClinikoConfig
from gateway_cliniko.plugin import ClinikoAdapter
from gateway_cliniko.simulator import API_KEY, BUDGET, ClinikoSimulator
from gateway_cliniko.transport import LISTS, Api, ChangedRows

APPOINTMENTS = "individual_appointments"
CLINIC = synthetic_clinic(seed=7, patients=150, visits=300)
START = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
ADAPTER = ClinikoAdapter()


def config(**settings) -> ClinikoConfig:
    """Settings of the simulated account."""
    return ClinikoConfig(**{"api_key": "env:CLINIKO_KEY", "contact_email": "ops@example.com", **settings})


class Account:
    """The simulator, an intake and one stream per list; ``tick`` moves the clock of all of them."""

    def __init__(self, simulator: ClinikoSimulator, client: HttpClient, settings: ClinikoConfig) -> None:
        self.simulator = simulator
        self.intake = RecordingIntake()
        self.now = START
        self._client = client
        self._settings = settings
        simulator._now = lambda: self.now
        self.restart()

    def restart(self) -> None:
        """Forget everything but what the intake committed, as a new process would."""
        api = Api(self._client, self.simulator.base_url, self._settings.per_page)
        self.streams = {one.stream: ChangedRows(one, api, self._settings, lambda: self.now) for one in LISTS}

    def tick(self, seconds: float = 60.0) -> None:
        self.now += timedelta(seconds=seconds)

    async def poll(self, *names: str) -> list:
        """Poll some lists, or all; returns the new items."""
        before = len(self.intake.items)
        for name in names or self.streams:
            await self.streams[name].poll(self.intake)
        return self.intake.items[before:]

    def held(self, table: str) -> dict[str, dict]:
        return self.simulator.tables[table]


def with_account(
    test: Callable[[Account], Awaitable[None]], *, budget: RateBudget = BUDGET, attempts: int = 1, **settings
) -> None:
    """Run an async test body against a fresh account."""

    async def run() -> None:
        simulator = ClinikoSimulator(CLINIC, budget=budget, now=lambda: START)
        await simulator.start()
        headers = {"Authorization": "Basic " + base64.b64encode(f"{API_KEY}:".encode()).decode()}
        limits = HttpLimits(attempts=attempts, backoff=0.001, pause_cap=0.05)
        try:
            async with HttpClient([simulator.base_url], budget=budget, headers=headers, limits=limits) as client:
                await test(Account(simulator, client, config(**settings)))
        finally:
            await simulator.stop()

    asyncio.run(run())


def normalize():
    """The adapter's pure function for a source in Chicago."""
    mapping = Mapping.load(ADAPTER.mappings, None, ADAPTER.path).bind(zone="America/Chicago")
    return ADAPTER.normalizer(config(), mapping)
