"""The clinics of a group by one vendor, in a program of their own that counts what it is asked for.

``python -m benchmarks.group_clinics VENDOR FOLDER CLINICS APPOINTMENTS PORTS``; it writes, for each clinic, the
settings of its source into FOLDER, renews what it has counted there, and takes words on its standard input: ``mark``
(what was served so far is what came before a crash), ``change SECONDS`` (an appointment of each clinic moves every so
often), ``night`` (the next nightly extract falls, and is told in a file of nights) and ``quiet``.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import sys
import time
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from gateway.errors import SourceUnavailable
from gateway.model.exchange import RateBudget
from gateway.testing.sftp_server import SftpServer
from gateway.testing.simulated_api import Handler, SimulatedApi
from gateway.testing.synthetic_clinic import SyntheticClinic, synthetic_clinic
from gateway_cliniko.simulator import API_KEY, ClinikoSimulator
from gateway_cliniko.simulator_rows import utc
from gateway_fhir.simulator import CLIENT_ID, CLIENT_SECRET, FhirSimulator
from gateway_hl7.simulator import clinic_day, send_day
from gateway_jane.simulator import JaneSimulator
from gateway_jane.simulator_identity import CLIENT_ID as JANE_ID
from gateway_jane.simulator_identity import CLIENT_SECRET as JANE_SECRET
from gateway_jane.simulator_rows import SCOPES
from gateway_webpt.simulator import PASSWORD, USER, WINDOW, Company, put

HOST = "127.0.0.1"
SECRETS = {
    "GROUP_CLINIKO": API_KEY, "GROUP_JANE": JANE_SECRET, "GROUP_FHIR": CLIENT_SECRET, "GROUP_WEBPT": PASSWORD,
}  # fmt: skip
"""Of simulators, on the loopback; settings name them."""
COUNT_SECONDS = 0.2
PATIENTS_OF, THERAPISTS_OF = 10, 500
"""Appointments of one patient, and of one therapist."""
DAYS_AGO = 45
"""So long ago the first appointment is: everything was booked before the gateway came."""
FHIR_BUDGET = RateBudget(requests=300, seconds=60.0)
"""What this server would refuse beyond; no vendor publishes a number, and the adapter keeps to 240 of itself."""
MOVED_TO = datetime(2031, 1, 6, 15, tzinfo=UTC)
"""Each change moves an appointment to a minute after this that no other change names, by which it is recognised."""
_START = re.compile(rb"\^\^30\^(\d{14})\^(\d{14})")
_CONTROL = re.compile(rb"\|(\d{12})\|P\|")


class Clinic(ABC):
    """One clinic: how a source reaches it, what it has counted, and what can happen there."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder

    @abstractmethod
    async def start(self) -> dict[str, Any]:
        """Open; the settings of its source."""

    @abstractmethod
    def counted(self) -> dict[str, Any]:
        """What was asked so far."""

    @abstractmethod
    async def move(self, start: datetime) -> None:
        """Move one appointment."""

    async def night(self) -> bool:
        """Let the nightly extract fall, where there is one; whether it tells of another state of any appointment."""
        return False

    def mark(self) -> None:  # noqa: B027 - most serve no pages
        """What was served until now came before the crash."""


