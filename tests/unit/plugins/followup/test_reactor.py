"""Claims after they were sent: history, questions, alarms and second payers, each at its time."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest

from gateway.model import fold
from gateway.model.claim import Claim, ClaimLine, ClaimStatus, ClaimStatusReport, Transmission
from gateway.model.coverage import Coverage
from gateway.model.exchange import Derivation, Snapshot
from gateway.model.patient import Patient, PersonName
from gateway.model.remittance import Adjustment, ClaimPayment, ServiceLine
from gateway.model.submission import Submission
from gateway_followup.config import FollowUpConfig
from gateway_followup.reactor import FollowUps
from gateway_followup.translate_decided import numbers

SENT = datetime(2026, 7, 1, 12, tzinfo=UTC)
FIRST = Coverage(member_id="M1", payer="payer-1", filing_indicator="MB", priority=1)
SECOND = Coverage(member_id="M2", payer="payer-2", priority=2)
LINES = (
    ClaimLine(procedure_code="97110", charge=Decimal("150.00"), line_control_number="C101"),
    ClaimLine(procedure_code="97140", charge=Decimal("100.00"), line_control_number="C102"),
)
DRAFT = Claim(control_number="C1", patient="patient-1", charge=Decimal("250.00"), lines=LINES, diagnoses=("M54.50",))
COPY = msgspec.structs.replace(
    DRAFT, patient="payer-patient", transmission=Transmission(interchange="000000007", group="7", transaction="0001")
)
SUBMISSION = Submission(
    kind="claim", control_number="C1", patient="patient-1", payer="payer-1", location="location-1",
    subject=Patient(name=PersonName(family="Test", given="Tina"), birth_date=date(1980, 1, 1)), policy=FIRST,
    other_policies=(SECOND,), claim=DRAFT,
)  # fmt: skip
REACTOR = FollowUps()


def snapshot(record, *, days: float = 0, number: int = 1, source: str = "x12") -> Snapshot:
    at = (SENT + timedelta(days=days)).isoformat()
    return Snapshot(
        type=type(record).__name__, record_id=f"{type(record).__name__}-{number}", source=source, version=1,
        removed=False, patient=getattr(record, "patient", None), at=at, observed_at=at, record=record,
    )  # fmt: skip


MADE = (snapshot(SUBMISSION, source="reactor.claims"), snapshot(COPY))


def report(outcome: str, *, days: float, number: int = 1, document: str = "277CA") -> Snapshot:
    record = ClaimStatusReport(
        report=document, level="claim", outcome=outcome, control_number="C1",
        statuses=(ClaimStatus(category="A2", code="20"),), payer_claim_number="P77",
    )  # fmt: skip
    return snapshot(record, days=days, number=number)


def paid(*, days: float = 10, number: int = 1, **changed) -> Snapshot:
    record = ClaimPayment(
        status="processed-primary", charge=Decimal("250.00"), paid=Decimal("120.00"), patient_control_number="C1",
        payer_claim_number="P77", paid_on=date(2026, 7, 11),
        lines=(
            ServiceLine(
                procedure_code="97110", charge=Decimal("150.00"), paid=Decimal("120.00"), line_control_number="C101",
                adjustments=(Adjustment(group="PR", reason="2", amount=Decimal("30.00")),),
            ),
            ServiceLine(
                procedure_code="97140", charge=Decimal("100.00"), paid=Decimal("0.00"), line_control_number="C102",
                adjustments=(Adjustment(group="CO", reason="45", amount=Decimal("100.00")),),
            ),
        ),
    )  # fmt: skip
    return snapshot(msgspec.structs.replace(record, **changed), days=days, number=number)


def derived(*members: Snapshot, days: float, key: str = "claim:C1", **settings) -> Derivation:
    config = FollowUpConfig.model_validate(settings)
    derivation = REACTOR.derive(key, members, config, SENT + timedelta(days=days))
    for one in derivation.records:
        fold(one.type, None, msgspec.json.decode(msgspec.json.encode(one.fields)))
    return derivation


def of(derivation: Derivation, type_: str) -> list[dict]:
    return [one.fields for one in derivation.records if one.type == type_]


def test_the_history_is_every_answer_in_the_order_they_came():
    """Sent, accepted, pending, paid: the newest says where the claim stands, whatever order members come in."""
    members = [*MADE, report("accepted", days=1), report("pending", days=5, number=2, document="277"), paid()]
    first, second = derived(*members, days=11), derived(*reversed(members), days=11)
    assert first == second
    (progress,) = of(first, "ClaimProgress")
    assert [(one["document"], one["outcome"]) for one in progress["history"]] == [
        ("837", "sent"), ("277CA", "accepted"), ("277", "pending"), ("835", "paid"),
    ]  # fmt: skip
    assert (progress["state"], progress["payer_claim_number"], progress["patient"]) == ("paid", "P77", "patient-1")


def test_a_draft_is_not_followed():
    """What was never sent is not waited for."""
    draft = snapshot(DRAFT, source="reactor.claims")
    assert derived(MADE[0], draft, days=100) == Derivation()


@pytest.mark.parametrize(
    ("days", "settings", "asked"),
    [
        (20.9, {}, 0),
        (21, {}, 1),
        (35, {}, 2),
        (500, {}, 3),
        (15, {"ask_days_by_filing_indicator": {"MB": 15}}, 1),
        (500, {"ask_days": 0}, 0),
    ],
)
def test_a_silent_payer_is_asked_at_its_time(days, settings, asked):
    """The first question comes after the payer's days, the next ones after more; each is a document of its own."""
    questions = of(derived(*MADE, report("accepted", days=1), days=days, **settings), "FollowUp")
    assert len({one["control_number"] for one in questions}) == len(questions) == asked
    for one in questions:
        assert (one["kind"], one["payer"], one["claim"]["payer_claim_number"]) == ("claim-status", "payer-1", "P77")


