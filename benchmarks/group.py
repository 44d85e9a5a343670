"""A group of twenty clinics on five kinds of system, and one gateway in a process of its own that keeps up."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import msgspec
import psutil

from benchmarks import house
from benchmarks.group_clinics import SECRETS
from gateway.testing.ports import free_port

CLINICS = {"cliniko": 6, "jane": 6, "webpt": 4, "hl7": 2, "fhir": 2}
READY_SECONDS = 300.0
_HEAD = """
[data]
directory = "data"
[keys]
keystore = "keys/keystore.db"
[keys.config]
path = "keys/root.key"
[[tenants]]
name = "group"
[[routes]]
name = "desk"
tenant = "group"
sink = "files"
view = "schedule"
purpose = "operations"
recipient = "front desk"
[routes.config]
folder = "out"
[views.schedule]
Appointment = ["start", "end", "zone", "status", "patient"]
[log]
level = "warning"
"""
_SOURCE = """
[[sources]]
name = "{name}"
tenant = "group"
adapter = "{vendor}"
zone = "America/Chicago"
"""


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How large and how hurried a run is; the full size keeps every adapter's own settings."""

    appointments: int = 10_000
    """Of each clinic."""
    settings: dict[str, dict[str, Any]] = {}
    """What the sources of an adapter set beyond address and credential."""
    kill_at: float = 0.4
    """Part of the polled appointments after which the gateway is killed."""
    patience: float = 3600.0
    """Longest wait for the whole back-fill, in seconds: what ends it is that all is in, and this only that it hangs."""
    quiet: float = 60.0
    """So long the idle gateway is measured."""
    steady: float = 240.0
    """So long things happen at the clinics."""
    every: float = 5.0
    """Seconds between two changes of each clinic."""


