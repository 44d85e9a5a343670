"""Breaking the glass: more for a while, at the price of a reason, an alert and a review."""

from __future__ import annotations

import pytest

from gateway.errors import InvalidConfiguration
from gateway.flow import breakglass as flow
from gateway.flow.breakglass import Glass
from gateway.flow.clock import micros
from gateway.store.schema_people import breakglass
from tests.integration.parts import TENANT
from tests.security.conftest import OTHER, Admin

WHY = "Ambulance asks for Zelda Quux, the front desk is closed"


@pytest.fixture(autouse=True)
def nothing_broken(admin: Admin) -> None:
    """No use of another test is left."""
    admin.served.parts.store.write_sync(lambda connection: connection.execute(breakglass.delete()))


def test_the_emergency_role_opens_records_for_its_time(admin: Admin, capfd: pytest.CaptureFixture[str]) -> None:
    """An integrator sees no records, breaks the glass, sees them all, and sees none when the time is over."""
    session = admin.session(admin.somebody("integrator"))
    assert admin.ask("/records/Appointment", headers=session).status == 403
    use = admin.ask("/breakglass", method="POST", given={"reason": WHY, "minutes": 5}, headers=session)
    assert use.status == 200, use.body
    told = "".join(capfd.readouterr())
    assert "break-glass" in told
    assert "Zelda" not in told
    seen = admin.ask("/records/Appointment", headers=session).json["records"]
    assert len(seen) == 2
    record = admin.ask(f"/records/Appointment/{seen[0]['id']}", headers=session).json["record"]
    assert "reason" in record
    store = admin.served.parts.store
    store.write_sync(lambda c: c.execute(breakglass.update().values(ends_at=micros() - 1)))
    assert admin.ask("/records/Appointment", headers=session).status == 403


def test_it_can_be_given_back(admin: Admin) -> None:
    """Whoever took it may end it at once, and nobody else may."""
    session = admin.session(admin.somebody("integrator"))
    other = admin.session(admin.somebody("integrator"))
    use = admin.ask("/breakglass", method="POST", given={"reason": WHY}, headers=session).json["id"]
    assert admin.ask("/breakglass/end", method="POST", given={"id": use}, headers=other).status == 400
    assert admin.ask("/records/Appointment", headers=session).status == 200
    assert admin.ask("/breakglass/end", method="POST", given={"id": use}, headers=session).status == 200
    assert admin.ask("/records/Appointment", headers=session).status == 403


@pytest.mark.parametrize(
    "given", [{"reason": ""}, {"reason": "because"}, {"reason": "x" * 501}, {"reason": WHY, "minutes": 61}]
)
def test_a_reason_and_a_limit_are_needed(admin: Admin, given: dict[str, object]) -> None:
    """Without a reason in words, or for longer than the settings allow, nothing is broken."""
    session = admin.session(admin.somebody("integrator"))
    assert admin.ask("/breakglass", method="POST", given=given, headers=session).status == 400
    assert admin.ask("/records/Appointment", headers=session).status == 403


def test_every_use_waits_for_somebody_elses_review(admin: Admin) -> None:
    """A use stays on the list, with its reason, until another person judged it; after three days it is overdue."""
    parts = admin.served.parts
    mine = Glass(parts.store, parts.vault, parts.audit, "person:sam.lee")
    officer = Glass(parts.store, parts.vault, parts.audit, "person:ana.ruiz")
    use = mine.break_(TENANT, WHY, 5, 60)
    with pytest.raises(InvalidConfiguration, match="not over"):
        officer.review(TENANT, use.id, "justified")
    mine.end(TENANT, use.id)
    (waiting,) = officer.uses(TENANT)
    assert (waiting.reason, waiting.overdue) == (WHY, False)
    assert officer.uses(OTHER) == []
    with pytest.raises(InvalidConfiguration, match="of their own"):
        mine.review(TENANT, use.id, "justified")
    late = micros() - flow.REVIEW_SECONDS * 1_000_000 - 1
    parts.store.write_sync(lambda c: c.execute(breakglass.update().values(ends_at=late)))
    assert officer.uses(TENANT)[0].overdue
    assert parts.store.read_sync(lambda c: flow.overdue(c, TENANT, micros())) == 1
    officer.review(TENANT, use.id, "unjustified")
    assert officer.uses(TENANT) == []
    assert officer.uses(TENANT, pending=False)[0].verdict == "unjustified"
    with pytest.raises(InvalidConfiguration, match="waits for a review"):
        officer.review(TENANT, use.id, "justified")


def test_the_reason_is_sealed(admin: Admin) -> None:
    """What was written as a reason is not readable in the database."""
    parts = admin.served.parts
    Glass(parts.store, parts.vault, parts.audit, "person:sam.lee").break_(TENANT, WHY, 5, 60)
    (row,) = parts.store.read_sync(lambda c: c.execute(breakglass.select()).fetchall())
    assert b"Zelda" not in b"".join(str(value).encode() if not isinstance(value, bytes) else value for value in row)
