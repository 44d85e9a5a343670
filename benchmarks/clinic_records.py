"""A store of many records, written in bulk through the vault and the journal as normalization writes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import msgspec

from benchmarks.house import EHR, TENANT
from gateway.bootstrap import Gateway
from gateway.flow.clock import micros
from gateway.flow.lanes import journal_lane
from gateway.flow.merge import Stored
from gateway.flow.places import change_place
from gateway.store import journal

SEED = 20260714
STATUSES = ("booked",) * 8 + ("completed",) * 8 + ("cancelled", "no-show", "confirmed", "arrived")
FIRST_DAY = datetime(2024, 1, 1, 14, tzinfo=UTC)
DAYS = 1000
OF_A_PATIENT = 20
"""The patient's own record, and the appointments."""
AT_ONCE = 250
"""Patients in one commit."""
_encode = msgspec.json.Encoder().encode
Record = tuple[str, str, str, dict[str, Any]]
"""Type, native id, native id of the patient, fields."""
Beside = Callable[[Any, list[dict[str, Any]]], None]
"""What is written in the same commit, given its connection and the rows of the journal."""


def records(gateway: Gateway, patients: range, visits: int = OF_A_PATIENT - 1) -> Iterator[Record]:
    """A patient and the appointments, for each number."""
    place = gateway.vault.record_id(TENANT, EHR, "Location", "l1")
    therapist = gateway.vault.record_id(TENANT, EHR, "Practitioner", "t1")
    for number in patients:
        draw, patient = Random(SEED + number), f"p{number}"
        id = gateway.vault.record_id(TENANT, EHR, "Patient", patient)
        yield "Patient", patient, patient, {
            "identifiers": [{"value": f"MRN{number:08d}", "type": "MR", "authority": "urn:oid:1.2.3"}],
            "name": {"family": f"Family{number % 977}", "given": f"Given{number % 389}"},
            "birth_date": f"{1935 + number % 70}-{1 + number % 12:02d}-{1 + number % 28:02d}", "sex": "female",
            "contacts": [{"system": "phone", "value": f"555-{number % 10_000_000:07d}", "use": "home"}],
        }  # fmt: skip
        for visit in range(visits):
            start = FIRST_DAY + timedelta(days=draw.randrange(DAYS), minutes=30 * draw.randrange(18))
            yield "Appointment", f"a{number}-{visit}", patient, {
                "start": start.isoformat(), "end": (start + timedelta(minutes=45)).isoformat(),
                "zone": "America/Chicago", "status": draw.choice(STATUSES), "minutes": 45, "type": "treatment",
                "reason": "knee", "patient": id, "practitioner": therapist, "location": place,
                "visit_number": f"V{number:08d}{visit:02d}",
            }  # fmt: skip


def seed(gateway: Gateway, count: int) -> int:
    """Write about ``count`` records; how many there are."""
    patients = max(1, count // OF_A_PATIENT)
    for some in parts(patients, AT_ONCE):
        write(gateway, list(records(gateway, some)))
    return patients * OF_A_PATIENT


def parts(count: int, most: int) -> Iterable[range]:
    """All numbers below ``count``, so many at a time."""
    return (range(first, min(first + most, count)) for first in range(0, count, most))


def write(gateway: Gateway, some: list[Record], beside: Beside = lambda *_: None) -> None:
    """New records in one commit."""
    submit(gateway, some, beside).result()


def submit(gateway: Gateway, some: list[Record], beside: Beside) -> Future[None]:
    """New records for the next commit: the caller may seal others while the store writes these."""
    vault, now = gateway.vault, micros()
    owners = {native: id_of(gateway, "Patient", native) for native in dict.fromkeys(native for _, _, native, _ in some)}
    keys = vault.keystore.ensure_patients(TENANT, owners.values())
    rows = []
    for type, native, of, fields in some:
        record, patient = id_of(gateway, type, native), owners[of]
        body = _encode(Stored(native, msgspec.Raw(_encode(fields))))
        box = vault.seal(keys[patient], change_place(TENANT, record, 1), body)
        rows.append(
            {
                "tenant": TENANT, "lane": journal_lane(EHR, patient), "position": 0, "kind": "created",
                "record_id": record, "type": type, "source": EHR, "version": 1, "patient": patient, "location": None,
                "message_id": 0, "mapping": None, "adapter": "bench", "at": now, "observed_at": now,
                "partner_lane": None, "partner_position": None, "left_location": None,
                "key_id": box.key_id, "wrapped": box.wrapped, "box": box.box,
                "content": vault.digest(TENANT, body)[:16],
            }
        )  # fmt: skip

    def unit(connection: Any) -> None:
        lanes = {row["lane"] for row in rows}
        heads = journal.lock_heads(connection, TENANT, lanes)
        for row in rows:
            row["position"] = heads[row["lane"]] = heads[row["lane"]] + 1
        new = [{name: row[name] for name in _OF_HEAD} | {"source_version": "", "removed": False} for row in rows]
        told = [{name: value for name, value in row.items() if name != "content"} for row in rows]
        journal.append(connection, TENANT, told, {lane: heads[lane] for lane in lanes})
        journal.put_records(connection, new, [])
        beside(connection, told)

    return gateway.store.submit(unit)


_OF_HEAD = ("tenant", "record_id", "type", "source", "version", "content", "patient", "lane", "position")


def id_of(gateway: Gateway, type: str, native: str) -> bytes:
    """A record's id by its native id."""
    return UUID(gateway.vault.record_id(TENANT, EHR, type, native)).bytes