class Lines:
    """What has come out of the gateway's files, read as it grows; a file's time is when its lines arrived."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: set[Path] = set()
        self.records: set[str] = set()
        self.by_source: dict[str, int] = {}
        self.moved: dict[tuple[str, datetime], float] = {}
        """When each appointment arrived that was moved to a time, by source and time."""
        self.latest: dict[str, float] = {}
        """When the newest line of each source arrived."""

    def read(self) -> None:
        """Read the files that are new."""
        for path in set(self._folder.glob("Appointment-*.ndjson")) - self._read:
            arrived = path.stat().st_mtime
            self._read.add(path)
            for line in path.read_bytes().splitlines():
                row = msgspec.json.decode(line)
                self.latest[row["source"]] = max(arrived, self.latest.get(row["source"], 0.0))
                if row["record_id"] not in self.records:
                    self.records.add(row["record_id"])
                    self.by_source[row["source"]] = self.by_source.get(row["source"], 0) + 1
                start = row["data"].get("start") or ""
                if start > "2031":
                    at = datetime.fromisoformat(start)
                    self.moved.setdefault((row["source"], at), arrived)


class Group:
    """The clinics' programs and the gateway, under one folder."""

    def __init__(self, folder: Path, pace: Pace) -> None:
        self.folder = folder
        self.pace = pace
        self.lines = Lines(folder / "out")
        self.port = free_port()
        self._environment = os.environ | SECRETS
        self._programs: dict[str, subprocess.Popen[str]] = {}
        self._gateway: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        for vendor, number in CLINICS.items():
            ports = [str(free_port()) for _ in range(number)] if vendor == "hl7" else []
            with (self.folder / f"{vendor}.log").open("wb") as log:
                self._programs[vendor] = subprocess.Popen(
                    [sys.executable, "-m", "benchmarks.group_clinics", vendor, str(self.folder), str(number),
                     str(self.pace.appointments), *ports],
                    stdin=subprocess.PIPE, stderr=log, text=True, cwd=house.HERE.parent,
                )  # fmt: skip
        text = _HEAD
        for vendor in CLINICS:
            self.until(lambda vendor=vendor: self._path(vendor, "settings").exists(), 180, f"{vendor} does not open")  # type: ignore[misc]  # a bound loop variable
            for name, told in json.loads(self._path(vendor, "settings").read_text("utf-8")).items():
                text += _SOURCE.format(name=name, vendor=vendor) + _table("sources.config", told | self._own(vendor))
        (self.folder / "gateway.toml").write_text(text, "utf-8")
        self.command("init")
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()
        for program in self._programs.values():
            program.kill()
            program.wait()
            if program.stdin is not None:
                program.stdin.close()

    def _own(self, vendor: str) -> dict[str, Any]:
        return self.pace.settings.get(vendor, {})

    def _path(self, vendor: str, what: str) -> Path:
        return self.folder / f"{vendor}.{what}.json"

    # --- the clinics --------------------------------------------------------------------------------------------

    def tell(self, words: str, *vendors: str) -> None:
        """Say something to the clinics of some vendors, or of all."""
        for vendor in vendors or CLINICS:
            stdin = self._programs[vendor].stdin
            assert stdin is not None
            stdin.write(words + "\n")
            stdin.flush()

    def counted(self) -> dict[str, dict[str, Any]]:
        """What each clinic has counted; at most half a second old."""
        found: dict[str, dict[str, Any]] = {}
        for vendor in CLINICS:
            with suppress(FileNotFoundError):
                found |= json.loads(self._path(vendor, "counted").read_text("utf-8"))
        return found

    def changes(self) -> list[dict[str, Any]]:
        """Every change that has happened: source, new start, seconds since 1970."""
        return [one | {"start": datetime.fromisoformat(one["start"])} for one in self._told("changes")]

    def nights(self) -> list[dict[str, Any]]:
        """Every night that was let fall: source, seconds since 1970, and whether it told of anything new."""
        return self._told("nights")

    def _told(self, what: str) -> list[dict[str, Any]]:
        lines = [line for path in self.folder.glob(f"*.{what}") for line in path.read_text("utf-8").splitlines()]
        return [json.loads(line) for line in lines]

    # --- the gateway --------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Serve, and wait until it is ready."""
        with (self.folder / "serve.log").open("ab") as log:
            begin = log.tell()
            self._gateway = subprocess.Popen(
                [sys.executable, "-m", "gateway", "serve", "--config", "gateway.toml"],
                cwd=self.folder, env=self._environment, stderr=log, stdout=log, start_new_session=True,
            )  # fmt: skip
        log_path = self.folder / "serve.log"
        self.until(lambda: b"ready" in log_path.read_bytes()[begin:].split(), READY_SECONDS, "serve is not ready")

    def kill(self) -> None:
        """SIGKILL."""
        if self._gateway is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._gateway.pid, signal.SIGKILL)
            self._gateway.wait()
            self._gateway = None

    def stop(self) -> None:
        """SIGTERM, and wait for the end."""
        if self._gateway is not None:
            self._gateway.terminate()
            self._gateway.wait(60)
            self._gateway = None

    @property
    def process(self) -> psutil.Process:
        """The serving process."""
        assert self._gateway is not None
        return psutil.Process(self._gateway.pid)

    def cpu(self) -> float:
        """Processor seconds of the serving process so far."""
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def command(self, *words: str) -> Any:
        """What a command of the gateway prints as JSON; None for other output."""
        done = subprocess.run(
            [sys.executable, "-m", "gateway", *words], cwd=self.folder, env=self._environment, capture_output=True,
            check=False, timeout=300,
        )  # fmt: skip
        with suppress(ValueError):
            return json.loads(done.stdout)
        return None

    def _state(self, name: str) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads((self.folder / "data" / name).read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return found

    def streams(self) -> Iterator[dict[str, Any]]:
        """Every stream as ``gateway sources`` tells it."""
        for source in self._state("sources.json").get("sources", ()):
            for stream in source["streams"]:
                yield {"source": source["source"], **stream}

    def settled(self) -> bool:
        """Whether everything that the clinics have was read, normalized and delivered."""
        health, streams, counted = self._state("health.json"), list(self.streams()), self.counted()
        polled = sum(number for vendor, number in CLINICS.items() if vendor != "hl7")
        return (
            health.get("unsettled_messages") == 0
            and not any(health.get("waiting_deliveries", {"": 1}).values())
            and len({one["source"] for one in streams}) == polled
            and all(one["last_success"] for one in streams)
            and not any(one.get("left") for one in counted.values())
        )

    def until(self, condition: Callable[[], bool], seconds: float, what: str) -> None:
        """Wait; raises with the last of the logs when it does not come true in time."""
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end or (self._gateway is not None and self._gateway.poll() is not None):
                logs = {path.name: path.read_text("utf-8", "replace")[-600:] for path in self.folder.glob("*.log")}
                raise RuntimeError(f"{what}: {logs}")
            time.sleep(0.1)


def _table(name: str, values: dict[str, Any]) -> str:
    plain = [f"{key} = {json.dumps(value)}" for key, value in values.items() if not isinstance(value, dict)]
    text = "\n".join([f"[{name}]", *plain, ""])
    return text + "".join(
        _table(f"{name}.{key}", value) for key, value in values.items() if isinstance(value, dict)
    )  # fmt: skip


@contextmanager
def running(folder: Path, pace: Pace) -> Iterator[Group]:
    """The clinics open, and the gateway set up for them but not yet serving."""
    with Group(folder, pace) as group:
        yield group
