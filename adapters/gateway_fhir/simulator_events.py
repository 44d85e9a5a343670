"""What happens at the simulated server when a certification, or anyone else, asks for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from gateway.testing.simulated_api import CLOCK, LISTS
from gateway_fhir.simulator_clinic import utc


def _move(api: Any) -> None:
    """The appointment changed longest ago is moved by a week."""
    row = min(api.tables["Appointment"].values(), key=lambda one: str(one["meta"]["lastUpdated"]))
    week = {name: utc(datetime.fromisoformat(row[name]) + timedelta(days=7)) for name in ("start", "end")}
    api.touch("Appointment", row["id"], **week)


def _delete(api: Any) -> None:
    """Only an export tells what is gone."""
    api.remove("Appointment", next(iter(api.tables["Appointment"])))


def _vanish(api: Any) -> None:
    for type in ("Appointment", "Patient"):
        api.forget(type, next(iter(api.tables[type])))


def _drift(api: Any) -> None:
    """Every appointment moves by a day; some have a status that FHIR does not know, and the type is mere text."""
    for number, (id, row) in enumerate(api.tables["Appointment"].items()):
        day = {name: utc(datetime.fromisoformat(row[name]) + timedelta(days=1)) for name in ("start", "end")}
        new = {"status": "rescheduled"} if number % 3 == 0 else {}
        api.touch("Appointment", id, appointmentType=row["appointmentType"]["text"], **day, **new)


EVENTS: Mapping[str, tuple[str, Callable[[Any], object]]] = {
    "update": ("an appointment is moved", _move),
    "remove": ("an appointment is deleted", _delete),
    "drift": ("appointments have a new status and an element of another type", _drift),
    "vanish": ("an appointment and a patient end without a trace", _vanish),
    "subscriptions-end": ("the server switches its subscriptions off", lambda api: api.subscriptions.end("off")),
    "heartbeat": ("every subscriber to a topic gets its heartbeat now", lambda api: api.subscriptions.beat()),
    **CLOCK,
    **LISTS,
}