class Watched(SimulatedApi, ABC):
    """Notes which rows its lists have served, so that what is read twice after a crash is seen."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.served: dict[str, set[str]] = defaultdict(set)
        self.before: dict[str, set[str]] = {}
        self.again: dict[str, set[str]] = defaultdict(set)

    @abstractmethod
    def rows(self, request: web.Request, body: Any) -> tuple[str, list[str]] | None:
        """The list that an answer is a page of, and its rows; None for another answer."""

    async def _gate(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await super()._gate(request, handler)
        if response.status == 200 and isinstance(response, web.Response) and isinstance(response.body, bytes):
            found = self.rows(request, msgspec.json.decode(response.body))
            if found is not None:
                name, rows = found
                self.served[name].update(rows)
                self.again[name].update(self.before.get(name, set()).intersection(rows))
        return response


class CountedCliniko(Watched, ClinikoSimulator):
    """A clinic of which no row is dated in the future, and not many to the same second."""

    def rows(self, request, body):
        table = request.path.removeprefix("/v1/")
        asked = [word.partition(":")[0] for word in request.query.getall("q[]", [])]
        if request.query.get("sort") != "updated_at" or any(word.endswith("id") for word in asked):
            return None  # rows by their ids, or a sweep
        return table, [f"{row['id']} {row['updated_at']}" for row in body[table.partition("/")[0]]]

    def _add(self, table, key, fields, at=None):
        made = datetime(2025, 6, 1, tzinfo=UTC) + timedelta(minutes=5 * (key % 500_000))
        super()._add(table, key, fields, at or made)


class CountedJane(Watched, JaneSimulator):
    """A clinic with its consent."""

    def rows(self, request, body):
        table = request.path.rpartition("/")[2]
        return (table, [row["id"] for row in body["items"]]) if table in ("appointments", "patients") else None


class CountedFhir(Watched, FhirSimulator):
    """A server that has been filled over months, not in one second."""

    def __init__(self, clinic: SyntheticClinic) -> None:
        super().__init__(clinic)
        self._budget = FHIR_BUDGET
        for table in self.tables.values():
            for number, row in enumerate(table.values()):
                row["meta"]["lastUpdated"] = utc(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=number))

    def rows(self, request, body):
        if body.get("type") != "searchset" or "_id" in request.query:
            return None
        return request.path.rpartition("/")[2], [one["resource"]["id"] for one in body["entry"]]


class Polled(Clinic):
    """A clinic behind an API."""

    def __init__(self, name: str, folder: Path, vendor: str, clinic: SyntheticClinic) -> None:
        super().__init__(name, folder)
        self.vendor = vendor
        self.api: Any = {"cliniko": CountedCliniko, "jane": CountedJane, "fhir": CountedFhir}[vendor](clinic)
        self._turn = count()

    async def start(self) -> dict[str, Any]:
        url = await self.api.start()
        if self.vendor == "cliniko":
            return {"base_url": url, "api_key": "env:GROUP_CLINIKO", "contact_email": "ops@example.com"}
        if self.vendor == "fhir":
            secret = {"client_id": CLIENT_ID, "client_secret": "env:GROUP_FHIR"}
            return {"base_url": self.api.fhir_base, "auth": "client-secret", **secret}
        tokens = self.folder / f"{self.name}.tokens.json"
        tokens.touch(mode=0o600)
        granted = self.api.identity.grant(" ".join(sorted({*SCOPES.values(), "offline_access"})))
        tokens.write_text(json.dumps({"refresh_token": granted["refresh_token"]}), "utf-8")
        client = {"client_id": JANE_ID, "client_secret": "env:GROUP_JANE", "token_file": str(tokens)}
        return {"clinic": url, "identity": url, **client}

    def counted(self) -> dict[str, Any]:
        table = {"cliniko": "individual_appointments", "jane": "appointments", "fhir": "Appointment"}[self.vendor]
        return {
            "appointments": len(self.api.tables[table]), "read": len(self.api.served[table]),
            "requests": sum(self.api.answered.values()), "violations": self.api.violations,
            "refused": self.api.answered[429],
            "again": {name: len(rows) for name, rows in self.api.again.items() if rows},
        }  # fmt: skip

    def mark(self) -> None:
        self.api.before = {name: set(rows) for name, rows in self.api.served.items()}

    async def move(self, start: datetime) -> None:
        end = utc(start + timedelta(minutes=30))
        table = {"cliniko": "individual_appointments", "jane": "appointments", "fhir": "Appointment"}[self.vendor]
        ids = list(self.api.tables[table])
        id = ids[next(self._turn) * 37 % len(ids)]
        names = {"cliniko": ("starts_at", "ends_at"), "jane": ("start_at", "end_at"), "fhir": ("start", "end")}
        self.api.touch(table, id, **dict(zip(names[self.vendor], (utc(start), end), strict=True)))


class Nightly(Clinic):
    """A clinic that leaves an extract each night."""

    def __init__(self, name: str, folder: Path, clinic: SyntheticClinic, appointments: int, seed: int) -> None:
        super().__init__(name, folder)
        self._mailbox = folder / f"{name}-mailbox"
        self._mailbox.mkdir()
        self._company = Company(clinic, seed, date(2026, 3, 1))
        for _ in range(120):
            self._company.live()
            if len(self._company.window()) >= appointments:
                break
        self._server = SftpServer(self._mailbox, {USER: PASSWORD})
        self._told = 0

    async def start(self) -> dict[str, Any]:
        await self._server.start()
        await self.night()
        account = {"host": HOST, "port": self._server.port, "user": USER, "host_keys": [self._server.host_key]}
        return {"sftp": {**account, "password": "env:GROUP_WEBPT"}}

    async def night(self) -> bool:
        before = self._company.window()
        self._company.live()
        window = self._company.window()
        self._told = len(window)
        put(self._mailbox, self._company.night())
        return window != before

    def counted(self) -> dict[str, Any]:
        return {"appointments": self._told, "requests": self._server.logins, "violations": 0, "window": WINDOW}

    async def move(self, start: datetime) -> None:
        """Changes show with the next night."""


class Sending(Clinic):
    """A clinic that sends messages as things happen."""

    def __init__(self, name: str, folder: Path, appointments: int, seed: int, port: int) -> None:
        super().__init__(name, folder)
        patients = max(1, appointments // PATIENTS_OF)
        self._messages = clinic_day(seed, patients=patients, visits=appointments)
        self._booked = [one for one in self._messages if b"|SIU^S12" in one]
        self._port = port
        self._sent = 0
        self._turn, self._number = count(), count(900_000_000_000)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> dict[str, Any]:
        self._task = asyncio.create_task(self._send())
        return {"port": self._port}

    async def _send(self) -> None:
        while self._sent < len(self._messages):
            with contextlib.suppress(SourceUnavailable):
                await send_day(HOST, self._port, self._messages[self._sent :], self._heard, timeout=10.0)
            await asyncio.sleep(0.2)

    def _heard(self, control_id: str, code: str) -> None:
        del control_id
        self._sent += code == "AA"

    def counted(self) -> dict[str, Any]:
        return {
            "appointments": len(self._booked), "requests": self._sent, "left": len(self._messages) - self._sent,
            "violations": 0,
        }  # fmt: skip

    async def move(self, start: datetime) -> None:
        message = self._booked[next(self._turn) * 37 % len(self._booked)].replace(b"|SIU^S12", b"|SIU^S13", 1)
        local = [f"{at:%Y%m%d%H%M%S}+0000".encode() for at in (start, start + timedelta(minutes=30))]
        message = _START.sub(b"^^30^%b^%b" % tuple(local), message)
        control = str(next(self._number)).encode()
        message = _CONTROL.sub(b"|%b|P|" % control, message, count=1)
        now = f"{datetime.now(UTC):%Y%m%d%H%M%S}+0000".encode()
        head = message.split(b"|", 7)
        await send_day(HOST, self._port, [b"|".join([*head[:6], now, head[7]])], timeout=10.0)


def clinics(vendor: str, folder: Path, number: int, appointments: int, ports: list[int]) -> Iterator[Clinic]:
    """The vendor's clinics, each with people of its own."""
    first_day = datetime.now(UTC).date() - timedelta(days=DAYS_AGO)
    for place in range(number):
        name, seed = f"{vendor}-{place + 1}", 100 * (1 + sorted(SEEDS).index(vendor)) + place
        if vendor == "hl7":
            yield Sending(name, folder, appointments, seed, ports[place])
            continue
        patients = max(4, appointments // (4 if vendor == "webpt" else PATIENTS_OF))
        clinic = synthetic_clinic(
            seed, patients=patients, visits=appointments, first_day=first_day,
            therapists=max(2, appointments // THERAPISTS_OF),
        )  # fmt: skip
        polled = vendor != "webpt"
        yield Polled(name, folder, vendor, clinic) if polled else Nightly(name, folder, clinic, appointments, seed)


SEEDS = ("cliniko", "jane", "webpt", "hl7", "fhir")


class Program:
    """Serves the clinics and takes words until its input ends."""

    def __init__(self, vendor: str, folder: Path, found: list[Clinic]) -> None:
        self._vendor = vendor
        self._folder = folder
        self._clinics = found
        self._every = 0.0
        self._minute = count(sorted(SEEDS).index(vendor), len(SEEDS))

    async def run(self) -> None:
        settings = {one.name: await one.start() for one in self._clinics}
        self._write("settings", settings)
        loop = asyncio.get_running_loop()
        tasks = [asyncio.create_task(self._count()), asyncio.create_task(self._change())]
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            await self._take(line.split())
        for task in tasks:
            task.cancel()

    async def _take(self, words: list[str]) -> None:
        if words[0] == "mark":
            for one in self._clinics:
                one.mark()
        elif words[0] == "night":
            for one in self._clinics:
                at = time.time()
                self._tell("nights", {"source": one.name, "at": at, "news": await one.night()})
        self._every = float(words[1]) if words[0] == "change" else 0.0

    async def _count(self) -> None:
        while True:
            self._write("counted", {one.name: one.counted() for one in self._clinics})
            await asyncio.sleep(COUNT_SECONDS)

    async def _change(self) -> None:
        while True:
            await asyncio.sleep(self._every or COUNT_SECONDS)
            for one in self._clinics if self._every else ():
                start = MOVED_TO + timedelta(minutes=next(self._minute))
                at = time.time()
                await one.move(start)
                self._tell("changes", {"source": one.name, "start": utc(start), "at": at})

    def _tell(self, what: str, row: dict[str, Any]) -> None:
        with (self._folder / f"{self._vendor}.{what}").open("a", encoding="utf-8") as told:
            told.write(json.dumps(row) + "\n")

    def _write(self, what: str, value: Any) -> None:
        part = self._folder / f"{self._vendor}.{what}.part"
        part.write_text(json.dumps(value), "utf-8")
        part.replace(part.with_suffix(".json"))


def main() -> None:
    vendor, folder, number, appointments, *ports = sys.argv[1:]
    found = list(clinics(vendor, Path(folder), int(number), int(appointments), [int(port) for port in ports]))
    asyncio.run(Program(vendor, Path(folder), found).run())


if __name__ == "__main__":
    main()
