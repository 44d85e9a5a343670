"""A practice system that speaks HL7 v2: writes the messages of a made-up clinic's day and sends them over MLLP.

It behaves like a careful sender: one message at a time, the next after its acknowledgement, and after a silence or a
lost connection the same message again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from gateway.errors import SourceUnavailable
from gateway.testing.ports import free_port
from gateway.testing.synthetic_clinic import SyntheticClinic, SyntheticPerson, SyntheticVisit, synthetic_clinic
from gateway.wire.hl7 import escape
from gateway.wire.hl7_header import peek
from gateway_hl7.simulator_sender import Sender

_EVENTS = {
    "booked": ("S12", "Booked"),
    "arrived": ("S14", "Arrived"),
    "cancelled": ("S15", "Cancelled"),
    "no-show": ("S26", "Noshow"),
}


def clinic_day(seed: int = 1, *, patients: int = 60, visits: int = 120, merges: int = 1) -> list[bytes]:
    """The messages of one clinic: registrations, bookings, what became of them, and merges of double registrations.

    The same arguments always give the same messages; each has a control id of its own.
    """
    clinic = synthetic_clinic(seed, patients=patients, visits=visits)
    return _encoded(_FrontDesk(clinic, seed).day(merges))


class _FrontDesk:
    """Writes messages in the order in which a day's events happen, each a second after the last."""

    def __init__(self, clinic: SyntheticClinic, seed: int) -> None:
        self._clinic = clinic
        self._seed = seed
        self._number = 0
        self._clock = min((visit.booked_at for visit in clinic.visits), default=datetime(2026, 1, 5, 8, tzinfo=UTC))

    def day(self, merges: int) -> Iterator[str]:
        doubles = self._clinic.patients[:merges]
        for patient in self._clinic.patients:
            yield self._adt("A04", patient, _number(patient.key), "PV1|1|O")
        for patient in doubles:
            yield self._adt("A04", patient, _number(patient.key, double=True), "PV1|1|O")
        for visit in self._clinic.visits:
            yield self._siu("S12", "Booked", visit)
        for visit in self._clinic.visits:
            if visit.outcome != "booked":
                yield self._siu(*_EVENTS[visit.outcome], visit)
        for patient in doubles:
            prior = _number(patient.key, double=True)
            yield self._adt("A40", patient, _number(patient.key), f"MRG|{prior}")

    def upgraded(self) -> Iterator[str]:
        """What the desk sends after its system was upgraded: everybody anew, birth dates with the day in front."""
        for patient in self._clinic.patients:
            moved, born = replace(patient, street=f"{patient.street} West"), patient.birth_date
            message = self._adt("A08", moved, _number(patient.key), "PV1|1|O")
            yield message.replace(f"|{born:%Y%m%d}|", f"|{born:%d/%m/%Y}|", 1)

    def _msh(self, event: str, structure: str) -> str:
        self._number += 1
        self._clock += timedelta(seconds=1)
        return (
            f"MSH|^~\\&|PRACTICE|NORTHSIDE|GATEWAY|HUB|{_ts(self._clock)}||{event}^{structure}"
            f"|{self._seed:04d}{self._number:08d}|P|2.5.1|||AL|NE|USA|UNICODE UTF-8"
        )

    def _adt(self, event: str, person: SyntheticPerson, number: str, last: str) -> str:
        msh = self._msh(f"ADT^{event}", "ADT_A39" if event == "A40" else "ADT_A01")
        return _message(msh, f"EVN|{event}|{_ts(self._clock)}", _pid(person, number), last)

    def _siu(self, event: str, status: str, visit: SyntheticVisit) -> str:
        clinic = self._clinic
        patient, therapist = clinic.patients[visit.patient - 1], clinic.therapists[visit.therapist - 1]
        place = clinic.places[visit.place - 1]
        who = f"T{therapist.key}^{escape(therapist.family)}^{escape(therapist.given)}"
        start, end = f"{visit.start:%Y%m%d%H%M%S}", f"{visit.end:%Y%m%d%H%M%S}"
        reason = escape(visit.cancel_reason) if event == "S15" else "ROUTINE"
        minutes = int((visit.end - visit.start).total_seconds()) // 60
        kind = escape(visit.kind)
        return _message(
            self._msh(f"SIU^{event}", "SIU_S12"),
            f"SCH|P{visit.key}|V{visit.key}||||{reason}||^{kind}|{minutes}|min|^^{minutes}^{start}^{end}"
            f"|||||{who}||||{who}|||||{status}",
            _pid(patient, _number(patient.key)),
            f"PV1|1|O|P{place.key}^GYM||||{who}",
            "RGS|1",
            f"AIS|1||{kind}|{start}",
            f"AIL|1||P{place.key}^GYM^^{escape(place.name)}",
            f"AIP|1||{who}",
        )  # fmt: skip


