"""Claims after they were sent: history, questions and alarms, each at its time."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from gateway.model.claim import ClaimStatusReport, Transmission
from gateway.model.exchange import Derivation, Snapshot
from gateway_followup.config import FollowUpConfig
from tests.unit.plugins.followup.claims import COPY, DRAFT, MADE, REACTOR, SENT, derived, of, paid, report, snapshot


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
