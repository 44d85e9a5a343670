"""A vendor API that lies and breaks in every way its simulator knows, one after another.

This can fail: with the count left out of `ChangedRows._doubt` no wait tells of the wrong total, and without the check
for repeated links in `Api.pages` a looping list never ends.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import pytest

from gateway.model.exchange import RateBudget
from gateway.testing.synthetic_clinic import synthetic_clinic
from gateway_cliniko.simulator import ClinikoSimulator
from gateway_hl7.simulator import clinic_day
from tests.faults.beside import Beside
from tests.faults.deployment import Deployment, Load
from tests.waiting import wait_until

FAULTS: dict[str, str] = {
    "wrong-total": "announces another number of items than it gives",
    "looping-links": "next (links loop|page after one without readable items)",
    "429": "request budget is used up",
    "500": "answered status 500",
    "html": "answered text/html instead of JSON",
    "half-body": "closed the connection within an answer|JSON that is cut",
}
"""What the gateway says of each."""
VISITS = 30
MORE = """
[[sources]]
name = "practice"
tenant = "clinic"
adapter = "cliniko"
zone = "America/Chicago"
[sources.config]
api_key = "env:CLINIKO_KEY"
contact_email = "ops@example.com"
base_url = "{url}"
poll_seconds = 5
per_page = 10
requests_per_minute = 200
retries = 0
timeout_seconds = 60
"""


def _appointments(deployment: Deployment) -> int:
    found = deployment.json("records", "Appointment", "--limit", "1000")
    return sum(record["source"] == "practice" for record in found)


def _told(deployment: Deployment, words: str, begin: int) -> bool:
    """Whether the log says so, from its character ``begin`` on."""
    return re.search(words, deployment.log()[begin:]) is not None


def _act(beside: Beside, api: ClinikoSimulator, fault: str, number: int) -> None:
    """Switch a fault on for some answers, and let something happen at the clinic meanwhile."""

    def both() -> None:
        api.fail(fault, times=8)
        id = list(api.tables["individual_appointments"])[number]
        api.touch("individual_appointments", id, notes=f"seen {number}")

    beside.call(both)


@pytest.mark.timeout(600)
def test_a_lying_api_loses_nothing_and_stops_nobody(tmp_path: Path) -> None:
    """Through every lie other sources go on; each is told with a reason, and in the end all appointments are there."""
    others = clinic_day(41, patients=len(FAULTS), visits=1, merges=0)[: len(FAULTS)]
    with Beside() as beside:
        api = ClinikoSimulator(
            synthetic_clinic(5, patients=12, visits=VISITS), budget=RateBudget(requests=1_000, seconds=4.0)
        )
        url = beside.run(api.start())
        with Deployment(tmp_path, more=MORE.format(url=url)) as deployment:
            deployment.start()
            wait_until(lambda: _appointments(deployment) > 0, "the first look brings nothing")
            for number, (fault, words) in enumerate(FAULTS.items()):
                begin = len(deployment.log())
                _act(beside, api, fault, number)
                wait_until(partial(_told, deployment, f"source down.*({words})", begin), f"{fault} is not told")
                Load(deployment.port, others[number : number + 1]).finish(120)
                beside.call(api.heal)
                wait_until(partial(_told, deployment, "source back", begin), f"there is no way back from {fault}")
            wait_until(
                lambda: _appointments(deployment) == len(api.tables["attendees"]), "not all appointments arrived"
            )
            ledger = deployment.drain(120)
        beside.run(api.stop())
    assert (ledger["unaccounted"], ledger["pending"], ledger["quarantined"]) == (0, 0, 0)
