"""What left: the accounting of one patient, and the breach pack of one door, agree with the ledger."""

from __future__ import annotations

import os
from uuid import UUID

from sqlalchemy import Connection, delete

from gateway.flow.clock import micros
from gateway.flow.disclosed import accounting, breach
from gateway.flow.ledger import recount_deliveries
from gateway.store import deliveries, reading, recount, reviewing
from gateway.store.schema import deliveries as delivery_rows
from tests.integration.parts import TENANT, Parts, Written, appointment, deliver_all, message, patient
from tests.measuring import least

EVER = 2**62
SCALE = float(os.environ.get("GATEWAY_FAULT_SCALE", "1"))


def sent(parts: Parts) -> None:
    """Two patients with an appointment of the first, delivered on two routes, the second with patients only."""
    parts.take(message(patient("p1", "A"), appointment("a1", "p1")), message(patient("p2", "B")))
    deliver_all(parts.delivering(Written()))
    deliver_all(parts.delivering(Written(), name="bills", recipient="billing company", purpose="payment"))


def test_the_accounting_has_date_recipient_what_and_purpose(parts: Parts) -> None:
    """Every delivery of one patient is a line of the accounting, oldest first, within the period that was asked for."""
    before = micros()
    sent(parts)
    owner = parts.record("Patient", "p1")
    found = parts.store.read_sync(lambda c: list(accounting(c, TENANT, owner, 0, EVER)))
    assert [(one.recipient, one.purpose, one.type) for one in found] == [
        ("front desk", "operations", "Patient"), ("front desk", "operations", "Appointment"),
        ("billing company", "payment", "Patient"), ("billing company", "payment", "Appointment"),
    ]  # fmt: skip
    assert all(one.fields and one.receipt and one.at for one in found)
    assert parts.store.read_sync(lambda c: list(accounting(c, TENANT, owner, 0, before))) == []


def test_a_lane_is_recounted_alone(parts: Parts) -> None:
    """The recount behind one patient's list sees that a delivery of theirs is missing, and reads one lane only."""
    sent(parts)
    owner = parts.record("Patient", "p1")
    lane = parts.store.read_sync(lambda c: reviewing.lane_of(c, TENANT, owner))
    assert lane is not None
    assert parts.store.read_sync(lambda c: recount_deliveries(c, TENANT, lane)) == []
    gone = delete(delivery_rows).where(delivery_rows.c.patient == owner, delivery_rows.c.route == "bills")
    parts.store.write_sync(lambda c: c.execute(gone))
    assert {one.rule for one in parts.store.read_sync(lambda c: recount_deliveries(c, TENANT, lane))} == {
        "change-accounted"
    }
    other = (lane + 1) % 64
    assert parts.store.read_sync(lambda c: recount_deliveries(c, TENANT, other)) == []


def test_one_patients_pages_are_recounted_alone(parts: Parts) -> None:
    """A page that the audit log names and no disclosure row tells of is a problem of its patient, and of no other."""
    first, second, noise = (str(UUID(int=number)) for number in (1, 2, 3))
    shown = parts.audit.entry(
        TENANT, action="read", actor="client:desk", purpose="operations", patients=[first, second], pages=[71]
    )
    other = parts.audit.entry(TENANT, action="read", actor="someone", purpose="operations", patients=[first, noise])
    told = {
        "tenant": TENANT, "page": 71, "patient": UUID(int=1).bytes, "client": "desk", "records": 1, "types": "Patient",
        "view": bytes(32), "recipient": "desk", "purpose": "operations", "at": micros(),
    }  # fmt: skip

    def unit(connection: Connection) -> None:
        parts.audit.append(connection, shown)
        parts.audit.append(connection, other)
        reading.disclose(connection, [told])

    parts.store.write_sync(unit)
    found = [
        {one.rule for one in parts.store.read_sync(lambda c, n=n: recount_deliveries(c, TENANT, 0, UUID(int=n).bytes))}
        for n in (1, 2, 3)
    ]
    assert found == [{"view-kept"}, {"shown-is-disclosed"}, set()]
    bodies = parts.store.read_sync(lambda c: list(recount.page_bodies(c, TENANT)))
    assert bodies == [shown.body]


def test_a_breach_pack_names_patients_and_fields(parts: Parts) -> None:
    """A route's pack has exactly its patients, fields and deliveries; its counts are the ledger's."""
    sent(parts)
    pack = parts.store.read_sync(lambda c: breach(c, TENANT, route="bills", client=None, since=0, until=EVER // 2**8))
    ledger = {one.route: one.delivered for one in parts.ledger().routes}
    assert (pack.deliveries, pack.reconciled, ledger["bills"]) == (3, True, 3)
    wanted = {str(UUID(bytes=parts.record("Patient", name))) for name in ("p1", "p2")}
    assert {one.patient for one in pack.patients} == wanted
    assert all(one.recipients == ("billing company",) for one in pack.patients)
    assert {"name", "start", "status", "patient"} >= set(pack.fields) >= {"name", "start"}
    nothing = parts.store.read_sync(lambda c: breach(c, TENANT, route="bills", client=None, since=0, until=1))
    assert (nothing.deliveries, nothing.patients) == (0, [])


def test_a_pack_that_does_not_reconcile_says_so(parts: Parts) -> None:
    """A delivery row that was doubled behind the gateway's back makes pack and ledger differ."""
    sent(parts)
    (row, *_) = parts.store.read_sync(
        lambda c: list(reviewing.sent_to(c, TENANT, parts.record("Patient", "p1"), 0, EVER))
    )
    again = {name: getattr(row, name) for name in deliveries.COLUMNS} | {"attempt": 7}
    parts.store.write_sync(lambda c: deliveries.add(c, [again]))
    pack = parts.store.read_sync(lambda c: breach(c, TENANT, route=None, client=None, since=0, until=EVER // 2**8))
    assert (pack.deliveries, pack.ledger_deliveries, pack.reconciled) == (7, 6, False)


def test_one_patients_accounting_is_quick_among_many(parts: Parts) -> None:
    """Among 20,000 deliveries (times GATEWAY_FAULT_SCALE) one patient's list takes well under a second."""
    sent(parts)
    owner = parts.record("Patient", "p1")
    (row, *_) = parts.store.read_sync(lambda c: list(reviewing.sent_to(c, TENANT, owner, 0, EVER)))
    like = {name: getattr(row, name) for name in deliveries.COLUMNS}
    count = int(20_000 * SCALE)
    for first in range(0, count, 5000):
        more = [
            like | {"route": "past", "position": at, "patient": at.to_bytes(16, "big")}
            for at in range(first, min(count, first + 5000))
        ]
        parts.store.write_sync(lambda c, rows=more: deliveries.add(c, rows))
    found: list[object] = []

    def listed() -> None:
        found[:] = parts.store.read_sync(lambda c: list(accounting(c, TENANT, owner, 0, EVER)))

    took = least(listed, enough=1.0)
    print(f"accounting of one patient among {count} deliveries: {took * 1000:.1f} ms")
    assert (len(found), took <= 1.0) == (4, True)