def test_an_answer_ends_the_questions_and_keeps_those_that_were_asked():
    """What was asked stays, so that nothing is taken back; a refusal of the answer begins no new ones."""
    members = (*MADE, report("accepted", days=1), paid(days=22))
    derivation = derived(*members, days=300, second_payers=False)
    assert len(of(derivation, "FollowUp")) == 1
    assert of(derivation, "Task") == []
    assert derivation.again is None


def test_a_claim_that_is_not_ours_to_ask_about_is_work():
    """Of a copy there is no submission: a person asks."""
    (task,) = of(derived(MADE[1], report("accepted", days=1), days=21), "Task")
    assert (task["kind"], task["money"]) == ("claim-unanswered", Decimal("250.00"))


@pytest.mark.parametrize(("days", "kinds"), [(21, []), (62.9, []), (63, ["claim-unanswered"])])
def test_a_copy_that_is_asked_about_elsewhere_is_work_after_the_last_question(days, kinds):
    """With the reactor inquiries beside it, a person's turn comes as late as for the gateway's own claims."""
    derivation = derived(MADE[1], report("accepted", days=1), days=days, copies_asked=True)
    assert [one["kind"] for one in of(derivation, "Task")] == kinds
    assert of(derivation, "FollowUp") == []


def test_progress_says_whether_a_claim_was_made_here():
    """Only of those it can be told that their questions are derived with them."""
    assert of(derived(*MADE, days=1), "ClaimProgress")[0]["made_here"] is True
    assert "made_here" not in of(derived(MADE[1], days=1), "ClaimProgress")[0]


def test_when_to_look_again_is_the_next_thing_that_follows():
    """First the missing 277CA, then the question, then the next one."""
    assert derived(*MADE, days=0).again == SENT + timedelta(days=4)
    assert derived(*MADE, days=4).again == SENT + timedelta(days=21)
    assert derived(*MADE, days=21).again == SENT + timedelta(days=35)


@pytest.mark.parametrize(("days", "kinds"), [(3.9, []), (4, ["claim-unacknowledged"])])
def test_a_missing_277ca_is_work(days, kinds):
    """A claim that nobody has said anything of may never have arrived."""
    assert [one["kind"] for one in of(derived(*MADE, days=days), "Task")] == kinds
    told = derived(*MADE, report("accepted", days=1), days=days)
    assert of(told, "Task") == []


def acknowledged(outcome: str, *, days: float, level: str = "group", transaction: str | None = None) -> Snapshot:
    about = Transmission(group="7", transaction=transaction)
    return snapshot(ClaimStatusReport(report="999", level=level, outcome=outcome, about=about), days=days)


@pytest.mark.parametrize(
    ("members", "days", "kinds"),
    [
        ((), 0.9, []),
        ((), 1, ["acknowledgement-missing"]),
        ((acknowledged("accepted", days=0.5),), 9, []),
        ((acknowledged("accepted", days=-1),), 9, ["acknowledgement-missing"]),
        ((acknowledged("rejected", days=0.5),), 9, ["transmission-rejected"]),
        ((acknowledged("rejected", days=0.5, level="transaction", transaction="0001"),), 9, ["transmission-rejected"]),
        ((acknowledged("rejected", days=0.5, level="transaction", transaction="0002"),), 9, []),
    ],
    ids=["in time", "late", "accepted", "an older 999", "refused", "its set refused", "another set refused"],
)
def test_a_missing_or_refusing_999_is_work(members, days, kinds):
    """One task for all claims that travelled together, worth what they charge."""
    tasks = of(derived(MADE[1], *members, days=days, key="group:x12/7"), "Task")
    assert [one["kind"] for one in tasks] == kinds
    assert all(one["money"] == Decimal("250.00") for one in tasks)


