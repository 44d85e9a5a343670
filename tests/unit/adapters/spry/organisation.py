"""A simulated organisation on loopback, and the streams that poll it, for the tests beside this file."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from aiohttp import web

from gateway.mapping import Mapping
from gateway.model.exchange import HookRequest
from gateway.testing.recording_intake import RecordingIntake
from gateway.testing.synthetic_clinic import synthetic_clinic
from gateway_spry.config import SpryConfig
from gateway_spry.plugin import SpryAdapter
from gateway_spry.simulator import CLIENT_ID, SprySimulator
from gateway_spry.transport import Calendars, Cases
from gateway_spry.transport_api import connected
from tests.waiting import PATIENCE

CLINIC = synthetic_clinic(seed=7, patients=20, visits=120)
START = datetime(2026, 3, 3, 12, 0, tzinfo=UTC)
ADAPTER = SpryAdapter()


def of_today() -> SprySimulator:
    """The same clinic with visits about now, for what asks by the system's own clock."""
    return SprySimulator(synthetic_clinic(seed=7, patients=20, visits=120, first_day=datetime.now(UTC).date()))


class Organisation:
    """The simulator, an intake, and the two streams; ``tick`` moves the clock."""

    def __init__(self, simulator: SprySimulator, config: SpryConfig, api) -> None:
        self.simulator, self.config, self.api = simulator, config, api
        self.intake = RecordingIntake()
        self.now = START
        self.calendars = Calendars(api, config, lambda: self.now)
        self.cases = Cases(api, config, lambda: self.now)

    def tick(self, seconds: float = 60.0) -> None:
        self.now += timedelta(seconds=seconds)

    async def poll(self, *streams) -> list:
        """Poll some streams, or both; returns the new items."""
        before = len(self.intake.items)
        for stream in streams or (self.calendars, self.cases):
            await stream.poll(self.intake)
        return self.intake.items[before:]


def settings(base: str, **more) -> SpryConfig:
    doctors = [str(one.key) for one in CLINIC.therapists]
    given = {"client_id": CLIENT_ID, "client_secret": "env:SPRY_SECRET", "doctors": doctors, "retries": 1,
             "requests_per_minute": 600}  # fmt: skip
    return SpryConfig(base_url=base, **{**given, **more})


def with_organisation(test: Callable[[Organisation], Awaitable[None]], *, simulator=None, **more) -> None:
    """Run an async test body against a fresh organisation."""

    async def run() -> None:
        made = simulator or SprySimulator(CLINIC)
        base = await made.start()
        try:
            config = settings(base, **more)
            async with connected(config) as api:
                await test(Organisation(made, config, api))
        finally:
            await made.stop()

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


async def listening(receiver, intake) -> tuple[web.AppRunner, str]:
    """A port that hands what arrives to a receiver, as the gateway's public one does."""

    async def answer(request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        given = HookRequest(
            method=request.method, path="", query="", headers=headers, body=await request.read(), url=str(request.url)
        )
        return web.Response(status=(await receiver.receive(given, intake)).status)

    application = web.Application()
    application.router.add_route("*", "/hooks/north", answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}/hooks/north"


def normalize():
    """The adapter's pure function for a source in Chicago."""
    mapping = Mapping.load(ADAPTER.mappings, None, ADAPTER.path).bind(zone="America/Chicago")
    return ADAPTER.normalizer(SpryConfig(), mapping)
