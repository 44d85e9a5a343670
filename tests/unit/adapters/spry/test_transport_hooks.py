"""Webhooks over a real port: verified, read, stored before the answer, and shared when many come at once."""

from __future__ import annotations

import asyncio

import pytest

from gateway.model.exchange import HookRequest
from gateway_spry.config import SpryConfig
from gateway_spry.records import EVENTS
from gateway_spry.simulator_rows import case_id
from gateway_spry.transport import TOLD, remembered
from gateway_spry.transport_hooks import OrganisationHooks
from tests.unit.adapters.spry.organisation import (  # fmt: skip
    ADAPTER,
    Organisation,
    listening,
    normalize,
    of_today,
    with_organisation,
)

WITH = normalize()
KEY = "signature-key"


def hooked(test, **more) -> None:
    """Run a body with a receiver that is subscribed to everything."""

    async def body(place: Organisation) -> None:
        receiver = OrganisationHooks(place.config)
        runner, url = await listening(receiver, place.intake)
        place.simulator.subscriptions["1"] = {"event_types": EVENTS, "notification_url": url, "signature_key": KEY}
        try:
            await test(place)
        finally:
            await runner.cleanup()

    with_organisation(body, webhook_key="env:SPRY_HOOK_KEY", **more)


def patches(place: Organisation, kind: str) -> list:
    return [one for item in place.intake.items if item.kind == kind for one in WITH(item.body, item.context).patches]


def test_a_cancellation_of_a_known_appointment_costs_no_reading() -> None:
    """The notice says it all; the authorizations of its case are read, for their counts move."""

    async def body(place: Organisation) -> None:
        await place.poll(place.calendars)
        assert await place.simulator.change("appointment.cancelled", "5") == [200]
        (cancelled,) = patches(place, "appointment.cancelled")
        assert (cancelled.native_id, cancelled.fields) == ("5", {"status": "cancelled"})
        assert [item.kind for item in place.intake.items[120:]] == [
            "case", "insurance_card", "authorization", "appointment.cancelled",
        ]  # fmt: skip

    hooked(body)


@pytest.mark.parametrize("event", ["appointment.created", "appointment.updated", "appointment.cancelled"])
def test_an_appointment_that_is_not_known_is_read_first(event: str) -> None:
    """The calendar's row is stored before the notice that speaks of it."""

    async def body(place: Organisation) -> None:
        assert await place.simulator.change(event, "5") == [200]
        kinds = [item.kind for item in place.intake.items]
        assert kinds.index("appointment") < kinds.index(event)
        assert "5" in {one.native_id for one in patches(place, "appointment")}

    hooked(body, simulator=of_today(), days_back=366, days_ahead=366)


@pytest.mark.parametrize("event", ["case.created", "case.updated"])
def test_a_case_is_read_and_remembered(event: str) -> None:
    """Its authorizations are stored, and polling knows the case from then on."""

    async def body(place: Organisation) -> None:
        number = case_id(4)
        assert await place.simulator.change(event, number, case_title="Right knee") == [200]
        assert [one.fields["title"] for one in patches(place, "case") if one.type == "EpisodeOfCare"] == ["Right knee"]
        assert (await remembered(place.intake, TOLD)).cases == [number]
        assert "case" in {item.kind for item in await place.poll(place.cases)}

    hooked(body, doctors=["none"])


@pytest.mark.parametrize("event", ["patient.created", "patient.updated"])
def test_a_patient_is_stored_as_told(event: str) -> None:
    """There is nothing to read; the state is in the notice."""

    async def body(place: Organisation) -> None:
        told = {"organisation_id": "1", "patient_id": "7", "status": "INACTIVE"}
        assert await place.simulator.notify(event, told) == [200]
        (made,) = patches(place, event)
        assert (made.native_id, made.fields) == ("7", {"active": False})

    hooked(body)


@pytest.mark.parametrize(("key", "at", "status"), [("other", None, 401), (KEY, 1, 401), (KEY, None, 200)])
def test_a_wrong_key_and_an_old_signature_are_refused(key: str, at: int | None, status: int) -> None:
    """Nothing is stored of them."""

    async def body(place: Organisation) -> None:
        told = {"patient_id": "7", "status": "ACTIVE"}
        assert await place.simulator.notify("patient.updated", told, key=key, at=at) == [status]
        assert len(place.intake.items) == (status == 200)

    hooked(body)


@pytest.mark.parametrize(
    "signature", ["", "v1=00", "t=,v1=", "t=²,v1=00", "t=1780000000", "nonsense", "t=1780000000,v1=é"]
)
def test_a_header_that_is_no_signature_is_refused(signature: str) -> None:
    """Whatever it holds, the answer is 401; another method is 405."""

    async def receive(method: str) -> int:
        config = SpryConfig(webhook_key="env:SPRY_HOOK_KEY")
        receiver = OrganisationHooks(config, lambda: 1780000000.0)
        headers = {"x-sprypt-signature": signature}
        request = HookRequest(method=method, path="", query="", headers=headers, body=b"{}", url="https://x.example")
        return (await receiver.receive(request, None)).status

    assert asyncio.run(receive("POST")) == 401
    assert asyncio.run(receive("GET")) == 405


def test_an_api_that_is_down_makes_the_sender_come_again() -> None:
    """503 and no notice stored; sent again, it is."""

    async def body(place: Organisation) -> None:
        place.simulator.fail("error-code", 1)
        assert await place.simulator.change("case.updated", case_id(4)) == [503]
        assert place.intake.items == []
        place.intake.fail_next = 1
        assert await place.simulator.change("case.updated", case_id(4)) == [503]
        assert await place.simulator.change("case.updated", case_id(4)) == [200]

    hooked(body, retries=0)


def test_many_notices_of_one_clinic_share_readings() -> None:
    """Ten at once cost two readings of the calendars at most."""

    async def body(place: Organisation) -> None:
        place.simulator.cases.clear()
        row = place.simulator.appointments["5"]
        told = {"appointment_id": "5", "clinic_id": row["clinic_id"], "patient_id": "1", "status": "X"}
        sent = [place.simulator.notify("appointment.updated", told) for _ in range(10)]
        assert await asyncio.gather(*sent) == [[200]] * 10
        doctors = len(place.config.doctors)
        assert place.simulator.answered[200] <= 2 * doctors + 10

    hooked(body)


def test_without_a_key_there_is_no_receiver() -> None:
    """Webhooks must be set up before they are believed."""
    assert ADAPTER.hooks("north", SpryConfig()) is None
    assert ADAPTER.hooks("north", SpryConfig(webhook_key="env:SPRY_HOOK_KEY")) is not None
