"""Writing back through the whole gateway: marked at the command line, written once, polled again, and nothing more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from gateway import bootstrap, logs
from gateway.flow.disclosed import accounting
from gateway.flow.ledger import recount_tenant
from gateway.model.exchange import RateBudget
from gateway.settings import load
from gateway.store import deliveries, journal
from gateway.testing.synthetic_clinic import synthetic_clinic
from gateway_cliniko.simulator import API_KEY, ClinikoSimulator
from gateway_cliniko.simulator_rows import utc
from tests.integration.test_flow_persons import gateway
from tests.waiting import PATIENCE

SETTINGS = """
[data]
directory = "data"
[keys]
keystore = "keys/keystore.db"
[keys.config]
path = "keys/root.key"
[[tenants]]
name = "group"
[[sources]]
name = "clinic"
tenant = "group"
adapter = "cliniko"
zone = "America/Chicago"
[sources.config]
api_key = "file:cliniko.key"
contact_email = "ops@example.com"
base_url = "{url}"
poll_seconds = 1.0
[views.write-back]
Task = ["kind", "state", "reason"]
Appointment = ["native_id"]
[[routes]]
name = "back"
tenant = "group"
sink = "cliniko"
writes_to = "clinic"
view = "write-back"
purpose = "treatment"
recipient = "Cliniko"
[routes.config]
api_key = "file:cliniko.key"
contact_email = "ops@example.com"
base_url = "{url}"
"""
ROLES = frozenset({"intake", "worker", "deliver"})


async def served(folder: Path, until: Callable[[bootstrap.Gateway], bool]) -> bootstrap.Gateway:
    """Serve until something is so, then end as a process that is told to."""
    logs.configure("warning")  # the streams of the command before are closed by now
    opened = bootstrap.open_gateway(load(folder / "gateway.toml"), folder)
    serving = asyncio.create_task(bootstrap.serve(opened, ROLES, lambda: None))
    try:
        async with asyncio.timeout(PATIENCE):
            while not until(opened):
                assert not serving.done()
                await asyncio.sleep(0.1)
    finally:
        serving.cancel()
        await asyncio.wait([serving])
    return opened


def delivered(opened: bootstrap.Gateway) -> int:
    """How many deliveries of tasks are over; the appointments themselves are never sent."""
    rows = opened.store.read_sync(lambda c: list(deliveries.outcomes(c, "group", "back")))
    return sum(row.outcome == "delivered" for row in rows)


def test_what_comes_back_by_polling_makes_no_second_write(tmp_path: Path) -> None:
    """A visit is cancelled here, written there once, and seen cancelled here; nothing follows from that."""

    async def run() -> None:
        simulator = ClinikoSimulator(
            synthetic_clinic(seed=7, patients=4, visits=5), budget=RateBudget(requests=10_000, seconds=60.0)
        )
        url = await simulator.start()
        (tmp_path / "gateway.toml").write_text(SETTINGS.format(url=url))
        key = tmp_path / "cliniko.key"
        key.write_text(API_KEY)
        key.chmod(0o600)
        row = next(iter(simulator.tables["individual_appointments"].values()))
        start = utc(datetime.now(UTC) + timedelta(days=3))
        row.update(starts_at=start, cancelled_at=None, did_not_arrive=False, patient_arrived=False)
        await asyncio.to_thread(gateway, tmp_path, "init")
        try:
            await play(simulator, row["id"])
        finally:
            await simulator.stop()

    async def play(simulator: ClinikoSimulator, native_id: str) -> None:
        def head(opened: bootstrap.Gateway):
            wanted = UUID(opened.vault.record_id("group", "clinic", "Appointment", native_id))
            return opened.store.read_sync(lambda c: journal.record_heads(c, "group", [wanted.bytes])).get(wanted.bytes)

        seen = []
        first = await served(tmp_path, lambda opened: bool(found := head(opened)) and not seen.append(found))
        first.close()
        record = str(UUID(bytes=bytes(seen[-1].record_id)))
        await asyncio.to_thread(gateway, tmp_path, "visits", "mark", record, "cancelled", "--reason", "illness")

        polled: list[int] = []

        def settled(opened: bootstrap.Gateway) -> bool:
            """Written, seen again, and then two further looks at all lists."""
            if delivered(opened) and head(opened).version == seen[-1].version + 1:
                polled.append(simulator.answered[200])
            return bool(polled) and simulator.answered[200] > polled[0] + 40

        again = await served(tmp_path, settled)
        assert simulator.writes.done == {"cancel": 1}
        assert simulator.tables["individual_appointments"][native_id]["cancellation_reason"] == 30
        assert delivered(again) == 1
        assert head(again).version == seen[-1].version + 1
        patient = bytes(seen[-1].patient)
        told = again.store.read_sync(lambda c: list(accounting(c, "group", patient, 0, 2**62)))
        assert [(one.recipient, one.fields) for one in told] == [("Cliniko", ("reason", "kind", "about.native_id"))]
        assert again.store.read_sync(lambda c: recount_tenant(c, "group")).problems == []
        again.close()

    asyncio.run(run())
