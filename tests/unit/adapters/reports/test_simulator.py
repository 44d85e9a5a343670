"""The folder in which exports appear."""

from __future__ import annotations

import asyncio
import copy
from pathlib import Path

import pytest

from gateway_reports.config import ReportsConfig
from gateway_reports.records import cut
from gateway_reports.simulator import SIMULATORS
from tests.waiting import PATIENCE


@pytest.mark.parametrize("fault", ["", "no-state", "cut"])
def test_exports_appear_and_faults_show(fault: str) -> None:
    """Four reports that the adapter reads; without the state and cut ones it says what is wrong."""
    (system,) = SIMULATORS
    found: dict[str, set[str]] = {}

    async def run() -> None:
        told: asyncio.Queue = asyncio.Queue()
        serving = asyncio.create_task(
            system.serve(
                host="", port=0, seed=1, clinic_size=5, faults=[fault] if fault else [], opened=told.put_nowait
            )
        )
        settings = await told.get()
        folder = Path(settings["folder"])
        while len(files := sorted(folder.glob("*.csv"))) < 4:
            await asyncio.sleep(0.01)
        config = ReportsConfig(system=settings["system"])
        for file in files:
            parts = cut(file.read_bytes(), config)
            found[file.name.split("_")[1]] = {getattr(one, "reason", "row") for one in parts}
        serving.cancel()

    asyncio.run(asyncio.wait_for(run(), 120))
    assert found["Appointments"] >= ({"columns-missing"} if fault == "no-state" else {"row"})
    assert (found["Patients"] == {"row"}) == (fault != "cut")


def test_a_drift_renames_a_column_of_the_next_export() -> None:
    """After the event the clients' report has its mobile numbers under another name, everything else in its place."""
    [system] = map(copy.copy, SIMULATORS)
    system.seconds = 0.01

    async def run() -> set[str]:
        told: asyncio.Queue = asyncio.Queue()
        serving = asyncio.create_task(
            system.serve(host="", port=0, seed=1, clinic_size=5, faults=[], opened=told.put_nowait)
        )
        folder = Path((await told.get())["folder"])
        system.happen("drift")
        headers: set[str] = set()
        while not any("Cell" in header for header in headers):
            await asyncio.sleep(0.01)
            headers |= {file.read_text("utf-8").splitlines()[0] for file in folder.glob("Clinic_Patients_*.csv")}
        serving.cancel()
        return headers

    headers = asyncio.run(asyncio.wait_for(run(), PATIENCE))
    assert {header.replace("Cell", "Mobile Phone") for header in headers} == {max(headers, key=len)}
