"""Sweeps of lists that tell no version, at a simulated clinic: what differs comes in once, and the newest stays."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.errors import SourceUnavailable
from gateway.flow import sweep_content
from gateway.flow.sweep import Sweeper
from gateway.model.full_list import Looked, SweepPage
from gateway.store import journal
from gateway_jane.plugin import JaneAdapter
from gateway_jane.transport_sweep import FullList
from tests.integration.parts import TENANT, Parts, Place
from tests.integration.test_flow_normalize import look
from tests.integration.test_flow_sweep import bind, progress, stored
from tests.unit.adapters.jane.clinic import Clinic, with_clinic


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JANE_SECRET", "simulated-secret")
    monkeypatch.setattr(sweep_content, "SETTLING_SECONDS", 3.0)  # asks twenty times a second whether it is settled


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Parts]:
    """A gateway's real parts on the embedded store."""
    opened = Place(tmp_path, "embedded").open()
    yield opened
    opened.close()


class Swept:
    """A clinic whose appointments and patients were polled into a real store."""

    def __init__(self, parts: Parts, clinic: Clinic) -> None:
        self.parts, self.clinic = parts, clinic
        self.clinic.intake = parts.receiver(bind(parts, JaneAdapter(), clinic.config))  # type: ignore[assignment]  # the real one

    async def poll(self) -> None:
        for kind in ("patients", "appointments"):
            await self.clinic.streams[kind].poll(self.clinic.intake)
        await self.settle()

    async def settle(self) -> None:
        await asyncio.to_thread(self.parts.settle)

    async def _normalize(self, ended: asyncio.Event) -> None:
        while not ended.is_set():
            await asyncio.sleep(0.2)  # later than a sweep asks
            await self.settle()

    async def sweep(self, kind: str, change: Callable[[FullList], None] = lambda _: None) -> Any:
        """Sweep one list while messages are normalized; its progress."""
        full = FullList(kind, self.clinic.api)
        change(full)
        sweeper = Sweeper(
            TENANT, "jane", self.parts.store, self.parts.vault, self.parts.audit, interval=1.0, most_absent=0.1
        )
        ended = asyncio.Event()
        normalizing = asyncio.create_task(self._normalize(ended))
        try:
            await sweeper.run(full, self.clinic.intake)
        finally:
            ended.set()
            await normalizing
        await self.settle()
        return progress(self.parts, kind)

    def told(self, kind: str, native: str) -> list[str]:
        wanted = self.parts.record(kind, native, "jane")
        found = self.parts.store.read_sync(lambda connection: journal.history(connection, TENANT, wanted))
        return [one.kind for one in found]

    async def status(self, native: str) -> Any:
        record_id = self.parts.vault.record_id(TENANT, "jane", "Appointment", native)
        return (await asyncio.to_thread(look, self.parts))[record_id]["status"]


def test_a_sweep_finds_what_no_look_showed(parts: Parts, tmp_path: Path) -> None:
    """A cancelled visit and a deleted one that lists leave out, a patient who is gone, a change that bore no time."""

    async def body(clinic: Clinic) -> None:
        clinic.simulator.unlisted = frozenset({"cancelled", "archived"})
        swept = Swept(parts, clinic)
        await swept.poll()
        visits = [id for id, row in clinic.held("appointments").items() if row["state"] == "booked"]
        cancelled, archived, moved = visits[:3]
        gone, renamed = list(clinic.held("patients"))[:2]
        clinic.held("appointments")[cancelled].update(state="cancelled", cancelled_reason="Sick")
        clinic.held("appointments")[archived].update(state="archived")
        clinic.held("appointments")[moved].update(start_at="2026-07-01T10:00:00Z", end_at="2026-07-01T11:00:00Z")
        clinic.held("patients")[renamed].update(last_name="Missed")
        clinic.simulator.forget("patients", gone)
        visited, known = await swept.sweep("appointments"), await swept.sweep("patients")
        assert (visited.missed, visited.removed, known.missed, known.removed) == (3, 0, 1, 1)
        assert swept.told("Appointment", cancelled) == ["created", "updated"]
        assert await swept.status(cancelled) == "cancelled"
        assert swept.told("Appointment", archived) == ["created", "removed"]
        assert swept.told("Appointment", moved) == ["created", "updated"]
        assert swept.told("Patient", gone) == ["created", "removed"]
        assert swept.told("Consent", f"{gone}#email")[-1] == "removed"
        assert swept.told("Patient", renamed) == ["created", "updated"]
        count = len(stored(parts))
        again, once = await swept.sweep("appointments"), await swept.sweep("patients")
        assert (again.missed, again.removed, once.missed, once.removed) == (0, 0, 0, 0)
        assert len(stored(parts)) == count, "a second sweep stores nothing"
        assert not any(gone in row.control_id or renamed in row.control_id for row in stored(parts))

    with_clinic(tmp_path, body, per_page=50)
    assert parts.ledger().problems == []


