"""A FHIR server tells a running gateway what changed: whole resources are stored, a bare notice makes it ask."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import pytest
from typer.testing import CliRunner

from gateway import bootstrap
from gateway.cli import app
from gateway.settings import load
from gateway.store import journal
from gateway.testing.ports import free_port
from gateway.testing.synthetic_clinic import synthetic_clinic
from gateway.transport import polling
from gateway_fhir.simulator import CLIENT_ID, CLIENT_SECRET, FhirSimulator
from tests.logged import log_by_itself
from tests.unit.adapters.fhir.server import SETTINGS
from tests.waiting import until

NOTIFIED = (
    SETTINGS
    + """
stay_current = "search"
poll_seconds = 3600
"""
)


async def story(config: Path, ehr: FhirSimulator, url: str) -> list[list[str]]:
    """Between two polls change three appointments, tell of each in another way, and see what becomes of them."""
    gateway = bootstrap.open_gateway(load(config), config.parent, config.read_text())
    task = asyncio.create_task(bootstrap.serve(gateway, frozenset({"intake", "worker", "api"}), lambda: None))
    booked = [id for id, row in ehr.tables["Appointment"].items() if row["status"] == "booked"]
    put, deleted, bare = booked[:3]

    def kinds(native_id: str) -> list[str]:
        id = UUID(gateway.vault.record_id("north", "ehr", "Appointment", native_id)).bytes
        return [row.kind for row in gateway.store.read_sync(lambda c: journal.history(c, "north", id))]

    try:
        await until(lambda: all(map(kinds, booked)), "polling brings what there is")
        await until(lambda: {line.state for line in gateway.seats["ehr"].lines.values()} == {"current"})
        async with aiohttp.ClientSession(headers={"Authorization": "Bearer between-us"}) as server:
            body = json.dumps(ehr.touch("Appointment", put, status="arrived"))
            assert (await server.put(f"{url}/Appointment/{put}", data=body)).status == 200
            ehr.forget("Appointment", deleted)
            assert (await server.delete(f"{url}/Appointment/{deleted}")).status == 200
            await until(lambda: len(kinds(put)) == len(kinds(deleted)) == 2)
            ehr.touch("Appointment", bare, status="arrived")
            assert (await server.post(url)).status == 200
            await until(lambda: len(kinds(bare)) == 2)
        return [kinds(put), kinds(deleted), kinds(bare)]
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        gateway.close()


def test_what_a_server_tells_is_here_before_the_next_poll(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A resource put, one deleted, and a notice without content: polled hourly, all three are here at once."""
    monkeypatch.setattr(polling, "MOST_OFTEN", 1e9)
    monkeypatch.setenv("EHR_SECRET", CLIENT_SECRET)
    monkeypatch.setenv("EHR_NOTICES", "between-us")
    config, port = tmp_path / "gateway.toml", free_port()

    async def run() -> list[list[str]]:
        ehr = FhirSimulator(synthetic_clinic(seed=5, patients=6, visits=12))
        await ehr.start()
        try:
            config.write_text(NOTIFIED.format(port=port, url=ehr.fhir_base, client=CLIENT_ID))
            await asyncio.to_thread(told, config, "init")
            return await story(config, ehr, f"http://127.0.0.1:{port}/hooks/ehr")
        finally:
            await ehr.stop()

    assert asyncio.run(run()) == [["created", "updated"], ["created", "removed"], ["created", "updated"]]
    assert told(config, "verify", "ledger")["unaccounted"] == 0


def told(config: Path, *words: str) -> Any:
    """What a command prints as JSON."""
    answer = CliRunner().invoke(app, [*words, "--json", "--config", str(config)], catch_exceptions=False)
    log_by_itself()  # what the command was told to log to is closed by now
    assert answer.exit_code == 0, answer.output
    return json.loads(answer.stdout.splitlines()[-1])
