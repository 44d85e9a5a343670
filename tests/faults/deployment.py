"""A real gateway in processes of its own, with a receiver that keeps its own ledger, to break and to judge."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Any, Self

from typer.testing import CliRunner, Result

from gateway.cli import app
from gateway.testing.ports import free_port, is_open
from gateway_hl7.simulator import send_day
from tests.faults import broken
from tests.faults.resources import cpu_seconds
from tests.waiting import PATIENCE, wait_until

SCALE = float(os.environ.get("GATEWAY_FAULT_SCALE", "0.1"))
"""1.0 is the full run of `make faults`; CI runs a tenth."""
SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
READY_SECONDS = 180.0
SENDERS = 8
QUIET_LOOKS = 3
"""Looks a second apart, all of which see nothing new, before a load is over."""

TOML = """
[data]
directory = "{folder}/data"
[keys]
keystore = "{folder}/keys/keystore.db"
[keys.config]
path = "{folder}/keys/root.key"
[[tenants]]
name = "clinic"
[[sources]]
name = "hospital"
tenant = "clinic"
adapter = "hl7"
zone = "America/Chicago"
overlay = "{folder}/overlay"
[sources.config]
port = {port}
[[routes]]
name = "reminders"
tenant = "clinic"
sink = "webhook"
view = "everything"
purpose = "operations"
recipient = "reminder system"
[routes.config]
url = "http://127.0.0.1:{receiver}/hook"
secrets = ["env:WEBHOOK_SECRET"]
allow_loopback = true
{more}
[views.everything]
Appointment = ["*"]
Patient = ["*"]
"""


class Deployment:
    """One gateway and one receiver under ``folder``; both are killed on exit.

    Args:
        folder: where configuration, data, keys, logs and the receiver's ledger go.
        program: a script that is started instead of the gateway itself.
        prefix: what goes before the command line of ``serve``; it may be changed between two starts, as ``roles`` may.
        more: further tables of ``gateway.toml``.
        receiver_port: a receiver that the test runs itself; without it one is started.
        roles: what ``serve`` is to be; all when none is named.
    """

    def __init__(
        self, folder: Path, *, program: str | None = None, prefix: tuple[str, ...] = (), more: str = "",
        receiver_port: int | None = None, roles: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        self.folder = folder
        self.port = free_port()
        self.config = folder / "gateway.toml"
        self.receiver_ledger = folder / "receiver.ndjson"
        self._own_receiver = receiver_port is None
        self._receiver_port = receiver_port or free_port()
        program = program or broken.program()
        self.program = [sys.executable, program] if program else [sys.executable, "-m", "gateway"]
        self.roles = roles
        self.prefix = prefix
        self.environment = os.environ | {"WEBHOOK_SECRET": SECRET, "CLINIKO_KEY": "MS0xMjM0NTY3-au2"}
        self._serving: subprocess.Popen[bytes] | None = None
        self._receiving: subprocess.Popen[bytes] | None = None
        self.ready_seconds: list[float] = []
        self.ready_work: list[float] = []
        """Processor time of each start: the same on a machine that others load."""
        text = TOML.format(folder=folder, port=self.port, receiver=self._receiver_port, more=more)
        (folder / "overlay").mkdir()
        self.config.write_text(text, encoding="utf-8")

    def __enter__(self) -> Self:
        assert self._here("init").exit_code == 0
        if self._own_receiver:
            self._receive()
        return self

    def _receive(self) -> None:
        self._receiving = subprocess.Popen(
            [sys.executable, "-m", "gateway_webhook.simulator", str(self.receiver_ledger), str(self._receiver_port)],
            env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        # A delivery that fails twice waits for minutes: the receiver is there before the first one.
        wait_until(lambda: is_open(self._receiver_port), "the receiver does not listen")

    def __exit__(self, *error: object) -> None:
        self.kill()
        if self._receiving is not None:
            self._receiving.kill()
            self._receiving.wait()

    @contextmanager
    def receiver_hanging(self) -> Iterator[None]:
        """While the block lasts, the receiver takes connections and says nothing."""
        assert self._receiving is not None
        self._receiving.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._receiving.send_signal(signal.SIGCONT)

    def cli(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        """Run a command of the real gateway in a process of its own."""
        command = [sys.executable, "-m", "gateway", *arguments, "--config", str(self.config)]
        return subprocess.run(command, env=self.environment, capture_output=True, check=False, timeout=300)

    def _here(self, *arguments: str) -> Result:
        """Run a command in this process: most of a command's time is its start."""
        return CliRunner().invoke(app, [*arguments, "--config", str(self.config)], env=self.environment)

    def json(self, *arguments: str) -> Any:
        """The JSON that a command prints."""
        return json.loads(self._here(*arguments, "--json").stdout)

    def start(self) -> None:
        """Serve, and wait until it accepts connections."""
        began = time.monotonic()
        roles = [word for role in self.roles for word in ("--role", role)]
        with (self.folder / "serve.log").open("ab") as log:
            self._serving = subprocess.Popen(
                [*self.prefix, *self.program, "serve", *roles, "--config", str(self.config)],
                env=self.environment, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        while time.monotonic() - began < READY_SECONDS:
            if self._serving.poll() is not None:
                break
            if is_open(self.port):
                self.ready_seconds.append(time.monotonic() - began)
                self.ready_work.append(cpu_seconds(self._serving.pid))
                return
            time.sleep(0.02)
        raise AssertionError(f"the gateway did not become ready: {self.log()[-2000:]}")

    def mend(self) -> None:
        """From the next start on it is the gateway itself."""
        self.program = [sys.executable, "-m", "gateway"]

    def kill(self) -> None:
        """SIGKILL, whatever it is doing."""
        if self._serving is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._serving.pid, signal.SIGKILL)
            self._serving.wait()
            self._serving = None

    def stop(self) -> None:
        """SIGTERM, and wait for the end."""
        if self._serving is not None:
            os.killpg(self._serving.pid, signal.SIGTERM)
            self._serving.wait(PATIENCE)
            self._serving = None

    @property
    def pid(self) -> int | None:
        """The serving process, while there is one that runs."""
        return self._serving.pid if self._serving is not None and self._serving.poll() is None else None

    def log(self) -> str:
        """What the serving processes have logged."""
        return (self.folder / "serve.log").read_text("utf-8", "replace")

    def healthy(self) -> bool:
        """What ``gateway health`` says."""
        return self._here("health").exit_code == 0

    def drain(self, seconds: float) -> dict[str, Any]:
        """Wait until nothing is pending; the ledger as it then is."""
        until = time.monotonic() + seconds
        while True:
            found: dict[str, Any] = self.json("verify", "ledger")
            if not found["pending"] or time.monotonic() > until:
                return found
            time.sleep(1.0)

    def settle(self, seconds: float) -> None:
        """Wait until no message is unsettled and the receiver hears nothing more, without a look into the store.

        A command would write to the store as a second process: its own audit entry, and a checkpoint. What one process
        alone is recorded of could not be rebuilt then.
        """
        until, heard, quiet = time.monotonic() + seconds, -1, 0
        while quiet < QUIET_LOOKS:
            assert time.monotonic() < until, "the load does not come to an end"
            time.sleep(1.0)
            before, heard = heard, self.receiver_ledger.stat().st_size if self.receiver_ledger.exists() else 0
            quiet = quiet + 1 if heard == before and self._unsettled() == 0 else 0

    def _unsettled(self) -> int | None:
        """How many messages the serving process says are unsettled; None while it says nothing."""
        try:
            told = json.loads((self.folder / "data" / "health.json").read_text("utf-8"))
        except FileNotFoundError:
            return None
        unsettled: int = told["unsettled_messages"]
        return unsettled

    def stored(self) -> set[str]:
        """Control ids of all stored messages."""
        found: set[str] = set()
        below: tuple[str, ...] = ()
        while rows := self.json("messages", "--limit", "100000", *below)["messages"]:
            found.update(row["control_id"] for row in rows)
            below = ("--before", str(rows[-1]["id"]))
        return found

    def received(self) -> Effects:
        """What the receiver's own ledger says."""
        lines = [json.loads(line) for line in self.receiver_ledger.read_text("utf-8").splitlines()]
        return Effects(lines)


