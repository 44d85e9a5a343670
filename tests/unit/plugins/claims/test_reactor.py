"""Records of a patient become documents that can be built, and only those that should go out."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest

from gateway.model import fold
from gateway.model.appointment import Appointment
from gateway.model.authorization import Authorization
from gateway.model.coverage import Coverage
from gateway.model.exchange import Snapshot
from gateway.model.patient import Address, ContactPoint, Patient, PersonName
from gateway.model.visit import Charge, Visit
from gateway_claims.config import ClaimsConfig
from gateway_claims.reactor import Claims
from gateway_clearinghouse.translate_270 import eligibility
from gateway_clearinghouse.translate_278 import authorization
from gateway_clearinghouse.translate_837 import claim
from tests.unit.plugins.clearinghouse.submissions import AT, PARTIES

NOW = datetime(2026, 7, 16, 12, tzinfo=UTC)


def snapshot(record, id: str) -> Snapshot:
    return Snapshot(
        type=type(record).__name__, record_id=id, source="s", version=1, removed=False, patient="p",
        at="2026-07-14T12:00:00Z", observed_at="2026-07-14T12:00:00Z", record=record,
    )  # fmt: skip


PATIENT = snapshot(
    Patient(
        name=PersonName(family="Tester", given="Alice"), birth_date=date(1980, 1, 1), sex="female",
        contacts=(ContactPoint(system="phone", value="555"),),
        addresses=(Address(lines=("9 Test Rd",), city="Springfield", state="IL", postal_code="62702"),),
    ),
    "p",
)  # fmt: skip
POLICY = snapshot(Coverage(patient="p", payer="payer-1", member_id="M1", relationship="self"), "coverage-1")
VISIT = snapshot(
    Visit(
        service_date=date(2026, 7, 1), status="signed", patient="p", practitioner="t", location="l",
        diagnoses=("M54.50",),
        charges=(
            Charge(procedure_code="97110", modifiers=("GP",), units=Decimal(2), minutes=30, amount=Decimal("90.00")),
        ),
    ),
    "visit-1",
)  # fmt: skip
APPOINTMENT = snapshot(Appointment(start=NOW + timedelta(days=2), status="booked", patient="p"), "appointment-1")
REQUEST = snapshot(
    Authorization(status="requested", patient="p", payer="payer-1", visits_approved=12, starts_on=date(2026, 7, 1)),
    "authorization-1",
)  # fmt: skip


def derived(*members: Snapshot, now: datetime = NOW, **settings):
    derivation = Claims().derive("patient:p", members, ClaimsConfig(**settings), now)
    made: dict[str, list[msgspec.Struct]] = {}
    for one in derivation.records:
        record = fold(one.type, None, msgspec.json.decode(msgspec.json.encode(one.fields)))
        made.setdefault(one.type, []).append(record)
    return made, derivation.again


def test_a_signed_visit_becomes_a_claim_that_can_be_built():
    """The submission holds all that the 837P needs, under the number that the claim has, and no telephone."""
    made, _ = derived(PATIENT, POLICY, VISIT)
    (submission,), (billed,) = made["Submission"], made["Claim"]
    assert submission.control_number == billed.control_number
    assert submission.claim == billed
    assert submission.subject.contacts == ()
    assert claim(submission, PARTIES, AT).id == "837"
    assert derived(VISIT, POLICY, PATIENT) == derived(PATIENT, POLICY, VISIT)


@pytest.mark.parametrize(
    ("members", "settings"),
    [
        ((PATIENT, POLICY, msgspec.structs.replace(VISIT, removed=True)), {}),
        ((PATIENT, POLICY, snapshot(msgspec.structs.replace(VISIT.record, status="finished"), "v")), {}),
        ((POLICY, VISIT), {}),
        ((PATIENT, POLICY, VISIT), {"documents": ("eligibility",)}),
    ],
    ids=["removed", "not signed", "no patient", "not wanted"],
)
def test_what_is_not_ready_is_not_sent(members, settings):
    """Nothing is derived from a visit before its time."""
    assert derived(*members, **settings)[0] == {}


def test_a_visit_that_fails_the_scrub_is_work_instead():
    """The task names rule, line and cure, and the money that waits."""
    bad = snapshot(
        msgspec.structs.replace(
            VISIT.record, charges=(msgspec.structs.replace(VISIT.record.charges[0], modifiers=()),)
        ),
        "visit-1",
    )
    made, _ = derived(PATIENT, POLICY, bad)
    assert made.keys() == {"Task"}
    (task,) = made["Task"]
    assert task.money == Decimal("90.00")
    assert "modifier-discipline" in task.reason
    assert derived(PATIENT, VISIT)[0]["Task"][0].reason.startswith("The visit has no policy")


def test_an_authorization_that_covers_the_day_travels_with_the_claim():
    """REF*G1 is the number of the payer's own authorization for that day."""
    held = snapshot(Authorization(status="approved", number="AUTH9", payer="payer-1"), "authorization-2")
    made, _ = derived(PATIENT, POLICY, VISIT, held, authorization_required=("",))
    assert made["Claim"][0].authorization_number == "AUTH9"
    assert derived(PATIENT, POLICY, VISIT, authorization_required=("",))[0].keys() == {"Task"}


def test_a_policy_is_asked_about_before_the_first_visit_of_a_month():
    """Three days before and not sooner; the same number however often it is derived; a month later another."""
    made, again = derived(PATIENT, POLICY, APPOINTMENT)
    (asked,) = made["Submission"]
    assert eligibility(asked, PARTIES, AT).id == "270"
    assert again is None
    early, again = derived(PATIENT, POLICY, APPOINTMENT, now=NOW - timedelta(days=5))
    assert early == {}
    assert again == NOW - timedelta(days=1)
    later = snapshot(Appointment(start=NOW + timedelta(days=33), status="booked", patient="p"), "appointment-2")
    both, _ = derived(PATIENT, POLICY, APPOINTMENT, later, now=NOW + timedelta(days=31))
    assert len({one.control_number for one in both["Submission"]}) == 2


def test_a_request_for_an_authorization_goes_out():
    """What the clinic's system marks as requested is asked of its payer."""
    made, _ = derived(PATIENT, POLICY, REQUEST)
    (asked,) = made["Submission"]
    assert asked.payer == "payer-1"
    assert authorization(asked, PARTIES, AT).id == "278"
