"""Records of a patient become documents that can be built, and only those that should go out."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest

from gateway.model import fold
from gateway.model.appointment import Appointment
from gateway.model.authorization import Authorization
from gateway.model.charge_item import ChargeItem
from gateway.model.claim import ClaimDecision
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


def charge(minutes: int | None = 30, *, id: str = "item-1", **changed) -> Snapshot:
    """A charge that its source tells on its own."""
    item = ChargeItem(
        procedure_code="97110", modifiers=("GP",), units=Decimal(2), minutes=minutes, amount=Decimal("90.00"),
        visit="visit-1", patient="p", service_date=date(2026, 7, 1),
    )  # fmt: skip
    return snapshot(msgspec.structs.replace(item, **changed), id)


def bare(**changed) -> Snapshot:
    """The visit without its charges."""
    return snapshot(msgspec.structs.replace(VISIT.record, charges=(), **changed), "visit-1")


def test_charges_told_one_by_one_are_billed_with_their_visit():
    """What a vendor exports charge by charge makes the claim that the visit itself would; voided ones do not count."""
    void = charge(id="item-2", active=False)
    items, _ = derived(PATIENT, POLICY, bare(), charge(), void)
    whole, _ = derived(PATIENT, POLICY, VISIT)
    assert items == whole
    assert [line.procedure_code for line in items["Claim"][0].lines] == ["97110"]
    assert derived(PATIENT, POLICY, VISIT, charge(id="item-3"))[0] == whole


@pytest.mark.parametrize(("required", "billed"), [(True, False), (False, True)])
def test_units_without_minutes_are_believed_only_where_the_settings_say_so(required, billed):
    """A system that counts units itself tells no minutes: then the claim goes out, and nobody is given work by it."""
    made, _ = derived(PATIENT, POLICY, bare(), charge(None), minutes_required=required)
    assert ("Claim" in made) == billed
    assert [one.kind for one in made.get("Task", ())] == ([] if billed else ["claim-held"])


@pytest.mark.parametrize(("without", "billed"), [(False, False), (True, True)])
def test_a_visit_of_charges_alone_is_billed_where_the_settings_say_so(without, billed):
    """HL7 charges come when treatment is over and name no state."""
    visit = snapshot(msgspec.structs.replace(VISIT.record, status=None), "visit-1")
    made, _ = derived(PATIENT, POLICY, visit, without_status=without)
    assert ("Claim" in made) == billed


def test_charges_of_the_year_count_towards_the_threshold_whoever_told_them():
    """Above the year's threshold a Medicare line without KX is warned about, with charges told one by one too."""
    policy = snapshot(msgspec.structs.replace(POLICY.record, filing_indicator="MB"), "coverage-1")
    earlier = snapshot(msgspec.structs.replace(VISIT.record, charges=(), service_date=date(2026, 2, 1)), "visit-0")
    dear = charge(id="item-0", amount=Decimal("9000.00"), visit="visit-0")
    made, _ = derived(PATIENT, policy, earlier, dear, bare(), charge())
    assert any("threshold-kx" in one.reason for one in made["Task"] if one.about == "visit-1")


@pytest.mark.parametrize(
    ("changed", "lacks"),
    [
        ({"member_id": None}, "the member id"),
        ({"payer": None, "relationship": "spouse"}, "the payer and the subscriber's name"),
        ({}, None),
        ({"priority": None, "member_id": None}, None),
        ({"active": False, "member_id": None}, None),
    ],
    ids=["no member id", "no payer, no subscriber", "complete", "no further payer", "not in force"],
)
def test_a_further_policy_that_claims_cannot_name_is_one_task(changed, lacks):
    """However many visits there are, and only where claims are made; it holds none of them back."""
    whole = Coverage(patient="p", payer="payer-2", member_id="M2", priority=2)
    further = snapshot(msgspec.structs.replace(whole, **changed), "coverage-2")
    first = snapshot(msgspec.structs.replace(POLICY.record, priority=1), "coverage-1")
    made, _ = derived(PATIENT, first, further, VISIT, snapshot(VISIT.record, "visit-2"))
    assert [one.coverage for one in made["Claim"]] == ["coverage-1"] * 2
    told = [one for one in made.get("Task", ()) if one.kind == "further-policy-incomplete"]
    assert [one.about for one in told] == (["coverage-2"] if lacks else [])
    assert all(one.reason.endswith(f"lacks {lacks}.") for one in told)
    assert "Task" not in derived(PATIENT, POLICY, further)[0]


def named(id: str, plan: str | None, **fields) -> Snapshot:
    return snapshot(Coverage(patient="p", payer=f"payer-{id}", member_id=id, plan_name=plan, **fields), id)


TWO = (named("a", "BCBS"), named("b", "MCR-IL"))


def billed(made) -> list[str]:
    return [one.coverage for one in made.get("Claim", ())]


