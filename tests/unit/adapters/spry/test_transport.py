"""Polling the simulated organisation over real sockets: everything once, changes as they come, errors told."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from gateway.errors import InvalidConfiguration, RateLimited, SourceUnavailable, StoreUnavailable
from gateway.model.exchange import RateBudget
from gateway.testing.recording_intake import RecordingIntake
from gateway_spry.config import SpryConfig
from gateway_spry.simulator import SprySimulator
from gateway_spry.transport import OrganisationTransport
from tests.unit.adapters.spry.organisation import ADAPTER, CLINIC, Organisation, of_today, settings, with_organisation


def ids(items, field: str) -> list[str]:
    return sorted(str(found[field]) for item in items if field in (found := msgspec.json.decode(item.body)))


def test_a_first_look_brings_every_row_once() -> None:
    """All calendars page by page; then each case that an appointment named, its card and its authorization."""

    async def body(place: Organisation) -> None:
        booked = await place.poll(place.calendars)
        assert ids(booked, "appointment_id") == sorted(place.simulator.appointments)
        found = await place.poll(place.cases)
        seen = {row["spry_case_id"] for row in place.simulator.appointments.values()}
        assert set(ids(found, "case_title")) == {"Left knee"}
        assert len([one for one in found if one.kind == "case"]) == len(seen)
        assert len(found) == 3 * len(seen)

    with_organisation(body, page_size=7)


def test_only_what_changed_comes_again() -> None:
    """A second look stores nothing; a change does; a return to an earlier state is news as well."""

    async def body(place: Organisation) -> None:
        await place.poll()
        row = place.simulator.appointments["3"]
        for comment, news in (("", 0), ("late", 1), ("late", 0), ("", 1)):
            place.tick()
            row["comments"] = comment
            assert len(await place.poll()) == news

    with_organisation(body)


def test_an_appointment_that_is_not_listed_is_not_taken_for_cancelled() -> None:
    """Absence says nothing; when the row is back, it is stored again."""

    async def body(place: Organisation) -> None:
        await place.poll(place.calendars)
        row = place.simulator.appointments.pop("3")
        place.tick()
        assert await place.poll(place.calendars) == []
        place.simulator.appointments["3"] = row
        place.tick()
        assert ids(await place.poll(place.calendars), "appointment_id") == ["3"]

    with_organisation(body)


def test_a_case_that_cannot_be_read_holds_back_no_other() -> None:
    """It is asked for once more, and the others are stored; a look of which nothing can be read is given up."""

    async def body(place: Organisation) -> None:
        await place.poll(place.calendars)
        seen = {row["spry_case_id"] for row in place.simulator.appointments.values()}
        place.simulator.fail("error-code")
        assert len([one for one in await place.poll(place.cases) if one.kind == "case"]) == len(seen)
        place.simulator.fail("error-code", 40)
        with pytest.raises(SourceUnavailable):
            await place.poll(place.cases)
        place.simulator.heal()
        assert await place.poll(place.cases) == []

    with_organisation(body)


def test_rows_outside_of_the_window_are_not_asked_for() -> None:
    """Days back and ahead bound what is read."""

    async def body(place: Organisation) -> None:
        first = place.now.replace(hour=0).timestamp()
        wanted = [
            one for one, row in place.simulator.appointments.items() if first <= int(row["date_time"]) < first + 172800
        ]
        assert ids(await place.poll(place.calendars), "appointment_id") == sorted(wanted)
        assert 0 < len(wanted) < 120

    with_organisation(body, days_back=0, days_ahead=1)


@pytest.mark.parametrize("fault", ["429", "500", "html", "half-body"])
def test_a_passing_fault_costs_nothing_but_time(fault: str) -> None:
    """One bad answer is tried again within the look."""

    async def body(place: Organisation) -> None:
        await place.api.clinics()
        place.simulator.fail(fault)
        assert len(await place.poll(place.calendars)) == 120

    with_organisation(body)


def test_an_error_code_under_status_200_is_an_error() -> None:
    """Nothing is stored and no cursor moves; the next look brings everything."""

    async def body(place: Organisation) -> None:
        place.simulator.fail("error-code", 4)  # each is asked for once more
        for stream in (place.calendars, place.calendars):
            with pytest.raises(SourceUnavailable, match="2999"):
                await place.poll(stream)
        assert (place.intake.items, place.intake.cursors) == ([], {})
        assert len(await place.poll(place.calendars)) == 120
        place.simulator.fail("error-code", 100)
        with pytest.raises(SourceUnavailable, match="2999"):
            await place.poll(place.cases)

    with_organisation(body)


def test_a_token_that_ended_is_replaced_and_a_wrong_secret_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """401 costs one further token; a refused client is named without its secret."""

    async def ended(place: Organisation) -> None:
        await place.api.clinics()
        place.simulator.end_tokens()
        assert len(await place.poll(place.calendars)) == 120
        assert place.simulator.answered[401] == 1

    with_organisation(ended)
    monkeypatch.setenv("SPRY_SECRET", "wrong-secret")

    async def refused(place: Organisation) -> None:
        with pytest.raises(SourceUnavailable, match="no access token") as told:
            await place.poll(place.calendars)
        assert "wrong-secret" not in str(told.value)

    with_organisation(refused)


def test_a_calendar_without_end_is_not_believed() -> None:
    """Too many pages stop the look."""

    async def body(place: Organisation) -> None:
        place.simulator.fail("endless-pages", 2)
        with pytest.raises(SourceUnavailable, match="more pages"):
            await place.poll(place.calendars)

    with_organisation(body)


def test_a_budget_that_stays_full_is_told() -> None:
    """429 until the last attempt is an error that asks to come back later."""

    async def body(place: Organisation) -> None:
        await place.api.clinics()
        place.simulator.fail("429", 10)
        with pytest.raises(RateLimited):
            await place.poll(place.calendars)

    with_organisation(body, retries=0)


def test_the_vendor_never_has_to_refuse() -> None:
    """Requests stay within what is set, so that no answer is 429."""
    simulator = SprySimulator(CLINIC, budget=RateBudget(requests=70, seconds=60.0))

    async def body(place: Organisation) -> None:
        await place.poll(place.calendars)
        assert (place.simulator.answered[429], place.simulator.answered[200] > 8) == (0, True)

    with_organisation(body, simulator=simulator, requests_per_minute=60)


def test_digests_move_with_the_rows() -> None:
    """After a failed commit the next look brings the same rows."""

    async def body(place: Organisation) -> None:
        place.intake.fail_next = 1
        with pytest.raises(StoreUnavailable):
            await place.poll(place.calendars)
        assert place.intake.cursors == {}
        assert len(await place.poll(place.calendars)) == 120

    with_organisation(body)


def test_damaged_rows_do_not_stop_the_others() -> None:
    """A row without an id becomes a finding with its bytes, in calendars, cases and authorizations."""

    async def body(place: Organisation) -> None:
        place.simulator.appointments["3"].pop("appointment_id")
        place.simulator.authorizations["2"].pop("authorization_id")
        list(place.simulator.cases.values())[3]["insurance_card_list"] = [{"no": "id"}]
        assert len(await place.poll(place.calendars)) == 119
        await place.poll(place.cases)
        assert [one.reason for one in place.intake.findings] == ["unreadable-item"] * len(place.intake.findings)
        assert {one.where for one in place.intake.findings} >= {"authorization[0]", "patientCase"}

    with_organisation(body)


def test_a_case_that_is_gone_is_passed_over() -> None:
    """404 for a case named by the settings stops nothing."""

    async def body(place: Organisation) -> None:
        found = await place.poll(place.cases)
        assert [one.kind for one in found] == ["case", "insurance_card", "authorization"]

    with_organisation(body, cases=["SPRY_CASE_none", "SPRY_CASE_000000000000000000000001"])


def test_the_transport_polls_both_until_it_is_cancelled() -> None:
    """The gateway hears once that it is open; rows and cases come without further ado."""

    async def body(place: Organisation) -> None:
        (transport,) = ADAPTER.transports("north", place.config)
        intake, told = RecordingIntake(), []
        running = asyncio.create_task(transport.run(intake, lambda: told.append(1)))
        while not {"appointment", "authorization"} <= {item.kind for item in intake.items}:
            await asyncio.sleep(0.02)
        running.cancel()
        assert told == [1]

    with_organisation(body, simulator=of_today(), case_poll_seconds=0.05, days_ahead=366)


def test_a_source_that_names_nothing_to_read_is_refused() -> None:
    """Polling needs doctors or cases; a source without a client polls nothing."""
    with pytest.raises(InvalidConfiguration, match="doctors"):
        OrganisationTransport("north", settings("http://127.0.0.1:1", doctors=[]))
    assert ADAPTER.transports("north", SpryConfig()) == []
