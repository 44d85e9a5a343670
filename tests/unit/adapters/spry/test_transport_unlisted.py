"""Coming appointments that calendars list no more: gone where the settings say so, after two whole readings."""

from __future__ import annotations

import msgspec
import pytest

from gateway.errors import SourceUnavailable
from gateway_spry.records import UNLISTED
from gateway_spry.transport import Calendars
from gateway_spry.transport_unlisted import FEW
from tests.unit.adapters.spry.organisation import START, Organisation, normalize, with_organisation

WITH = normalize()


def coming(place: Organisation) -> list[str]:
    """Appointments in the window that have not begun."""
    rows = place.simulator.appointments
    return [one for one, row in rows.items() if 0 < int(row["date_time"]) - START.timestamp() < 80 * 86400]


async def look(place: Organisation) -> list:
    """One reading of all calendars, some time later; what it says is gone."""
    place.tick()
    return [one for one in await place.poll(place.calendars) if one.kind == UNLISTED]


def test_what_two_readings_miss_is_gone() -> None:
    """One reading is not believed; after the second the appointment's record ends, and a row that is back begins it."""

    async def body(place: Organisation) -> None:
        assert await look(place) == []
        number = coming(place)[0]
        row = place.simulator.appointments.pop(number)
        assert await look(place) == []
        [gone] = await look(place)
        [patch] = WITH(gone.body, gone.context).patches
        assert (patch.type, patch.native_id, patch.operation) == ("Appointment", number, "remove")
        assert gone.order_key == str(row["patient"]["patient_id"])
        assert await look(place) == []
        place.simulator.appointments[number] = row
        place.tick()
        [back] = await place.poll(place.calendars)
        assert number in back.control_id

    with_organisation(body, unlisted="gone")


def test_one_reading_may_miss_a_row() -> None:
    """A row that is there again at the next reading was pushed to another page."""

    async def body(place: Organisation) -> None:
        await look(place)
        number = coming(place)[0]
        for _ in range(3):
            row = place.simulator.appointments.pop(number)
            assert await look(place) == []
            place.simulator.appointments[number] = row
            assert await look(place) == []

    with_organisation(body, unlisted="gone")


def test_what_has_begun_and_what_is_read_no_more_is_left_alone() -> None:
    """A past visit leaves the calendar as it likes; a doctor who was taken out of the settings cancels nobody."""

    async def body(place: Organisation) -> None:
        await look(place)
        rows = place.simulator.appointments
        for number in [one for one, row in rows.items() if int(row["date_time"]) < START.timestamp()]:
            del rows[number]
        assert [await look(place) for _ in range(3)] == [[], [], []]
        fewer = place.config.model_copy(update={"doctors": place.config.doctors[:1]})
        place.calendars = Calendars(place.api, fewer, lambda: place.now)
        assert [await look(place) for _ in range(3)] == [[], [], []]

    with_organisation(body, unlisted="gone")


def test_a_calendar_that_shows_fewer_rows_than_it_counts_ends_none() -> None:
    """A calendar that is cut short again and again cancels nobody; what is missing from a whole one is gone."""

    async def body(place: Organisation) -> None:
        await look(place)
        whole = place.api.calendar

        async def short(*asked):
            page = await whole(*asked)
            return msgspec.structs.replace(page, content=page.content[:-1])

        place.api.calendar = short
        assert [await look(place) for _ in range(3)] == [[], [], []]
        place.api.calendar = whole
        del place.simulator.appointments[coming(place)[0]]
        assert [len(await look(place)) for _ in range(3)] == [0, 1, 0]

    with_organisation(body, unlisted="gone")


def test_calendars_without_any_row_are_shut_and_not_empty() -> None:
    """However few come: where not even past visits are listed, a permission was taken away, and nobody is cancelled."""

    async def body(place: Organisation) -> None:
        for number in coming(place)[3:]:
            del place.simulator.appointments[number]
        await look(place)
        place.simulator.appointments.clear()
        assert await look(place) == []
        with pytest.raises(SourceUnavailable, match="believed"):
            await look(place)

    with_organisation(body, unlisted="gone")


def test_a_row_that_cannot_be_read_may_be_any() -> None:
    """While a calendar holds a row of which nobody can tell the id, nothing is gone."""

    async def body(place: Organisation) -> None:
        await look(place)
        number, other = coming(place)[:2]
        del place.simulator.appointments[number]
        place.simulator.appointments[other]["appointment_id"] = None
        assert [await look(place) for _ in range(3)] == [[], [], []]

    with_organisation(body, unlisted="gone")


def test_more_than_can_be_believed_is_told_and_not_stored() -> None:
    """Calendars that are suddenly empty end no appointment: the stream fails, and is well when the rows are back."""

    async def body(place: Organisation) -> None:
        await look(place)
        rows = dict(place.simulator.appointments)
        assert len(coming(place)) > FEW
        place.simulator.appointments.clear()
        assert await look(place) == []
        for _ in range(2):
            with pytest.raises(SourceUnavailable, match="believed"):
                await look(place)
        assert not [one for one in place.intake.items if one.kind == UNLISTED]
        place.simulator.appointments.update(rows)
        assert await look(place) == []

    with_organisation(body, unlisted="gone")
