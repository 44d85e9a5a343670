"""A simulated clinic on loopback that has agreed, and the streams that poll it, for the tests beside this file."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from gateway.mapping import Mapping
from gateway.testing.recording_intake import RecordingIntake
from gateway.testing.synthetic_clinic import synthetic_clinic
from gateway_jane.config import JaneConfig
from gateway_jane.plugin import JaneAdapter
from gateway_jane.records import KINDS
from gateway_jane.simulator import JaneSimulator
from gateway_jane.simulator_identity import CLIENT_ID
from gateway_jane.simulator_rows import SCOPES
from gateway_jane.transport import ChangedItems
from gateway_jane.transport_api import Api, api_client, identity_client
from gateway_jane.transport_tokens import Kept, TokenFile
from tests.waiting import PATIENCE

CLINIC = synthetic_clinic(seed=7, patients=60, visits=150)
START = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
ADAPTER = JaneAdapter()
HOOKS = " webhooks:read webhooks:create webhooks:delete"


class Clinic:
    """The simulator, an intake and one stream per list; ``tick`` moves the clock."""

    def __init__(self, simulator: JaneSimulator, settings: JaneConfig) -> None:
        self.simulator, self.config = simulator, settings
        self.intake = RecordingIntake()
        self.now = START
        simulator._clock = self._seconds
        self.file = TokenFile(settings.token_file)

    def _seconds(self) -> float:
        return self.now.timestamp()

    def agree(self, scope: str = " ".join(SCOPES.values()) + HOOKS, audience: str = "") -> None:
        """Keep a refresh token, as after ``gateway jane connect``."""
        granted = self.simulator.identity.grant(scope, audience)
        self.file.write(Kept(refresh_token=str(granted["refresh_token"])))

    def open(self, client) -> None:
        self.api = Api(client, self.config, lambda: self.now)
        self.streams = {kind: ChangedItems(kind, self.api, self.config, lambda: self.now) for kind in KINDS}

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


def with_clinic(folder, test: Callable[[Clinic], Awaitable[None]], *, simulator=None, **settings) -> None:
    """Run an async test body against a fresh clinic that has agreed."""

    async def run() -> None:
        made = simulator or JaneSimulator(CLINIC, clock=START.timestamp)
        made.identity._now = time.time
        base = await made.start()
        try:
            config = JaneConfig(
                clinic=base, identity=base, client_id=CLIENT_ID, client_secret="env:JANE_SECRET",
                token_file=folder / "tokens.json", **{"retries": 1, **settings},
            )  # fmt: skip
            clinic = Clinic(made, config)
            clinic.agree()
            async with identity_client(config) as outside, api_client(config, outside) as client:
                clinic.open(client)
                await test(clinic)
        finally:
            await made.stop()

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


def normalize():
    """The adapter's pure function for a source in Chicago."""
    mapping = Mapping.load(ADAPTER.mappings, None, ADAPTER.path).bind(zone="America/Chicago")
    return ADAPTER.normalizer(JaneConfig(), mapping)
