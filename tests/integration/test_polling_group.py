"""A group of clinics polled together: every limit is kept as the simulators count it, and every clinic is fresh."""

from __future__ import annotations

import asyncio
import os
import time
from collections import defaultdict

import pytest

from gateway.model.exchange import RateBudget
from gateway.testing.recording_intake import RecordingIntake
from gateway.testing.synthetic_clinic import synthetic_clinic
from gateway.transport.schedule import Budgets, Scheduler, seated
from gateway_cliniko.config import ClinikoConfig
from gateway_cliniko.simulator import API_KEY, ClinikoSimulator
from gateway_cliniko.transport import AccountTransport

CLINICS = 20
ROUNDS = int(os.environ.get("GATEWAY_POLL_SCALE", "1"))
SECONDS = 0.5
ENDPOINT, TOGETHER = 2, 60


class Counted(ClinikoSimulator):
    """Notes when each request came, as a vendor that counts by endpoint and by address would."""

    log: list[tuple[float, str, str]]
    clinic = ""

    def refusal(self, request):
        self.log.append((time.monotonic(), self.clinic, request.path.split("/")[2]))
        return super().refusal(request)


def most_in_window(times: list[float]) -> int:
    """The most requests in any window of :data:`SECONDS`, wherever it begins."""
    times = sorted(times)
    most = first = 0
    for last, at in enumerate(times):
        while at - times[first] >= SECONDS:
            first += 1
        most = max(most, last - first + 1)
    return most


async def run_group(monkeypatch: pytest.MonkeyPatch) -> tuple[list[tuple[float, str, str]], dict, list[Counted]]:
    """Poll a large clinic and many small ones until every stream of each was read; what was asked, and what is said."""
    monkeypatch.setenv("CLINIKO_KEY", API_KEY)
    log: list[tuple[float, str, str]] = []
    budgets = Budgets(
        together=RateBudget(requests=TOGETHER, seconds=SECONDS), endpoint=RateBudget(requests=ENDPOINT, seconds=SECONDS)
    )
    scheduler = Scheduler(budgets={"cliniko": budgets}, at_once=16)
    simulators, tasks = [], []
    for number in range(CLINICS):
        people = 40 if number == 0 else 3
        simulator = Counted(synthetic_clinic(seed=number, patients=people, visits=people * 2))
        simulator.log, simulator.clinic = log, f"clinic-{number}"
        simulators.append(simulator)
        config = ClinikoConfig(
            api_key="env:CLINIKO_KEY", contact_email="ops@example.com", base_url=await simulator.start(),
            poll_seconds=0.5, per_page=20 if number == 0 else 100,
        )  # fmt: skip
        with seated(scheduler.seat("group", simulator.clinic, "cliniko", {})):
            transport = AccountTransport(simulator.clinic, config)
            tasks.append(asyncio.create_task(transport.run(RecordingIntake(), lambda: None)))
    try:
        async with asyncio.timeout(200 * ROUNDS):
            for _ in range(ROUNDS):
                began = time.time()
                while not all(
                    (line["last_success"] or 0.0) > began
                    for seat in scheduler.describe()["sources"] for line in seat["streams"]
                ) or len(scheduler.describe()["sources"]) < CLINICS:  # fmt: skip
                    await asyncio.sleep(0.1)
        return log, scheduler.describe(), simulators
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for simulator in simulators:
            await simulator.stop()


@pytest.mark.timeout(300 * ROUNDS)
def test_a_group_of_clinics_keeps_every_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty clinics become fresh while no window of vendor or endpoint holds more than allowed, and all get turns."""
    log, said, simulators = asyncio.run(run_group(monkeypatch))
    assert sum(simulator.answered[429] for simulator in simulators) == 0
    assert most_in_window([at for at, _, _ in log]) <= TOGETHER
    ends: dict[tuple[str, str], list[float]] = defaultdict(list)
    for at, clinic, endpoint in log:
        ends[clinic, endpoint].append(at)
    assert max(map(most_in_window, ends.values())) <= ENDPOINT
    assert said["vendors"]["cliniko"]["used"] <= TOGETHER
    assert all(line["lag"] == 0 for source in said["sources"] for line in source["streams"])

    first_half = [clinic for _, clinic, _ in log[: len(log) // 2]]
    shares = [first_half.count(f"clinic-{number}") for number in range(CLINICS)]
    assert min(shares) >= len(first_half) / CLINICS / 3, f"the large clinic took the others' turns: {shares}"