def test_a_refusing_ta1_is_work():
    """TA1 names the interchange only."""
    ta1 = ClaimStatusReport(
        report="TA1", level="interchange", outcome="rejected", about=Transmission(interchange="000000007")
    )
    (task,) = of(derived(MADE[1], snapshot(ta1, days=0.1), days=0.2, key="interchange:x12/7"), "Task")
    assert task["kind"] == "transmission-rejected"


def test_claims_and_what_answers_them_meet_in_groups():
    """By claim number, and by the numbers of one source; another clearinghouse's counts are its own."""
    config = FollowUpConfig()
    assert REACTOR.groups(MADE[1], config) == ("claim:C1", "group:x12/7", "interchange:x12/7")
    assert REACTOR.groups(acknowledged("accepted", days=0), config) == ("group:x12/7",)
    assert REACTOR.groups(report("accepted", days=0), config) == ("claim:C1",)
    assert REACTOR.groups(paid(), config) == ("claim:C1",)
    assert REACTOR.groups(snapshot(COPY, source="other"), config)[1] == "group:other/7"


def test_the_second_payer_gets_the_claim_with_the_first_ones_decision():
    """A number of its own, the next policy, and every line's decision beside the line billed."""
    (one,) = of(derived(*MADE, paid(), days=11), "FollowUp")
    assert (one["kind"], one["payer"], one["policy"]["member_id"]) == ("claim", "payer-2", "M2")
    assert one["control_number"] != "C1"
    assert one["claim"]["control_number"] == one["control_number"]
    prior = one["prior"]
    assert (prior["policy"]["member_id"], prior["paid"], prior["payer_claim_number"]) == ("M1", "120.00", "P77")
    assert [(line["place"], line["paid"]) for line in prior["lines"]] == [(1, "120.00"), (2, "0.00")]
    assert derived(*MADE, paid(), days=11) == derived(paid(), *MADE, days=12)


@pytest.mark.parametrize(
    ("changed", "forwarded"),
    [
        ({"status": "processed-primary-forwarded"}, "unknown"),
        ({"forwarded_to": "SECOND PLAN"}, "SECOND PLAN"),
        ({"remarks": ("MA18",)}, "unknown"),
    ],
)
def test_a_claim_passed_on_is_not_billed_again(changed, forwarded):
    """Crossover by status, by name or by remark; silence of the second payer is work after its days."""
    early = derived(*MADE, paid(**changed), days=11)
    assert of(early, "FollowUp") == of(early, "Task") == []
    assert of(early, "ClaimProgress")[0]["forwarded_to"] == forwarded
    assert early.again == SENT + timedelta(days=55)
    late = derived(*MADE, paid(**changed), days=56)
    assert [one["kind"] for one in of(late, "Task")] == ["passed-on-unanswered"]
    answered = paid(days=30, number=2, status="processed-secondary", paid=Decimal("30.00"))
    assert of(derived(*MADE, paid(**changed), answered, days=56), "Task") == []


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"paid": Decimal("120.01")}, "does-not-balance"),
        ({"charge": Decimal("249.00")}, "charge-differs"),
        ({"lines": paid().record.lines[:1], "adjustments": paid().record.lines[1].adjustments}, "line-not-decided"),
    ],
)
def test_a_decision_that_does_not_fit_is_work(changed, reason):
    """One cent, another charge or a missing line: the second payer is told nothing."""
    derivation = derived(*MADE, paid(**changed), days=11)
    assert of(derivation, "FollowUp") == []
    (task,) = of(derivation, "Task")
    assert task["kind"] == "second-payer-held"
    assert f"[{reason}]" in task["reason"]


def test_a_reversed_decision_is_told_to_nobody():
    """After a reversal there is no decision; the corrected one counts."""
    back = paid(days=12, number=2, status="reversal", paid=Decimal("-120.00"))
    assert of(derived(*MADE, paid(), back, days=13), "FollowUp") == []
    assert of(derived(*MADE, paid(), back, paid(days=12, number=3, ordinal=2), days=13), "FollowUp")


