"""What comes back decides whether a document arrived."""

from __future__ import annotations

import pytest

from gateway.model.exchange import Delivered, Rejected, Retry
from gateway.wire.x12_write import TransactionSet, interchange
from gateway_clearinghouse.translate_answer import verdict
from tests.unit.plugins.clearinghouse.written import ENVELOPE


def ta1(code: str, note: str) -> bytes:
    return interchange(ENVELOPE, (), ta1=[("TA1", "000000201", "260714", "0930", code, note)])


def ack(code: str) -> bytes:
    body = (("AK1", "HC", "201", "005010X222A1"), ("AK9", code, "1", "1", "0"))
    return interchange(ENVELOPE, [TransactionSet(id="999", version="005010X231A1", body=body)])


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (ta1("R", "020"), Rejected("ta1-020")),
        (ta1("R", "x1"), Rejected("ta1-unknown")),
        (ack("R"), Rejected("999-rejected")),
    ],
)
def test_a_refusal_waits_for_a_person(answer, expected):
    """The envelope or the group was refused: nothing of it arrived."""
    assert verdict("receipt", answer) == expected


@pytest.mark.parametrize("answer", [ta1("A", "000"), ta1("R", "025"), ack("A"), ack("P")])
def test_what_was_there_before_has_arrived(answer):
    """Accepted, partly accepted, or known by its control number: delivered, with the answer as messages."""
    outcome = verdict("receipt", answer)
    assert isinstance(outcome, Delivered)
    assert len(outcome.answers) == 1


def test_nothing_back_is_a_receipt_and_a_silent_payer_is_asked_again():
    """An empty answer is none; AAA 42 is not an answer about the patient."""
    assert verdict("receipt", b"") == Delivered("receipt")
    body = (("BHT", "0022", "11", "1", "20260714", "0930"), ("AAA", "Y", "", "42", "R"))
    silent = interchange(ENVELOPE, [TransactionSet(id="271", version="005010X279A1", body=body)])
    assert verdict("receipt", silent) == Retry("payer-cannot-answer-now", 300.0)