def _message(*segments: str) -> str:
    return "\r".join(segments) + "\r"


def _number(key: int, *, double: bool = False) -> str:
    """PID-3 or MRG-1: the medical record number; a patient registered twice has a second one."""
    return f"{(900_000 if double else 100_000) + key}^^^PRACTICE^MR"


def _pid(person: SyntheticPerson, number: str) -> str:
    area, local = person.phone[1:4], person.phone[6:].replace("-", "")
    return (
        f"PID|1||{number}||{escape(person.family)}^{escape(person.given)}^^^^^L||{person.birth_date:%Y%m%d}"
        f"|{person.sex[0].upper()}|||{escape(person.street)}^^{escape(person.city)}^{person.state}"
        f"^{person.postal_code}^USA^H||^PRN^CP^^1^{area}^{local}~^NET^Internet^{escape(person.email)}||en"
    )


def _ts(moment: datetime) -> str:
    return f"{moment:%Y%m%d%H%M%S%z}"


async def send_day(
    host: str,
    port: int,
    messages: Sequence[bytes],
    on_ack: Callable[[str, str], None] | None = None,
    *,
    pause: float = 0.0,
    timeout: float = 30.0,
    attempts: int = 10,
) -> int:
    """Send messages over one connection, each after the acknowledgement of the one before.

    Args:
        host: where the listener is.
        port: its port.
        messages: unframed messages, in the order to send.
        on_ack: told the control id and the acknowledgement code of each answer.
        pause: seconds between two messages.
        timeout: seconds to wait for an answer before sending again.
        attempts: how often one message is sent before giving up.

    Returns:
        How many were acknowledged AA or CA.

    Raises:
        SourceUnavailable: no answer after ``attempts``.
    """
    accepted = 0
    sender = Sender(host, port, timeout)
    try:
        for message in messages:
            code = await sender.deliver(message, attempts)
            accepted += code in {"AA", "CA"}
            if on_ack is not None:
                on_ack(peek(message).control_id, code)
            if pause:
                await asyncio.sleep(pause)
    finally:
        await sender.hang_up()
    return accepted


class _Hospital:
    """A practice system as ``gateway simulate`` runs it: sends one clinic's day, then stays silent.

    A sender has no port of its own: ``port`` is where the gateway listens for it.
    """

    name = "hl7"
    summary = "A practice system that sends SIU and ADT messages over MLLP to the port where the gateway listens."
    faults: Mapping[str, str] = {"repeats": "sends every tenth message twice"}
    events: Mapping[str, str] = {"drift": "everybody's registration is sent anew, birth dates with the day in front"}

    async def serve(
        self, *, host: str, port: int, seed: int, clinic_size: int, faults: Sequence[str],
        opened: Callable[[Mapping[str, str]], None],
    ) -> None:  # fmt: skip
        """Send the day, waiting for the listener as long as it takes, then wait for an event."""
        port = port or free_port(host)
        desk = _FrontDesk(synthetic_clinic(seed, patients=clinic_size, visits=2 * clinic_size), seed)
        self._upgraded = asyncio.Event()
        opened({"host": host, "port": str(port)})
        await _deliver(host, port, list(_spoiled(_encoded(desk.day(1)), faults)))
        await self._upgraded.wait()
        await _deliver(host, port, _encoded(desk.upgraded()))
        await asyncio.Event().wait()

    def happen(self, event: str) -> None:
        """Let one of the events happen at the clinic served now, once its day has been sent."""
        if event in self.events:
            self._upgraded.set()


def _encoded(messages: Iterable[str]) -> list[bytes]:
    return [message.encode("utf-8") for message in messages]


async def _deliver(host: str, port: int, messages: Sequence[bytes]) -> None:
    """Send all, waiting for the listener as long as it takes."""
    sent = 0

    def acknowledged(_control_id: str, _code: str) -> None:
        nonlocal sent
        sent += 1

    while sent < len(messages):
        with contextlib.suppress(SourceUnavailable):  # nobody listens yet
            await send_day(host, port, messages[sent:], acknowledged)


def _spoiled(messages: Sequence[bytes], faults: Sequence[str]) -> Iterator[bytes]:
    for number, message in enumerate(messages, 1):
        yield message
        if number % 10 == 0 and "repeats" in faults:
            yield message


SIMULATORS = (_Hospital(),)
