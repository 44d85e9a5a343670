"""A gateway to measure: a folder with settings and keys, opened here or served by a process of its own."""

from __future__ import annotations

import json
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import Connection

from gateway import bootstrap, logs
from gateway.settings import load
from gateway.testing.ports import free_port

TENANT, HOSPITAL, PAYER, EHR, PRACTICE = "clinic", "hospital", "payer", "ehr", "practice"
HERE = Path(__file__).parent
WORK = HERE.parent / ".bench"
"""Beside the sources, because a folder for temporary files may be in memory, where nothing is ever synced."""
SEEDING_KIB = 1_048_576
"""Pages in memory while a store is filled."""
SEEDING_PAGES = 100_000
"""Pages in the log before they are copied back, meanwhile."""
_SETTINGS = """
[keys.config]
path = "keys/root.key"
[[tenants]]
name = "clinic"
[[sources]]
name = "hospital"
tenant = "clinic"
adapter = "hl7"
zone = "America/Chicago"
[sources.config]
port = {port}
{more}
[[sources]]
name = "payer"
tenant = "clinic"
adapter = "x12"
zone = "America/Chicago"
[[sources]]
name = "ehr"
tenant = "clinic"
adapter = "fhir"
zone = "America/Chicago"
[[sources]]
name = "practice"
tenant = "clinic"
adapter = "webpt"
zone = "America/Chicago"
[[routes]]
name = "desk"
tenant = "clinic"
sink = "files"
view = "schedule"
purpose = "operations"
recipient = "front desk"
[routes.config]
folder = "out"
[views.schedule]
Appointment = ["start", "end", "zone", "status", "patient"]
Patient = ["name", "contacts"]
[log]
level = "error"
"""


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder on the disk that is measured, gone afterwards."""
    WORK.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=WORK))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def opened(folder: Path, port: int = 0, more: str = "", tail: str = "") -> Iterator[bootstrap.Gateway]:
    """A fresh gateway in this process; ``more`` ends its HL7 source's settings, ``tail`` the file."""
    with _opened(_write(folder, port, more, tail), create=True) as gateway:
        yield gateway


@contextmanager
def seeding(folder: Path) -> Iterator[bootstrap.Gateway]:
    """A fresh gateway whose store is filled once and measured after it was opened anew, by :func:`reopened`.

    In a large store most rows belong to some page that is in no cache: each commit reads, writes and copies back
    thousands of pages for a few of its rows each. While it is filled, its pages stay in memory, and the log is copied
    back seldom, so that what many commits change on a page is copied once.
    """

    def hold(connection: Connection) -> None:
        connection.exec_driver_sql(f"PRAGMA cache_size = -{SEEDING_KIB}")
        connection.exec_driver_sql(f"PRAGMA wal_autocheckpoint = {SEEDING_PAGES}")

    with opened(folder) as gateway:
        gateway.store.write_sync(hold)
        yield gateway


@contextmanager
def reopened(folder: Path) -> Iterator[bootstrap.Gateway]:
    """A gateway that was set up before."""
    with _opened(folder / "gateway.toml", create=False) as gateway:
        yield gateway


@contextmanager
def _opened(config: Path, *, create: bool) -> Iterator[bootstrap.Gateway]:
    settings = load(config)
    logs.configure(settings.log.level)
    gateway = bootstrap.open_gateway(settings, config.parent, config.read_text("utf-8"), create=create)
    try:
        yield gateway
    finally:
        gateway.close()


class Served:
    """A running ``gateway serve``."""

    def __init__(self, folder: Path, port: int, process: subprocess.Popen[str], ready_seconds: float) -> None:
        self.folder = folder
        self.port = port
        self.ready_seconds = ready_seconds
        self._process = process

    @property
    def memory_mb(self) -> float:
        """Resident memory in MB (10^6 bytes)."""
        return float(psutil.Process(self._process.pid).memory_info().rss) / 1e6

    @property
    def cpu_seconds(self) -> float:
        """Processor time of all its threads since it began."""
        times = psutil.Process(self._process.pid).cpu_times()
        return float(times.user + times.system)

    def unsettled(self) -> int:
        """Messages stored and not yet normalized, as the health file says; it is at most two seconds old."""
        return int(json.loads((self.folder / "data" / "health.json").read_text("utf-8"))["unsettled_messages"])

    def ledger(self) -> dict[str, Any]:
        """The recount of everything, by ``gateway verify ledger``."""
        done = subprocess.run(
            [*_gateway("verify", "ledger", "--json")], cwd=self.folder, capture_output=True, text=True, check=False
        )
        found: dict[str, Any] = json.loads(done.stdout)
        return found


@contextmanager
def served(folder: Path, roles: Sequence[str] = ()) -> Iterator[Served]:
    """``gateway serve`` in a process of its own, ready and listening; stopped at the end."""
    port = free_port()
    _write(folder, port)
    subprocess.run(_gateway("init"), cwd=folder, check=True, capture_output=True)
    with restarted(folder, port, roles) as running:
        yield running


@contextmanager
def restarted(folder: Path, port: int, roles: Sequence[str]) -> Iterator[Served]:
    """``gateway serve`` in a folder that is set up already; ``port`` is one that listens once it is ready."""
    begin = time.perf_counter()
    with (folder / "serve.log").open("w+", encoding="utf-8") as log:
        process = subprocess.Popen(
            _gateway("serve", *(word for role in roles for word in ("--role", role))), cwd=folder, stderr=log, text=True
        )
        try:
            _wait_until_ready(process, folder / "serve.log", port)
            yield Served(folder, port, process, time.perf_counter() - begin)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def commanded(folder: Path, *words: str) -> tuple[dict[str, Any], float, float]:
    """What a command of the gateway printed as JSON, its seconds on the clock and of processor time."""
    begin, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(_gateway(*words), cwd=folder, capture_output=True, text=True, check=True)
    seconds, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    return json.loads(done.stdout), seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _wait_until_ready(process: subprocess.Popen[str], log: Path, port: int) -> None:
    while process.poll() is None:
        if "ready" in log.read_text("utf-8").split():
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
        time.sleep(0.01)
    raise RuntimeError(f"gateway serve ended: {log.read_text('utf-8')[-2000:]}")


def _gateway(*words: str) -> list[str]:
    return [sys.executable, "-m", "gateway", *words]


def _write(folder: Path, port: int, more: str = "", tail: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "gateway.toml"
    config.write_text(_SETTINGS.format(port=port, more=more) + tail, encoding="utf-8")
    return config