def test_nobody_is_billed_while_nothing_says_which_payer_is_first():
    """Of policies that all say nothing, or all say that they are first, none is chosen by chance: it is work."""
    for pair in (TWO, (named("a", None, priority=1), named("b", None, priority=1))):
        made, _ = derived(PATIENT, *pair, VISIT, REQUEST, documents=("claim", "authorization"))
        assert sorted(one.kind for one in made.pop("Task")) == ["claim-held", "request-held"]
        assert made == {}
    assert billed(derived(PATIENT, named("a", None), named("b", None, priority=1), VISIT)[0]) == ["b"]
    ended = named("a", None, ends_on=date(2026, 6, 30))
    assert billed(derived(PATIENT, ended, named("b", None), VISIT)[0]) == ["b"]


@pytest.mark.parametrize("order", [("bcbs", "MCR-IL"), ("Other", "MCR-IL ", "BCBS")])
def test_plan_order_says_which_payer_is_first(order):
    """The plan named earlier is billed, the other is listed as the second; a plan it does not name decides nothing."""
    made, _ = derived(PATIENT, *TWO, VISIT, REQUEST, documents=("claim", "authorization"), plan_order=order)
    first, second = ("a", "b") if order[0] == "bcbs" else ("b", "a")
    assert billed(made) == [first]
    assert {one.policy.member_id for one in made["Submission"]} == {first}
    (sent,) = (one for one in made["Submission"] if one.kind == "claim")
    assert [(one.member_id, one.priority) for one in sent.other_policies] == [(second, 2)]
    assert billed(derived(PATIENT, *TWO, named("c", "SELF"), VISIT, plan_order=order)[0]) == []


@pytest.mark.parametrize(
    ("charged", "expected"), [(("b", "b"), ["b"]), (("a", "b"), []), (("c", "c"), []), ((None, "b"), ["b"])]
)
def test_the_policy_that_the_charges_name_is_billed(charged, expected):
    """Where policies say nothing of their order and all charges of the visit name one of them, it comes first."""
    items = [
        snapshot(
            ChargeItem(
                visit="visit-1",
                patient="p",
                procedure_code=code,
                modifiers=("GP",),
                units=Decimal(1),
                minutes=15,
                amount=Decimal("45.00"),
                coverage=coverage,
            ),
            f"item-{code}",
        )
        for code, coverage in zip(("97110", "97112"), charged, strict=True)
    ]
    bare = snapshot(msgspec.structs.replace(VISIT.record, charges=()), "visit-1")
    assert billed(derived(PATIENT, *TWO, bare, *items)[0]) == expected


@pytest.mark.parametrize(
    ("changed", "lacks"),
    [({"member_id": None}, "the member id"), ({"relationship": "spouse"}, "the subscriber's name")],
)
def test_a_policy_that_cannot_be_billed_holds_the_visit(changed, lacks):
    """What the claim would lack is told before it is sent, beside everything else that is wrong with the visit."""
    policy = snapshot(msgspec.structs.replace(POLICY.record, **changed), "coverage-1")
    undiagnosed = snapshot(msgspec.structs.replace(VISIT.record, diagnoses=()), "visit-1")
    made, _ = derived(PATIENT, policy, undiagnosed)
    assert made.keys() == {"Task"}
    assert f"The policy that is billed lacks {lacks}." in made["Task"][0].reason
    assert "no-diagnosis" in made["Task"][0].reason


def test_a_visit_without_a_day_says_so():
    """The task names what the visit lacks in whole words."""
    visit = snapshot(msgspec.structs.replace(VISIT.record, service_date=None, start=None), "visit-1")
    (task,) = derived(PATIENT, POLICY, visit)[0]["Task"]
    assert task.reason == "The visit has no day of treatment. Enter the day of treatment. [no-day]"


@pytest.mark.parametrize(
    ("zone", "settings", "day"),
    [
        ("America/Chicago", {}, date(2026, 7, 1)),
        (None, {"zone": "America/Chicago"}, date(2026, 7, 1)),
        ("Australia/Sydney", {"zone": "America/Chicago"}, date(2026, 7, 2)),
        (None, {}, date(2026, 7, 2)),
    ],
)
def test_an_evening_visit_is_billed_on_the_day_of_the_clinic(zone, settings, day):
    """Half past seven in Chicago is the next day in UTC: the claim has the day on the clinic's wall."""
    start = datetime(2026, 7, 2, 0, 30, tzinfo=UTC)
    visit = snapshot(msgspec.structs.replace(VISIT.record, service_date=None, start=start, zone=zone), "visit-1")
    (billed,) = derived(PATIENT, POLICY, visit, **settings)[0]["Claim"]
    assert {line.service_date for line in billed.lines} == {day}


def test_a_claim_that_goes_once_more_says_after_which_word():
    """The decision about its number makes another version of its submission, and of no other claim's."""
    (plain,) = derived(PATIENT, POLICY, VISIT)[0]["Submission"]
    decision = ClaimDecision(
        control_number=plain.control_number, after=NOW, decided_at=NOW, decided_by="cli:kim", patient="p"
    )
    reactor = Claims()
    assert reactor.groups(snapshot(decision, "d"), ClaimsConfig()) == ("patient:p",)
    (again,) = derived(PATIENT, POLICY, VISIT, snapshot(decision, "d"))[0]["Submission"]
    assert again == msgspec.structs.replace(plain, again=NOW)
    other = snapshot(msgspec.structs.replace(decision, control_number="C9"), "d")
    assert derived(PATIENT, POLICY, VISIT, other)[0]["Submission"] == [plain]
