"""Sweeps against simulated systems: silent deletions and missed updates are found, history comes in, and no more."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.errors import SourceUnavailable
from gateway.flow.source import Source
from gateway.flow.sweep import STREAM, Sweeper, read_progress
from gateway.flow.texts import keep_texts
from gateway.mapping import Mapping
from gateway.model.exchange import RateBudget
from gateway.model.full_list import SweepPage
from gateway.store import journal, messages
from gateway.testing.synthetic_clinic import synthetic_clinic
from gateway.transport.http import HttpClient
from gateway_cliniko.config import ClinikoConfig
from gateway_cliniko.plugin import ClinikoAdapter
from gateway_cliniko.simulator import API_KEY, ClinikoSimulator
from gateway_cliniko.transport import LISTS, Api, ChangedRows
from gateway_cliniko.transport_sweep import SWEPT, FullList
from gateway_fhir.config import FhirConfig
from gateway_fhir.plugin import FhirAdapter
from gateway_fhir.simulator import FhirSimulator
from gateway_fhir.transport_search import ChangedResources
from gateway_fhir.transport_sweep import FullSearch
from tests.integration.parts import TENANT, Parts, Place

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
PLENTY = RateBudget(requests=10_000, seconds=1.0)
CLINIC = synthetic_clinic(seed=3, patients=30, visits=60)


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Parts]:
    """A gateway's real parts on the embedded store."""
    opened = Place(tmp_path, "embedded").open()
    yield opened
    opened.close()


def bind(parts: Parts, adapter: Any, config: Any) -> str:
    """Configure a source; its name."""
    name = adapter.info.name
    mapping = Mapping.load(adapter.mappings, None, adapter.path).bind(zone="America/Chicago")
    source = Source.bind(TENANT, name, adapter, config, mapping)
    parts.sources[TENANT, name] = source
    text = (source.mapping_hash, "mapping", mapping.text)
    parts.store.write_sync(lambda connection: keep_texts(connection, parts.audit, [TENANT], [text]))
    return name


def sweeper(parts: Parts, source: str, **options: Any) -> Sweeper:
    settings = {"interval": 3600.0, "most_absent": 0.1} | options
    return Sweeper(TENANT, source, parts.store, parts.vault, parts.audit, **settings)


def progress(parts: Parts, stream: str):
    """How the last sweep of a list stands."""
    rows = parts.store.read_sync(lambda connection: messages.cursors(connection, TENANT, STREAM))
    return next(read_progress(row.cursor) for row in rows if row.stream == STREAM + stream)


def stored(parts: Parts) -> list[Any]:
    return list(parts.store.read_sync(lambda connection: messages.latest(connection, TENANT, limit=10_000)))


class Account:
    """A simulated Cliniko account, its lists, and their sweeps."""

    def __init__(self, simulator: ClinikoSimulator, client: HttpClient, config: ClinikoConfig) -> None:
        self.simulator = simulator
        api = Api(client, simulator.base_url, config.per_page)
        self.streams = {one.stream: ChangedRows(one, api, config, lambda: NOW) for one in LISTS}
        self.sweeps = {one.stream: FullList(one, api, config, lambda: NOW) for one in LISTS if one.stream in SWEPT}


@asynccontextmanager
async def account(**settings: Any) -> AsyncIterator[tuple[Account, ClinikoConfig]]:
    """The simulator over loopback."""
    config = ClinikoConfig(**{"api_key": "env:K", "contact_email": "ops@example.com", "per_page": 10, **settings})
    simulator = ClinikoSimulator(CLINIC, budget=PLENTY, now=lambda: NOW)
    headers = {"Authorization": "Basic " + base64.b64encode(f"{API_KEY}:".encode()).decode()}
    await simulator.start()
    try:
        async with HttpClient([simulator.base_url], budget=PLENTY, headers=headers) as client:
            yield Account(simulator, client, config), config
    finally:
        await simulator.stop()


