"""Claims that were made elsewhere: their payers are asked from what the copy says."""

from __future__ import annotations

from datetime import date, timedelta

import msgspec
import pytest

from gateway.model import fold
from gateway.model.claim_progress import ClaimProgress, ClaimStep
from gateway.model.coverage import Coverage
from gateway.model.exchange import Derivation, Snapshot
from gateway.model.patient import Patient, PersonName
from gateway_followup.config import InquiryConfig
from gateway_followup.reactor_inquiry import Inquiries
from tests.unit.plugins.followup.claims import COPY, SENT, snapshot

REACTOR = Inquiries()
POLICY = Coverage(patient="payer-patient", member_id="M1", payer="payer-1", filing_indicator="MB")
SUBJECT = Patient(name=PersonName(family="Test", given="Tina"), birth_date=date(1980, 1, 1), sex="female")
CLAIM = msgspec.structs.replace(COPY, payer="payer-1", coverage="Coverage-1", billing_npi="1234567893")


def progress(*more: tuple[float, str], **changed) -> Snapshot:
    """The claim was sent, and after so many days something was said of it."""
    steps = [ClaimStep(at=SENT, document="837", outcome="sent", record="Claim-1")]
    steps += [
        ClaimStep(at=SENT + timedelta(days=days), document="277", outcome=outcome, record="R") for days, outcome in more
    ]
    told = {
        "control_number": "C1", "state": steps[-1].outcome, "history": tuple(steps), "claim": "Claim-1",
        "patient": "payer-patient", "sent_at": SENT, "payer_claim_number": "P77", **changed,
    }  # fmt: skip
    return snapshot(ClaimProgress(**told), source="reactor.followup")


def known(standing: Snapshot, **changed) -> list[Snapshot]:
    patient = msgspec.structs.replace(snapshot(SUBJECT), record_id="payer-patient")
    return [snapshot(msgspec.structs.replace(CLAIM, **changed)), patient, snapshot(POLICY), standing]


def derived(members: list[Snapshot], *, days: float, **settings) -> Derivation:
    config = InquiryConfig.model_validate(settings)
    found = REACTOR.derive("patient:payer-patient", members, config, SENT + timedelta(days=days))
    assert found == REACTOR.derive("patient:payer-patient", members[::-1], config, SENT + timedelta(days=days))
    for one in found.records:
        fold(one.type, None, msgspec.json.decode(msgspec.json.encode(one.fields)))
    return found


@pytest.mark.parametrize(
    ("days", "settings", "asked"),
    [
        (20.9, {}, 0), (21, {}, 1), (35, {}, 2), (500, {}, 3), (500, {"ask_days": 0}, 0), (500, {"asks": 1}, 1),
        (15, {"ask_days_by_filing_indicator": {"MB": 15}}, 1),
    ],
)  # fmt: skip
def test_a_silent_payer_is_asked_about_a_copy(days, settings, asked):
    """At the same times as about a claim of our own; each question has a number of its own."""
    found = derived(known(progress((1, "accepted"))), days=days, **settings)
    assert len({one.fields["control_number"] for one in found.records}) == len(found.records) == asked
    if asked == 1 and not settings:
        assert found.again == SENT + timedelta(days=35)


def test_a_question_says_what_the_copy_said():
    """Patient, policy, payer, claim and who billed; no address travels along."""
    (one,) = derived(known(progress()), days=21).records
    fields = one.fields
    assert (fields["kind"], fields["payer"], fields["policy"]["member_id"]) == ("claim-status", "payer-1", "M1")
    assert (fields["claim"]["control_number"], fields["claim"]["payer_claim_number"]) == ("C1", "P77")
    assert (fields["claim"]["billing_npi"], fields["subject"]["name"]["family"]) == ("1234567893", "Test")
    assert fields["about"] == "Claim-1"


def test_an_answer_ends_the_questions_and_keeps_those_that_were_asked():
    """What was asked is not taken back, and nothing more is asked."""
    found = derived(known(progress((22, "paid"))), days=300)
    assert len(found.records) == 1
    assert found.again is None
    assert derived(known(progress((20, "denied"))), days=300) == Derivation()


@pytest.mark.parametrize(
    "members",
    [
        known(progress(), payer=None), known(progress(), coverage="another"), known(progress())[1:],
        known(progress())[::3], known(progress(sent_at=None)),
    ],
    ids=["no payer", "no policy", "no claim", "no patient", "never sent"],
)  # fmt: skip
def test_what_cannot_be_asked_is_left_to_a_person(members):
    """A question needs payer, policy, patient and claim; the reactor followup makes work of the others."""
    assert derived(members, days=300) == Derivation()


def test_only_claims_made_elsewhere_are_looked_at():
    """Drafts and the gateway's own claims are in no group."""
    config = InquiryConfig()
    assert REACTOR.groups(known(progress())[0], config) == ("patient:payer-patient",)
    assert REACTOR.groups(progress(), config) == ("patient:payer-patient",)
    assert REACTOR.groups(progress(made_here=True), config) == ()
    assert REACTOR.groups(snapshot(msgspec.structs.replace(CLAIM, transmission=None)), config) == ()
    assert REACTOR.info.reads.isdisjoint(REACTOR.info.writes)