def test_nothing_is_billed_where_nothing_is_left():
    """A second payer owes at most what the first left to the patient, and only where there is a second policy."""
    whole = paid(paid=Decimal("250.00"), lines=())
    assert of(derived(*MADE, whole, days=11), "FollowUp") == []
    alone = snapshot(msgspec.structs.replace(SUBMISSION, other_policies=()))
    assert of(derived(alone, MADE[1], paid(), days=11), "FollowUp") == []


# --- third and fourth payers ----------------------------------------------------------------------------------------

THIRD = Coverage(member_id="M3", payer="payer-3", priority=3)
THREE = snapshot(msgspec.structs.replace(SUBMISSION, other_policies=(SECOND, THIRD)), source="reactor.claims")
N1, N2, N3 = numbers(THREE.record)


def later(number: str, *, days: float = 30, at: int = 9, **changed) -> Snapshot:
    """The second payer's decision of the same lines: the first one's payment is its OA 23."""
    numbered = "C1{:02d}" if number == N1 else number + "{:02d}"
    lines = (
        ServiceLine(
            procedure_code="97110", charge=Decimal("150.00"), paid=Decimal("20.00"),
            line_control_number=numbered.format(1),
            adjustments=(
                Adjustment(group="OA", reason="23", amount=Decimal("120.00")),
                Adjustment(group="PR", reason="3", amount=Decimal("10.00")),
            ),
        ),
        ServiceLine(
            procedure_code="97140", charge=Decimal("100.00"), paid=Decimal("0.00"),
            line_control_number=numbered.format(2),
            adjustments=(Adjustment(group="OA", reason="23", amount=Decimal("100.00")),),
        ),
    )  # fmt: skip
    told = {
        "status": "processed-secondary", "paid": Decimal("20.00"), "patient_control_number": number, "lines": lines,
        "payer_claim_number": "Q88", "paid_on": date(2026, 7, 31), **changed,
    }  # fmt: skip
    return paid(days=days, number=at, **told)


def claims_to(derivation: Derivation) -> dict[str, dict]:
    return {one["payer"]: one for one in of(derivation, "FollowUp") if one["kind"] == "claim"}


def test_the_third_payer_gets_both_decisions():
    """In the order they were made, each beside the lines billed, under a third number."""
    made = claims_to(derived(THREE, MADE[1], paid(), later(N2), days=31))
    assert set(made) == {"payer-2", "payer-3"}
    third = made["payer-3"]
    assert (third["control_number"], third["policy"]["member_id"], third["claim"]["payer"]) == (N3, "M3", "payer-3")
    (before,), prior = third["before"], third["prior"]
    assert (before["policy"]["member_id"], before["paid"]) == ("M1", "120.00")
    assert (prior["policy"]["member_id"], prior["paid"], prior["payer_claim_number"]) == ("M2", "20.00", "Q88")
    assert [line["place"] for line in prior["lines"]] == [line["place"] for line in before["lines"]] == [1, 2]
    assert "other_policies" not in third
    assert claims_to(derived(later(N2), paid(), MADE[1], THREE, days=40)) == made


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"number": N1, "days": 30}, {"payer-3"}),
        ({"number": N1, "days": 30, "paid": Decimal("20.01")}, set()),
        ({"number": N1, "days": 30, "status": "processed-secondary-forwarded"}, set()),
    ],
    ids=["it decided", "a cent off", "it passed on as well"],
)
def test_a_second_payer_that_got_the_claim_from_the_first_is_told_to_the_third(answer, expected):
    """Its decision comes under the first number; nothing is billed to it, and the third hears of both."""
    first = paid(status="processed-primary-forwarded")
    made = claims_to(derived(THREE, MADE[1], first, later(**answer), days=31))
    assert set(made) == expected
    if made:
        assert made["payer-3"]["prior"]["policy"]["member_id"] == "M2"


