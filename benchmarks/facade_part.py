"""The FHIR facade on a store of 1,000,000 records: read and search over HTTP at a fixed rate, and what the index costs.

``BENCH_STORE`` names a PostgreSQL to measure in place of the embedded store; ``BENCH_FACADE_RECORDS`` the number of
records, which the scale multiplies.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from datetime import timedelta
from random import Random
from typing import Any
from urllib.parse import urlencode

import aiohttp

from benchmarks import clinic_records, house
from benchmarks.report import Asked, Row, Section
from gateway.access import secrets
from gateway.bootstrap import Gateway
from gateway.flow.clock import micros
from gateway.http import House
from gateway.http.fhir_index import SearchIndex
from gateway.settings import Http
from gateway.store import clients
from gateway.testing.ports import free_port

RECORDS = int(os.environ.get("BENCH_FACADE_RECORDS", "1000000"))
STORE = os.environ.get("BENCH_STORE", "")
READS, SEARCHES = 100, 20
"""Requests a second."""
SECONDS = 30
COUNT = 50
READ_MS, SEARCH_MS = 20.0, 120.0
_HTTP = """
[http]
port = {port}
[views.partner]
Patient = ["*"]
Appointment = ["*"]
"""
Ask = Callable[[Random], str]


def measure(scale: float) -> Section:
    """Seed, index, serve, and ask at the rates of a busy partner."""
    count = max(int(RECORDS * scale), 2000)
    seconds = max(5, int(SECONDS * scale)) if scale < 1 else SECONDS
    with house.scratch() as folder:
        port = free_port()
        more = _HTTP.format(port=port) + (f'[store]\nurl = "{STORE}"\n' if STORE else "")
        with house.opened(folder, tail=more) as gateway:
            begin = time.perf_counter()
            total = clinic_records.seed(gateway, count)
            seeded = time.perf_counter() - begin
            key = add_client(gateway)
            indexed = _index(gateway)
            ids = _ids(gateway, total)
        size = sum(path.stat().st_size for path in (folder / "data").glob("gateway.db*")) / 1e6
        with house.restarted(folder, port, ("api",)) as served:
            rows = asyncio.run(_ask(f"http://127.0.0.1:{port}", key, ids, seconds, lambda: served.cpu_seconds))
            memory = served.memory_mb
    store = "PostgreSQL" if STORE else "embedded"
    index: Row = {
        "store": store, "records": total, "seeded s": seeded, "indexed s": indexed[0],
        "index: CPU us/record": indexed[1] / total * 1e6, "store MB": size, "server MB": memory,
    }  # fmt: skip
    read = float(rows[0]["p99 ms"])
    worst = max(float(row["p99 ms"]) for row in rows[1:])
    return Section(
        "facade",
        f"FHIR facade over HTTP, {total:,} records, {store} store: decrypted, audited, disclosed",
        [*rows, index],
        [
            Asked("facade read p99, 100/s", f"under {READ_MS:.0f} ms", f"{read:.1f} ms", read < READ_MS),
            Asked(f"search of {COUNT} p99, 20/s", f"under {SEARCH_MS:.0f} ms", f"{worst:.1f} ms", worst < SEARCH_MS),
        ],
        ["Latency counts from the moment a request was due; one kind of request at a time."],
    )  # fmt: skip


def add_client(gateway: Gateway) -> str:
    """A client that may read all of it; its key."""
    made = secrets.make()
    row = {
        "client": secrets.client_id(), "tenant": house.TENANT, "name": "bench", "view": "partner",
        "purpose": "operations", "recipient": "bench", "scopes": "", "locations": "[]", "hook_hosts": "[]",
        "quota": 1_000_000, "jwks": "", "created_at": micros(), "revoked_at": None,
    }  # fmt: skip

    def unit(connection: Any) -> None:
        clients.add(connection, row)
        clients.add_secret(connection, str(row["client"]), made.public, made.hash, micros())

    gateway.store.write_sync(unit)
    return made.text


def _index(gateway: Gateway) -> tuple[float, float]:
    """Let the index read everything; seconds on the clock and of processor time."""
    shown = House(
        Http(), gateway.tenants, gateway.store, gateway.vault, gateway.audit, gateway.views, {}, gateway.ask_soon,
        lambda: 0,
    )  # fmt: skip
    index = SearchIndex(shown)
    index.choose(house.TENANT)
    begin, used = time.perf_counter(), time.process_time()
    while index.step(house.TENANT):
        pass
    return time.perf_counter() - begin, time.process_time() - used


def _ids(gateway: Gateway, total: int) -> list[str]:
    """Some appointments to read."""
    draw, patients = Random(1), total // clinic_records.OF_A_PATIENT
    return [
        gateway.vault.record_id(house.TENANT, house.EHR, "Appointment", f"a{draw.randrange(patients)}-{visit}")
        for visit in range(clinic_records.OF_A_PATIENT - 1)
        for _ in range(200)
    ] + [str(patients)]  # fmt: skip


async def _ask(base: str, key: str, ids: list[str], seconds: int, used: Callable[[], float]) -> list[Row]:
    patients = int(ids.pop())

    def search(type: str, **query: str) -> str:
        return f"/fhir/{type}?{urlencode({**query, '_count': str(COUNT)})}"

    def day(draw: Random, form: str = "%Y-%m-%d") -> str:
        return f"{clinic_records.FIRST_DAY + timedelta(days=draw.randrange(clinic_records.DAYS)):{form}}"

    kinds: list[tuple[str, int, Ask]] = [
        ("read", READS, lambda draw: f"/fhir/Appointment/{draw.choice(ids)}"),
        ("search: a day", SEARCHES, lambda draw: search("Appointment", date=day(draw))),
        ("search: from a day on", SEARCHES, lambda draw: search("Appointment", date=f"ge{day(draw)}")),
        ("search: month, status", SEARCHES, lambda of: search("Appointment", date=day(of, "%Y-%m"), status="noshow")),
        ("search: status", SEARCHES, lambda _: search("Appointment", status="noshow")),
        ("search: identifier", SEARCHES, lambda of: search("Patient", identifier=f"MRN{of.randrange(patients):08d}")),
        ("search: changed since", SEARCHES, lambda _: search("Appointment", _lastUpdated="gt2020-01-01")),
        ("search: list", SEARCHES, lambda _: search("Appointment")),
    ]  # fmt: skip
    rows: list[Row] = []
    async with aiohttp.ClientSession(
        base, headers={"Authorization": f"Bearer {key}"}, connector=aiohttp.TCPConnector(limit=64)
    ) as session:
        await _timed(session, 20, 2, kinds[0][2])  # connections and caches, as of a server that runs
        for name, rate, ask in kinds:
            before = used()
            row = await _timed(session, rate, seconds, ask)
            row["server CPU ms/request"] = (used() - before) * 1000 / (rate * seconds)
            row["request"], row["asked/s"] = name, rate
            rows.append(row)
    return rows


async def _timed(session: aiohttp.ClientSession, rate: int, seconds: int, ask: Ask) -> Row:
    """Ask at an even rate whatever the answers take; latencies in milliseconds, and entries of the last answer."""
    draw, taken = Random(rate), []
    entries = 0

    async def one(due: float, path: str) -> None:
        nonlocal entries
        async with session.get(path) as answer:
            body = await answer.json(content_type=None)
            if answer.status != 200:
                raise RuntimeError(f"status {answer.status} for {path.partition('?')[0]}")
        entries = max(entries, len(body.get("entry", ())))
        taken.append((time.perf_counter() - due) * 1000)

    begin = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(rate * seconds):
            due = begin + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            group.create_task(one(due, ask(draw)))
    taken.sort()
    return {
        "requests": len(taken), "p50 ms": taken[len(taken) // 2], "p99 ms": taken[len(taken) * 99 // 100],
        "most ms": taken[-1], "entries": entries,
    }  # fmt: skip
