"""Patients and their telephones: who gets a reminder, who says STOP, whose visit is cancelled in time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from gateway.errors import SourceUnavailable
from gateway_demo.config import OWN_NUMBER
from gateway_demo.simulator_clinic import PHONES, Eastside
from gateway_twilio.simulator import TwilioSimulator

AHEAD = timedelta(hours=22)
"""A visit so far ahead has a reminder that is due already."""
CANCEL_SECONDS = 12.0
"""Seconds until the reminder of the visit that will be cancelled is due, or what the first texts took, if longer."""


async def play_texts(clinic: Eastside, twilio: TwilioSimulator, hooks: str, withdrawn: Callable[[], bool]) -> None:
    """Three visits are booked; then a STOP, a confirmation and a cancellation come in, and two more visits.

    ``withdrawn`` tells when the gateway has made a withdrawn consent of the STOP: only then are more visits booked.
    """
    begun = datetime.now(UTC)
    for patient in ("r1", "r2"):
        clinic.book(patient, begun + AHEAD)
    while not (sent(twilio, "r1") and sent(twilio, "r2")):  # noqa: ASYNC110 - the simulator sends no event
        await asyncio.sleep(0.1)
    booked = datetime.now(UTC)
    wait = max(CANCEL_SECONDS, (booked - begun).total_seconds())
    due = booked + timedelta(seconds=wait)
    cancelled = clinic.book("r3", due + timedelta(hours=24))
    await asyncio.sleep(wait / 3)  # the gateway has seen the booking, and has time to see this
    clinic.touch("Appointment", cancelled, status="cancelled")
    await _heard(await twilio.receive(f"{hooks}/sms", PHONES["r1"], OWN_NUMBER, "Stop"))
    await _heard(await twilio.receive(f"{hooks}/sms", PHONES["r2"], OWN_NUMBER, "C"))
    for message in [one for one in twilio.messages if one["to"] in PHONES.values()]:
        await _heard(await twilio.report(message, "delivered"))
    twilio.stopped.clear()  # from here on nothing but the gateway's own memory keeps a text back
    while not await asyncio.to_thread(withdrawn):  # noqa: ASYNC110 - a look at the journal, which sends no event
        await asyncio.sleep(0.2)
    for patient in ("r1", "r2"):
        clinic.book(patient, begun + AHEAD - timedelta(hours=1), "second")
    while sent(twilio, "r2") < 2:  # noqa: ASYNC110 - as above
        await asyncio.sleep(0.1)
    await asyncio.sleep(max(0.0, (due - datetime.now(UTC)).total_seconds()) + 1.0)


def sent(twilio: TwilioSimulator, patient: str) -> int:
    """How many texts a patient got."""
    return sum(one["to"] == PHONES[patient] for one in twilio.messages)


async def _heard(status: int) -> None:
    if status >= 300:
        raise SourceUnavailable(f"The gateway answered a callback with {status}", where="hooks")
