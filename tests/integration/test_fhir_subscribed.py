"""A gateway subscribes at a FHIR server by command, is told what changes, asks for what it missed, and sees the end."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from gateway import bootstrap
from gateway.settings import load
from gateway.store import journal
from gateway.testing.ports import free_port
from gateway.testing.synthetic_clinic import synthetic_clinic
from gateway.transport import polling
from gateway_fhir.simulator import CLIENT_ID, CLIENT_SECRET, FhirSimulator
from gateway_fhir.simulator_subscribe import TOPIC
from tests.integration.test_fhir_notified import NOTIFIED, told
from tests.waiting import PATIENCE, until

SECRET = "between-the-server-and-us"


async def command(config: Path, *words: str) -> Any:
    """What ``gateway fhir`` prints, run beside the gateway that serves."""
    made = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("gateway")), "fhir", *words, "--json", "--config", str(config),
        stdout=asyncio.subprocess.PIPE, env=dict(os.environ),
    )  # fmt: skip
    said, _ = await asyncio.wait_for(made.communicate(), PATIENCE)
    assert SECRET.encode() not in said
    return json.loads(said)


async def story(config: Path, ehr: FhirSimulator) -> None:
    """Subscribe, hear of a change, lose one and find it, and see that the server stops."""
    gateway = bootstrap.open_gateway(load(config), config.parent, config.read_text())
    task = asyncio.create_task(bootstrap.serve(gateway, frozenset({"intake", "worker", "api"}), lambda: None))
    booked = [id for id, row in ehr.tables["Appointment"].items() if row["status"] == "booked"]

    def versions(native_id: str) -> int:
        id = UUID(gateway.vault.record_id("north", "ehr", "Appointment", native_id)).bytes
        return len(gateway.store.read_sync(lambda c: journal.history(c, "north", id)))

    def lines() -> dict[str, str]:
        return {name: line.state for name, line in gateway.seats["ehr"].lines.items()}

    try:
        await until(lambda: all(map(versions, booked)) and set(lines().values()) == {"current"})
        (made,) = await command(config, "subscribe", "ehr", "--topic", TOPIC, "--content", "full-resource")
        assert made["status"] == "active"
        await changed(ehr, booked[0], lambda: versions(booked[0]) == 2)
        ehr.fail("lost-event")
        ehr.forget("Appointment", booked[1])
        await until(lambda: ehr.shown["lost-event"] == 1)
        assert versions(booked[1]) == 1
        await changed(ehr, booked[2], lambda: versions(booked[2]) == 2)
        await until(lambda: versions(booked[1]) == 2, "a deletion that no search tells is among the events asked for")
        ehr.subscriptions.end("off")
        await until(lambda: lines()["subscriptions"] == "failing")
        line = gateway.seats["ehr"].lines["subscriptions"]
        assert "gateway fhir subscribe ehr" in line.fix
        assert {state for name, state in lines().items() if name != "subscriptions"} == {"current"}
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        gateway.close()


async def changed(ehr: FhirSimulator, id: str, here: Callable[[], bool]) -> None:
    """An appointment of the server changes, and the gateway has it."""
    ehr.touch("Appointment", id, status="arrived")
    await until(here, "the gateway was told")


def test_a_subscription_made_by_command_serves_and_its_end_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Polled hourly, changes are here at once, lost ones too, and `gateway sources` says that the server stopped."""
    monkeypatch.setattr(polling, "MOST_OFTEN", 1e9)
    monkeypatch.setenv("EHR_SECRET", CLIENT_SECRET)
    monkeypatch.setenv("EHR_NOTICES", SECRET)
    config, port = tmp_path / "gateway.toml", free_port()

    async def run() -> None:
        ehr = FhirSimulator(synthetic_clinic(seed=5, patients=6, visits=12))
        await ehr.start()
        try:
            text = NOTIFIED.format(port=port, url=ehr.fhir_base, client=CLIENT_ID)
            config.write_text(f"{text}watch_seconds = 0.3\n")
            await asyncio.to_thread(told, config, "init")
            await story(config, ehr)
        finally:
            await ehr.stop()

    asyncio.run(run())
    assert told(config, "verify", "ledger")["unaccounted"] == 0