def test_a_sweep_finds_what_a_rest_api_does_not_tell(parts: Parts) -> None:
    """A patient and a visit deleted without a trace are removed, consents with them; a missed update comes in."""

    async def run() -> tuple[str, str, str]:
        async with account() as (cliniko, config):
            intake = parts.receiver(bind(parts, ClinikoAdapter(), config))
            lists = ("patients", "individual_appointments", "invoices")
            for name in lists:
                await cliniko.streams[name].poll(intake)
            await asyncio.to_thread(parts.settle)
            tables = cliniko.simulator.tables
            patient, visit = list(tables["patients"])[3], list(tables["individual_appointments"])[5]
            late = list(tables["patients"])[7]
            cliniko.simulator.forget("patients", patient)
            cliniko.simulator.forget("individual_appointments", visit)
            before = datetime.fromisoformat(tables["patients"][late]["updated_at"])
            moved = (before + timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
            tables["patients"][late].update(last_name="Missed", updated_at=moved)
            for name in lists:
                await sweeper(parts, "cliniko").run(cliniko.sweeps[name], intake)
            await asyncio.to_thread(parts.settle)
            count = len(stored(parts))
            tables["patients"][late].update(notes="no field of ours", updated_at="2026-06-01T11:00:00Z")
            await cliniko.streams["patients"].poll(intake)
            await asyncio.to_thread(parts.settle)
            count += 1
            for name in lists:
                await sweeper(parts, "cliniko").run(cliniko.sweeps[name], intake)
            assert len(stored(parts)) == count, "a second sweep brings nothing where nothing changed"
            return patient, visit, late

    patient, visit, late = asyncio.run(run())
    told = {
        (kind, native): [one.kind for one in _history(parts, kind, native)]
        for kind, native in (
            ("Patient", patient), ("Appointment", visit), ("Consent", f"{patient}#sms-appointment"), ("Patient", late)
        )
    }  # fmt: skip
    assert told == {
        ("Patient", patient): ["created", "removed"],
        ("Appointment", visit): ["created", "removed"],
        ("Consent", f"{patient}#sms-appointment"): ["created", "removed"],
        ("Patient", late): ["created", "updated"],
    }
    assert {row.kind for row in stored(parts)} >= {"absence"}
    assert not any(patient in row.control_id for row in stored(parts)), "an absence names no patient"
    assert parts.ledger().problems == []


def _history(parts: Parts, kind: str, native: str, source: str = "cliniko") -> list[Any]:
    wanted = parts.record(kind, native, source)
    return list(parts.store.read_sync(lambda connection: journal.history(connection, TENANT, wanted)))


def test_too_many_absences_are_believed_by_no_program(parts: Parts) -> None:
    """A list that suddenly lacks most of its rows removes nothing: it is held, and a person must say so."""

    async def run() -> None:
        async with account() as (cliniko, config):
            intake = parts.receiver(bind(parts, ClinikoAdapter(), config))
            await cliniko.streams["patients"].poll(intake)
            await asyncio.to_thread(parts.settle)
            for patient in list(cliniko.simulator.tables["patients"])[:25]:
                cliniko.simulator.forget("patients", patient)
            await sweeper(parts, "cliniko").run(cliniko.sweeps["patients"], intake)
            assert (progress(parts, "patients").held, progress(parts, "patients").removed) == (25, 0)
            await sweeper(parts, "cliniko", most_absent=1.0).run(cliniko.sweeps["patients"], intake)
            assert (progress(parts, "patients").held, progress(parts, "patients").removed) == (0, 25)

    asyncio.run(run())


def test_what_came_back_is_taken_in_again(parts: Parts) -> None:
    """A row that was gone and is listed again, with the very bytes of before, makes its record anew."""

    async def run() -> str:
        async with account() as (cliniko, config):
            intake = parts.receiver(bind(parts, ClinikoAdapter(), config))
            await cliniko.streams["patients"].poll(intake)
            table = cliniko.simulator.tables["patients"]
            patient, row = next(iter(table.items()))
            for change in (lambda: cliniko.simulator.forget("patients", patient), lambda: table.update({patient: row})):
                await asyncio.to_thread(parts.settle)
                change()
                await sweeper(parts, "cliniko").run(cliniko.sweeps["patients"], intake)
            await asyncio.to_thread(parts.settle)
            return patient

    patient = asyncio.run(run())
    assert [one.kind for one in _history(parts, "Patient", patient)] == ["created", "removed", "created"]


def test_a_row_that_pages_lost_is_asked_for_before_it_is_believed_gone(parts: Parts) -> None:
    """Absent from every page is unknown: what is found by its id stays, and is no news."""

    async def run() -> str:
        async with account() as (cliniko, config):
            intake = parts.receiver(bind(parts, ClinikoAdapter(), config))
            await cliniko.streams["patients"].poll(intake)
            await asyncio.to_thread(parts.settle)
            lost = next(iter(cliniko.simulator.tables["patients"]))
            sweep = cliniko.sweeps["patients"]
            whole = sweep.page

            async def page(cursor: str | None):
                found = await whole(cursor)
                return msgspec.structs.replace(found, seen=tuple(one for one in found.seen if one.native_id != lost))

            sweep.page = page  # type: ignore[method-assign]  # a page from which a row has shifted away
            await sweeper(parts, "cliniko").run(sweep, intake)
            await asyncio.to_thread(parts.settle)
            return lost

    lost = asyncio.run(run())
    assert [one.kind for one in _history(parts, "Patient", lost)] == ["created"]
    assert (progress(parts, "patients").removed, progress(parts, "patients").missed) == (0, 0)


class Killed(BaseException):
    """What ``kill -9`` is to the running sweep: nothing after it happens."""


def test_history_behind_live_traffic_goes_on_after_a_kill(parts: Parts) -> None:
    """Polling leaves old rows to the sweep; after a kill it repeats one page at the most, and judges nothing absent."""

    async def run() -> None:
        async with account(history="behind") as (cliniko, config):
            intake = parts.receiver(bind(parts, ClinikoAdapter(), config))
            await cliniko.streams["patients"].poll(intake)
            assert stored(parts) == []
            sweep, asked = cliniko.sweeps["patients"], []
            whole = sweep.page

            async def page(cursor: str | None):
                asked.append(cursor)
                if len(asked) == 3:
                    raise Killed
                return await whole(cursor)

            sweep.page = page  # type: ignore[method-assign]  # the kill is planted between two pages
            first = sweeper(parts, "cliniko")
            assert await first.due(sweep) <= 0
            with pytest.raises(Killed):
                await first.run(sweep, intake)
            second = sweeper(parts, "cliniko")
            assert await second.due(sweep) <= 0
            await second.run(sweep, intake)
            assert len(asked) == len(set(asked)) + 1, "one page was asked for twice"
            assert await second.due(sweep) > 3000
            await asyncio.to_thread(parts.settle)
            done = progress(parts, "patients")
            assert (done.whole, done.listed >= len(cliniko.simulator.tables["patients"])) == (False, True)

    asyncio.run(run())
    assert len({row.control_id for row in stored(parts)}) == len(CLINIC.patients)


def test_news_that_comes_while_sweeping_wins(parts: Parts) -> None:
    """A record that was changed after the sweep began is not removed, though the list did not show it."""

    async def run() -> str:
        async with account() as (cliniko, config):
            intake = parts.receiver(bind(parts, ClinikoAdapter(), config))
            await cliniko.streams["patients"].poll(intake)
            await asyncio.to_thread(parts.settle)
            patient, row = next(iter(cliniko.simulator.tables["patients"].items()))
            cliniko.simulator.forget("patients", patient)
            sweep = cliniko.sweeps["patients"]
            look = sweep.look

            async def looked(native_ids):
                answer = await look(native_ids)
                cliniko.simulator.tables["patients"][patient] = row | {
                    "updated_at": "2026-06-01T11:59:59Z",
                    "last_name": "Moved",
                }
                await cliniko.streams["patients"].poll(intake)
                await asyncio.to_thread(parts.settle)
                return answer

            sweep.look = looked  # type: ignore[method-assign]  # news arrives between the question and its answer
            await sweeper(parts, "cliniko").run(sweep, intake)
            await asyncio.to_thread(parts.settle)
            return patient

    patient = asyncio.run(run())
    assert _history(parts, "Patient", patient)[-1].kind != "removed"


def test_a_sweep_leaves_what_other_lists_made(parts: Parts) -> None:
    """Visits of a class's attendees, which no list of visits shows, are not taken for deleted, first or again."""

    async def run() -> None:
        async with account() as (cliniko, config):
            intake = parts.receiver(bind(parts, ClinikoAdapter(), config))
            for stream in cliniko.streams.values():
                await stream.poll(intake)
            await asyncio.to_thread(parts.settle)
            before = alive(parts, "Appointment", "cliniko")
            listed = cliniko.simulator.tables["individual_appointments"]
            assert len(before) > len(listed), "the clinic has classes"
            sweeping = sweeper(parts, "cliniko")
            for sweep in cliniko.sweeps.values():
                await sweeping.run(sweep, intake)
                await sweeping.run(sweep, intake)
                assert (progress(parts, sweep.name).removed, progress(parts, sweep.name).held) == (0, 0), sweep.name
            await asyncio.to_thread(parts.settle)
            assert alive(parts, "Appointment", "cliniko") == before
            cliniko.simulator.forget("individual_appointments", next(iter(listed)))
            await sweeping.run(cliniko.sweeps["individual_appointments"], intake)
            assert progress(parts, "individual_appointments").removed == 1, "one of the list's own still is"

    asyncio.run(run())


def alive(parts: Parts, kind: str, source: str) -> dict[bytes, str]:
    """Records of one type of a source that are not removed."""
    return parts.store.read_sync(lambda connection: journal.alive(connection, TENANT, source, kind))


def test_a_sweep_finds_what_a_fhir_server_does_not_tell(parts: Parts) -> None:
    """A resource deleted without a trace is removed, and one that search by time never showed comes in."""

    async def run() -> tuple[str, str]:
        simulator = FhirSimulator(CLINIC, now=lambda: NOW)
        await simulator.start()
        simulator.tokens["token"] = float("inf")
        config = FhirConfig.model_validate({"base_url": simulator.fhir_base, "auth": "none", "page_size": 10})
        headers = {"Authorization": "Bearer token", "Accept": "application/fhir+json"}
        try:
            async with HttpClient([simulator.base_url], budget=PLENTY, headers=headers) as client:
                intake = parts.receiver(bind(parts, FhirAdapter(), config))
                rows = simulator.tables["Appointment"]
                late = next(id for id, row in rows.items() if row["status"] == "booked")
                hidden = rows.pop(late)
                for kind in ("Patient", "Practitioner", "PractitionerRole", "Appointment"):
                    await ChangedResources(kind, client, config, lambda: NOW).poll(intake)
                await asyncio.to_thread(parts.settle)
                roles = alive(parts, "Practitioner", "fhir")
                assert len(roles) > len(simulator.tables["Practitioner"]), "roles are records too"
                await sweeper(parts, "fhir").run(FullSearch("Practitioner", client, config), intake)
                assert progress(parts, "search:Practitioner").removed == 0, "they are no practitioners of the list"
                gone = next(id for id, row in rows.items() if row["status"] == "booked")
                simulator.forget("Appointment", gone)
                rows[late] = hidden
                await sweeper(parts, "fhir").run(FullSearch("Appointment", client, config), intake)
                await asyncio.to_thread(parts.settle)
                return gone, late
        finally:
            await simulator.stop()

    gone, late = asyncio.run(run())
    assert [one.kind for one in _history(parts, "Appointment", gone, "fhir")] == ["created", "removed"]
    assert [one.kind for one in _history(parts, "Appointment", late, "fhir")] == ["created"]
    assert (progress(parts, "search:Appointment").removed, progress(parts, "search:Appointment").missed) == (1, 1)


def test_a_sweep_whose_next_page_is_forgotten_begins_anew(parts: Parts) -> None:
    """Links to pages live for an hour or so: a sweep broken off before finds what is gone all the same."""

    async def run() -> tuple[str, str]:
        simulator = FhirSimulator(CLINIC, now=lambda: NOW)
        await simulator.start()
        config = FhirConfig.model_validate({"base_url": simulator.fhir_base, "auth": "none", "page_size": 10})
        headers = {"Authorization": "Bearer token", "Accept": "application/fhir+json"}
        simulator.tokens["token"] = 1e12
        try:
            async with HttpClient([simulator.base_url], budget=PLENTY, headers=headers) as client:
                intake = parts.receiver(bind(parts, FhirAdapter(), config))
                await ChangedResources("Appointment", client, config, lambda: NOW).poll(intake)
                await asyncio.to_thread(parts.settle)
                full = FullSearch("Appointment", client, config)
                whole = full.page

                async def first_only(cursor: str | None) -> SweepPage:
                    if cursor is not None:
                        raise SourceUnavailable("The line is cut")
                    return await whole(cursor)

                full.page = first_only  # type: ignore[method-assign]  # the line is cut here, not at the server
                with pytest.raises(SourceUnavailable):
                    await sweeper(parts, "fhir").run(full, intake)
                simulator.search.pages.clear()
                full.page = whole  # type: ignore[method-assign]  # as above
                gone = list(simulator.tables["Appointment"])[3]
                simulator.forget("Appointment", gone)
                later = sweeper(parts, "fhir")
                with pytest.raises(SourceUnavailable):
                    await later.run(full, intake)
                await later.run(full, intake)
                await asyncio.to_thread(parts.settle)
                return gone, full.name
        finally:
            await simulator.stop()

    gone, name = asyncio.run(run())
    assert [one.kind for one in _history(parts, "Appointment", gone, "fhir")] == ["created", "removed"]
    found = progress(parts, name)
    assert (found.listed, found.removed, found.whole) == (len(CLINIC.visits) - 1, 1, True)