def test_a_change_of_no_field_of_ours_is_stored_by_one_sweep(parts: Parts, tmp_path: Path) -> None:
    """What makes no new version differs from its record for ever, and is not stored day by day."""

    async def body(clinic: Clinic) -> None:
        swept = Swept(parts, clinic)
        await swept.poll()
        patient = next(iter(clinic.held("patients")))
        clinic.held("patients")[patient].update(pronouns="they")
        assert [(await swept.sweep("patients")).missed for _ in range(3)] == [1, 0, 0]
        assert swept.told("Patient", patient) == ["created"]

    with_clinic(tmp_path, body)


def test_what_polling_stores_meanwhile_is_the_newest(parts: Parts, tmp_path: Path) -> None:
    """A state that a sweep had read before polling stored a newer one does not stay."""

    async def body(clinic: Clinic) -> None:
        swept = Swept(parts, clinic)
        await swept.poll()
        visit = next(id for id, row in clinic.held("appointments").items() if row["state"] == "booked")
        row = clinic.held("appointments")[visit]
        row.update(state="arrived", arrived_at="2026-06-01T10:00:00Z")  # polling misses it: no time of change
        asked: list[str] = []

        def late(full: FullList) -> None:
            look = full.look

            async def looked(native_ids: Any) -> Looked:
                answer = await look(native_ids)
                asked.extend(native_ids)
                if len(asked) == 1:
                    clinic.tick()
                    clinic.simulator.touch("appointments", visit, state="booked", arrived_at=None)
                    clinic.simulator.touch("appointments", visit, state="cancelled", cancelled_reason="Sick")
                    await clinic.streams["appointments"].poll(clinic.intake)
                return answer

            full.look = looked  # type: ignore[method-assign]  # the news arrives between the answer and its storing

        await swept.sweep("appointments", late)
        assert asked == [visit] * 3, "asked for, stored, asked for, stored, asked for"
        assert await swept.status(visit) == "cancelled"

    with_clinic(tmp_path, body)


def test_what_is_stored_and_not_yet_read_is_not_missed(parts: Parts, tmp_path: Path) -> None:
    """A sweep that begins while a first reading still waits to be normalized stores none of it twice."""

    async def body(clinic: Clinic) -> None:
        swept = Swept(parts, clinic)
        await clinic.streams["patients"].poll(clinic.intake)
        count = len(stored(parts))
        assert (await swept.sweep("patients")).missed == 0
        assert len(stored(parts)) == count

    with_clinic(tmp_path, body)


def test_pages_that_lead_back_end_the_sweep(parts: Parts, tmp_path: Path) -> None:
    """A list whose third page links to its second is not read for ever, and nothing is judged by it."""

    async def body(clinic: Clinic) -> None:
        swept = Swept(parts, clinic)
        await swept.poll()
        clinic.simulator.forget("patients", next(iter(clinic.held("patients"))))

        def ring(full: FullList) -> None:
            page, links = full.page, []

            async def paged(cursor: str | None) -> SweepPage:
                found = await page(cursor)
                links.append(found.cursor)
                return found if len(links) < 3 else msgspec.structs.replace(found, cursor=links[(len(links) + 1) % 2])

            full.page = paged  # type: ignore[method-assign]  # a fault of the source's is planted

        with pytest.raises(SourceUnavailable, match="loop"):
            await asyncio.wait_for(swept.sweep("patients", ring), 20)
        assert progress(parts, "patients").removed == 0

    with_clinic(tmp_path, body, per_page=10)
