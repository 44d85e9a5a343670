"""Several processes on one PostgreSQL: one is killed, one is stopped and comes back, and the network splits.

Whatever becomes of a worker, the other one goes on with what it had in hand, and nothing is done twice.
"""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway_hl7.simulator import clinic_day
from tests.faults.beside import Beside
from tests.faults.deployment import SCALE, Deployment, Load
from tests.faults.relay import Relay
from tests.postgres import database
from tests.waiting import wait_until

pytestmark = pytest.mark.postgres
MESSAGES = max(200, int(2000 * SCALE))
LATER = clinic_day(93, patients=20, visits=80)[:80]
"""What is sent once the fault is there, or over."""
STORE = """
[store]
url = "{url}"
"""


class Worker:
    """A process of the deployment that normalizes what others take in, with its own way to the database."""

    def __init__(self, deployment: Deployment, name: str, relay: Relay, url: str) -> None:
        self.relay = relay
        self._log = deployment.folder / f"{name}.log"
        config = deployment.folder / f"{name}.toml"
        text = deployment.config.read_text("utf-8").replace(url, relay.url)
        config.write_text(text.replace(f"{deployment.folder}/data", f"{deployment.folder}/{name}"), encoding="utf-8")
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*deployment.program, "serve", "--role", "worker", "--config", str(config)],
                env=deployment.environment, stdout=log, stderr=log,
            )  # fmt: skip
        wait_until(lambda: b"ready\n" in self._log.read_bytes() or self._process.poll() is not None)
        assert self._process.poll() is None, self._log.read_text("utf-8")[-2000:]

    def send(self, number: signal.Signals) -> None:
        """Send the process a signal."""
        self._process.send_signal(number)

    def runs(self) -> bool:
        """Whether it is alive."""
        return self._process.poll() is None

    def end(self) -> None:
        """Kill it, whatever state it is in."""
        self._process.kill()
        self._process.wait()


@contextmanager
def two_workers(folder: Path, server: str) -> Iterator[tuple[Deployment, list[Worker]]]:
    """A gateway that takes in and delivers, and two workers beside it."""
    with database(server) as url, Beside() as beside, Relay(beside, url) as own:
        more = STORE.format(url=own.url)
        with Deployment(folder, more=more, roles=("intake", "deliver")) as deployment:
            deployment.start()
            with Relay(beside, url) as first, Relay(beside, url) as second:
                workers = [Worker(deployment, f"worker{n}", relay, own.url) for n, relay in enumerate((first, second))]
                try:
                    yield deployment, workers
                finally:
                    for worker in workers:
                        worker.end()
            deployment.kill()


def _judged(deployment: Deployment, *loads: Load) -> None:
    """Nothing acknowledged is lost, nothing waits, and no effect happened twice."""
    for load in loads:
        load.finish(240)
    ledger = deployment.drain(240)
    effects = deployment.received()
    stored = deployment.stored()
    assert [load.acked - stored for load in loads] == [set()] * len(loads)
    assert (ledger["unaccounted"], ledger["pending"], ledger["quarantined"]) == (0, 0, 0)
    assert effects.second == []
    assert len(effects.distinct) == ledger["delivered"] > 0


@pytest.mark.timeout(600)
def test_a_killed_workers_share_is_taken_over(tmp_path: Path, migrated: str) -> None:
    """After kill -9 of one of two workers in the middle of a load the other does what that one had in hand."""
    messages = clinic_day(91, patients=MESSAGES // 10, visits=MESSAGES)[:MESSAGES]
    with two_workers(tmp_path, migrated) as (deployment, (doomed, _)):
        load = Load(deployment.port, messages)
        wait_until(lambda: len(load.acked) > MESSAGES // 4, "the load does not begin")
        doomed.send(signal.SIGKILL)
        load.finish(240)
        _judged(deployment, load, Load(deployment.port, LATER))


@pytest.mark.timeout(600)
def test_a_stopped_worker_that_comes_back_is_fenced(tmp_path: Path, migrated: str) -> None:
    """A worker that stood still while its sessions ended and the other took over does nothing a second time."""
    messages = clinic_day(92, patients=MESSAGES // 10, visits=MESSAGES)[:MESSAGES]
    with two_workers(tmp_path, migrated) as (deployment, (stopped, _)):
        load = Load(deployment.port, messages)
        wait_until(lambda: len(load.acked) > MESSAGES // 4, "the load does not begin")
        stopped.send(signal.SIGSTOP)
        stopped.relay.split()  # as the server does with a client that it does not hear of
        load.finish(240)
        before = deployment.drain(240)
        stopped.relay.mend()
        stopped.send(signal.SIGCONT)
        _judged(deployment, load, Load(deployment.port, LATER))
        assert before["pending"] == 0
        assert stopped.runs(), "the worker did not live through it"


@pytest.mark.timeout(600)
def test_a_split_network_acknowledges_nothing_and_loses_nothing(tmp_path: Path, migrated: str) -> None:
    """While the database cannot be reached nothing is acknowledged and health tells; mended, all gets through."""
    messages = clinic_day(94, patients=MESSAGES // 10, visits=MESSAGES)[:MESSAGES]
    with (
        database(migrated) as url, Beside() as beside, Relay(beside, url) as relay,
        Deployment(tmp_path, more=STORE.format(url=relay.url)) as deployment,
    ):  # fmt: skip
        deployment.start()
        load = Load(deployment.port, messages)
        wait_until(lambda: len(load.acked) > MESSAGES // 4, "the load does not begin")
        relay.split()
        late = Load(deployment.port, LATER)
        wait_until(lambda: "store-unavailable" in deployment.log(), "the split was not noticed")
        wait_until(lambda: not deployment.healthy(), "health does not tell")
        assert late.acked == set(), "something was acknowledged without its store"
        relay.mend()
        _judged(deployment, load, late)
        wait_until(deployment.healthy, "health does not come back")
        deployment.kill()
