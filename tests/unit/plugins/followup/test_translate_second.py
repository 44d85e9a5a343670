"""Second and further payers: who is billed with which decisions, and what is work instead."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest

from gateway.model.claim import ClaimDecision
from gateway.model.coverage import Coverage
from gateway.model.exchange import Derivation, Snapshot
from gateway.model.remittance import Adjustment, ServiceLine
from gateway_followup.config import FollowUpConfig
from gateway_followup.translate_decided import numbers
from tests.unit.plugins.followup.claims import (
    COPY,
    LINES,
    MADE,
    REACTOR,
    SECOND,
    SENT,
    SUBMISSION,
    derived,
    of,
    paid,
    snapshot,
)


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


def test_each_payers_claim_goes_once_more_by_itself():
    """What somebody decided of the first payer's claim sends it alone once more; a second payer's has its own word."""
    word = SENT + timedelta(days=1)
    again = snapshot(msgspec.structs.replace(SUBMISSION, again=word), source="reactor.claims")
    (plain,) = of(derived(again, MADE[1], paid(), days=11), "FollowUp")
    assert "again" not in plain
    decision = snapshot(
        ClaimDecision(control_number=plain["control_number"], after=word, decided_at=word, decided_by="cli:kim"),
        source="gateway.decisions",
    )
    assert f"claim:{plain['control_number']}" in REACTOR.groups(decision, FollowUpConfig())
    (told,) = of(derived(again, MADE[1], paid(), decision, days=11), "FollowUp")
    assert datetime.fromisoformat(told.pop("again")) == word
    assert told == plain
