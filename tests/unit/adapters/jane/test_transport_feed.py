"""Feeds of the simulated clinic over real sockets: busy times come once, change, and go only when that is certain."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.errors import InvalidConfiguration, SourceUnavailable
from gateway.model import fold
from gateway.model.identity import Ref
from gateway.testing.recording_intake import RecordingIntake
from gateway_jane.config import FeedConfig, JaneConfig
from gateway_jane.plugin import JaneAdapter
from gateway_jane.simulator import JaneSimulator
from gateway_jane.simulator_rows import utc
from gateway_jane.transport_feed import FeedTransport, StaffFeed, feed_address, feed_client
from tests.unit.adapters.jane.clinic import ADAPTER, CLINIC, START, Mapping
from tests.waiting import PATIENCE, until

HOUR = timedelta(hours=1)


class Office:
    """One staff member's feed, its stream and an intake; ``now`` is everybody's clock."""

    def __init__(self, simulator: JaneSimulator) -> None:
        self.simulator, self.now = simulator, START
        simulator._clock = self._seconds
        rows = simulator.tables["appointments"].values()
        self.staff = next(iter(simulator.tables["staff_members"]))
        for number, row in enumerate(one for one in rows if one["staff_member_id"] == self.staff):
            row |= {"state": "booked", "arrived_at": None, "start_at": utc(START + (number + 1) * HOUR)}
            row["end_at"] = utc(START + (number + 1.5) * HOUR)
        self.rows = [one for one in rows if one["staff_member_id"] == self.staff]
        self.intake = RecordingIntake()

    def _seconds(self) -> float:
        return self.now.timestamp()

    async def poll(self, minutes: int = 1) -> list[Any]:
        """Patches of what is new."""
        self.now += timedelta(minutes=minutes)
        before = len(self.intake.items)
        await self.stream.poll(self.intake)
        mapping = Mapping.load(ADAPTER.mappings, None, ADAPTER.path).bind(zone="America/Chicago")
        read = ADAPTER.normalizer(JaneConfig(), mapping)
        return [patch for item in self.intake.items[before:] for patch in read(item.body, item.context).patches]


def with_office(body: Callable[[Office], Awaitable[None]], monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        simulator = JaneSimulator(CLINIC, clock=START.timestamp)
        base = await simulator.start()
        try:
            office = Office(simulator)
            monkeypatch.setenv("FEED", base + simulator.feeds.path(office.staff))
            feed = FeedConfig(url="env:FEED", name="Ana Ruiz")
            address = feed_address("ana", feed)
            async with feed_client({"ana": address}, JaneConfig(retries=0)) as client:
                office.stream = StaffFeed("ana", feed, address, client, "America/Chicago", lambda: office.now)
                await body(office)
        finally:
            await simulator.stop()

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


def test_busy_times_come_once_without_anybodys_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each event is a busy slot of the staff member; a second look asks with the tag and stores nothing."""

    async def body(office: Office) -> None:
        patches = await office.poll()
        slots = [one for one in patches if one.type == "Slot"]
        assert len(slots) == len(office.rows) > 3
        assert slots[0].fields["start"] == START + HOUR
        assert slots[0].fields["practitioner"] == Ref("Practitioner", "ana")
        assert {one.fields["name"]["text"] for one in patches if one.type == "Practitioner"} == {"Ana Ruiz"}
        for one in patches:
            plain = {name: v.native_id if isinstance(v, Ref) else v for name, v in one.fields.items()}
            assert fold(one.type, None, plain) is not None
        assert all(one.patient is None for one in patches)
        assert await office.poll() == []
        assert office.simulator.answered[304] == 1

    with_office(body, monkeypatch)