def test_a_refusal_after_passing_on_is_the_second_payers():
    """Denied under the first number, once the first payer passed the claim on: the third may owe what is left."""
    lines = tuple(
        ServiceLine(
            procedure_code=one.procedure_code, charge=one.charge, paid=Decimal("0.00"),
            line_control_number=one.line_control_number,
            adjustments=(Adjustment(group="PR", reason="204", amount=one.charge),),
        )
        for one in LINES
    )  # fmt: skip
    refused = later(N1, status="denied", paid=Decimal("0.00"), lines=lines)
    made = claims_to(derived(THREE, MADE[1], paid(forwarded_to="SECOND PLAN"), refused, days=31))
    assert set(made) == {"payer-3"}


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ((later(N2, days=31, at=10, status="reversal", paid=Decimal("-20.00")),), {"payer-2"}),
        ((paid(days=31, number=10, status="reversal", paid=Decimal("-120.00")),), set()),
        ((later(N2, days=31, at=10, paid=Decimal("30.00")),), {"payer-2"}),
    ],
    ids=["the second reversed", "the first reversed", "the second does not add up"],
)
def test_the_third_payer_is_told_only_what_stands(more, expected):
    """A decision taken back, or one that does not add up, is told to nobody after it."""
    derivation = derived(THREE, MADE[1], paid(), later(N2), *more, days=32)
    assert set(claims_to(derivation)) == expected
    held = [one["money"] for one in of(derivation, "Task") if one["kind"] == "third-payer-held"]
    assert held == ([Decimal("10.00")] if more[0].record.paid == Decimal("30.00") else [])


FOUR = snapshot(
    msgspec.structs.replace(
        SUBMISSION, other_policies=(SECOND, THIRD, Coverage(member_id="M4", payer="payer-4", priority=4))
    ),
    source="reactor.claims",
)
N4 = numbers(FOUR.record)[3]


def _after_the_third(number: str, **changed) -> Snapshot:
    """The third payer's decision: what the two before paid is its OA 23."""
    lines = tuple(
        ServiceLine(
            procedure_code=one.procedure_code, charge=one.charge, line_control_number=f"{number}{place:02d}",
            paid=Decimal("4.00") if place == 1 else Decimal("0.00"),
            adjustments=(
                Adjustment(group="OA", reason="23", amount=one.charge - Decimal(10 if place == 1 else 0)),
                *((Adjustment(group="PR", reason="3", amount=Decimal("6.00")),) if place == 1 else ()),
            ),
        )
        for place, one in enumerate(LINES, 1)
    )  # fmt: skip
    told = {"status": "processed-tertiary", "paid": Decimal("4.00"), "lines": lines, "payer_claim_number": "R99"}
    return later(number, days=40, at=11, **(told | changed))


def test_the_fourth_payer_gets_three_decisions():
    """The walk goes on as long as there are policies and something is left to the patient."""
    made = claims_to(derived(FOUR, MADE[1], paid(), later(N2), _after_the_third(N3), days=41))
    assert set(made) == {"payer-2", "payer-3", "payer-4"}
    fourth = made["payer-4"]
    assert (fourth["control_number"], fourth["policy"]["member_id"]) == (N4, "M4")
    assert [one["policy"]["member_id"] for one in (*fourth["before"], fourth["prior"])] == ["M1", "M2", "M3"]
    assert [one["paid"] for one in (*fourth["before"], fourth["prior"])] == ["120.00", "20.00", "4.00"]
    assert [one["member_id"] for one in made["payer-2"]["other_policies"]] == ["M3", "M4"]


@pytest.mark.parametrize(
    ("number", "waits"), [("S77", False), ("R99", True)], ids=["another payer's", "the third payer's again"]
)
def test_a_fourth_payer_that_got_the_claim_from_the_third_is_heard(number, waits):
    """The 835 has no word for it but that of the third; its own number of the claim tells them apart."""
    third = _after_the_third(N3, status="processed-tertiary-forwarded")
    fourth = _after_the_third(N3, payer_claim_number=number, status="processed-tertiary-forwarded" if waits else
                              "processed-tertiary")  # fmt: skip
    derivation = derived(FOUR, MADE[1], paid(), later(N2), third, fourth, days=100)
    assert "payer-4" not in claims_to(derivation)
    assert ("passed-on-unanswered" in [one["kind"] for one in of(derivation, "Task")]) is waits


def test_the_claims_of_one_visit_are_derived_together():
    """The submission joins the groups of all its numbers; each number's progress and questions are its own."""
    assert REACTOR.groups(THREE, FollowUpConfig()) == tuple(f"claim:{one}" for one in (N1, N2, N3))
    assert REACTOR.info.joins == {"Submission"}
    copy = snapshot(msgspec.structs.replace(COPY, control_number=N2), days=11, number=2)
    members = (THREE, MADE[1], paid(), copy)
    asked = derived(*members, days=60, key=f"claim:{N2}")
    (progress,) = of(asked, "ClaimProgress")
    assert (progress["control_number"], progress["payer"], progress["patient"]) == (N2, "payer-2", "patient-1")
    questions = of(asked, "FollowUp")
    assert {one["kind"] for one in questions} == {"claim-status"}
    assert {(one["policy"]["member_id"], one["claim"]["control_number"]) for one in questions} == {("M2", N2)}
    assert len(questions) == progress["asked"] == 3