class Effects:
    """The receiver's judgement: effects by key, and by what they mean in business terms."""

    def __init__(self, lines: list[dict[str, Any]]) -> None:
        self.lines = lines
        self.distinct = {line["id"] for line in lines}
        done = [line for line in lines if not line.get("repeat")]
        self.second = [key for key, n in Counter((one["record"], one["version"]) for one in done).items() if n > 1]
        bodies: dict[str, set[str]] = {}
        for line in lines:
            bodies.setdefault(line["id"], set()).add(line["digest"])
        self.changed_bodies = [key for key, digests in bodies.items() if len(digests) > 1]


async def send_all(port: int, messages: list[bytes], acked: set[str]) -> None:
    """Several senders, each repeating a message until it is acknowledged, as a real one does; AA goes to ``acked``."""

    def heard(control_id: str, code: str) -> None:
        if code == "AA":
            acked.add(control_id)

    shares = [messages[start::SENDERS] for start in range(SENDERS)]
    await asyncio.gather(
        *(send_day("127.0.0.1", port, share, heard, attempts=60, timeout=10.0) for share in shares),
        return_exceptions=False,
    )


class Load:
    """A load in a thread beside the test; the control ids that were acknowledged so far are in ``acked``."""

    def __init__(self, port: int, messages: list[bytes]) -> None:
        self.acked: set[str] = set()
        self._running: Future[None] = Future()
        # A daemon: senders that nobody answers any more must not outlive the test that failed for it.
        Thread(target=self._send, args=(port, messages), name="load", daemon=True).start()

    @property
    def done(self) -> bool:
        """Whether everything was acknowledged."""
        return self._running.done()

    def finish(self, seconds: float) -> None:
        """Wait until everything is acknowledged."""
        self._running.result(seconds)

    def rested(self) -> set[str]:
        """What was acknowledged, once nothing more is: an answer may still be on its way when its store is gone."""
        before = -1
        while before != len(self.acked):
            before = len(self.acked)
            time.sleep(2)
        return set(self.acked)

    def _send(self, port: int, messages: list[bytes]) -> None:
        try:
            asyncio.run(send_all(port, messages, self.acked))
        except Exception as error:  # noqa: BLE001 - whatever it is, the test that waits shall hear of it
            self._running.set_exception(error)
        else:
            self._running.set_result(None)