def test_a_moved_visit_moves_its_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another time under the same UID is the same slot; a new stamp alone is no change."""

    async def body(office: Office) -> None:
        before = {one.native_id: one for one in await office.poll() if one.type == "Slot"}
        office.rows[0]["start_at"] = utc(START + HOUR / 2)
        (slot,) = [one for one in await office.poll() if one.type == "Slot"]
        assert slot.native_id in before
        assert slot.fields["start"] == START + HOUR / 2

    with_office(body, monkeypatch)


def test_what_two_whole_readings_miss_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """One reading without an event says nothing; the second frees the time, by an unchanged feed too."""

    async def body(office: Office) -> None:
        await office.poll()
        first, second, third = office.rows[:3]
        first["state"] = "cancelled"
        assert await office.poll() == []
        first["state"] = "booked"
        assert await office.poll() == []
        second["state"] = "cancelled"
        assert await office.poll() == []
        (slot,) = await office.poll()  # answered 304
        assert (slot.type, slot.operation) == ("Slot", "remove")
        third["state"] = "cancelled"
        assert await office.poll() == []
        office.rows[3]["end_at"] = utc(START + 9 * HOUR)
        assert [one.operation for one in await office.poll() if one.type == "Slot"] == ["upsert", "remove"]
        assert await office.poll() == []

    with_office(body, monkeypatch)


def test_an_arrival_leaves_the_feed_and_frees_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What has begun may be missing because the patient came, or because it is old: it is forgotten in silence."""

    async def body(office: Office) -> None:
        await office.poll()
        office.now = START + HOUR
        office.rows[0]["arrived_at"] = utc(office.now)
        assert await office.poll() + await office.poll() + await office.poll() == []

    with_office(body, monkeypatch)


def test_a_cut_or_foreign_answer_frees_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page of words, a broken event and half a body remove no slot, whatever they lack."""

    async def body(office: Office) -> None:
        await office.poll()
        for fault in ("html", "half-body"):
            office.rows[0]["treatment_id"] += "x"  # so that the feed is sent again
            office.simulator.fail(fault)
            with pytest.raises(SourceUnavailable) as raised:
                await office.poll()
            assert "/ical/" not in str(raised.value)
        for row in office.rows[1:]:
            row["state"] = "cancelled"
        office.rows[0]["id"] = ""
        assert await office.poll() + await office.poll() == []
        assert {one.reason for one in office.intake.findings} == {"no-uid"}

    with_office(body, monkeypatch)


def test_a_reset_address_is_told_without_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """The path is the key: no error repeats it."""

    async def body(office: Office) -> None:
        office.simulator.feeds.path(office.staff)
        with pytest.raises(SourceUnavailable) as raised:
            await office.poll()
        assert "ical" not in f"{raised.value} {raised.value.where}"

    with_office(body, monkeypatch)


def test_an_address_that_is_none_is_refused_without_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain http elsewhere, credentials and nonsense are configuration errors; webcal means https."""
    for wrong in ("http://clinic.example/ical/t0ken/appointments.ics", "t0ken", "https://u:t0ken@clinic.example/a"):
        monkeypatch.setenv("FEED", wrong)
        with pytest.raises(InvalidConfiguration) as raised:
            feed_address("ana", FeedConfig(url="env:FEED"))
        assert "t0ken" not in str(raised.value)
    monkeypatch.setenv("FEED", "webcal://clinic.janeapp.com/ical/t/appointments.ics")
    assert feed_address("ana", FeedConfig(url="env:FEED")).scheme == "https"


def test_a_clinic_with_feeds_alone_needs_no_partner() -> None:
    """Feeds are a transport of their own, and need their zone."""
    config = JaneConfig(feeds={"ana": {"url": "env:FEED"}}, feed_zone="America/Chicago")
    (only,) = JaneAdapter().transports("north", config)
    assert isinstance(only, FeedTransport)
    for wrong in ({"feeds": {"ana": {"url": "env:FEED"}}}, {"feeds": {"A/b": {"url": "env:F"}}, "feed_zone": "UTC"}):
        with pytest.raises(ValueError, match="feed"):
            JaneConfig.model_validate(wrong)


def test_the_transport_reads_until_it_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run as the gateway runs it, all events arrive."""

    async def run() -> None:
        simulator = JaneSimulator(CLINIC)
        base = await simulator.start()
        rows = simulator.tables["appointments"].values()
        staff = next(iter(simulator.tables["staff_members"]))
        for row in rows:
            row |= {"state": "booked", "arrived_at": None, "start_at": utc(datetime.now(UTC) + HOUR)}
            row["end_at"] = row["start_at"]
        monkeypatch.setenv("FEED", base + simulator.feeds.path(staff))
        config = JaneConfig(feeds={"ana": {"url": "env:FEED"}}, feed_zone="UTC", feed_seconds=0.1)
        intake, opened = RecordingIntake(), asyncio.Event()
        task = asyncio.create_task(FeedTransport("north", config).run(intake, opened.set))
        await asyncio.wait_for(opened.wait(), PATIENCE)
        wanted = sum(row["staff_member_id"] == staff for row in rows)
        await until(lambda: len(intake.items) == wanted)
        task.cancel()
        await simulator.stop()
        assert len(intake.items) == wanted > 0

    asyncio.run(asyncio.wait_for(run(), 120))
