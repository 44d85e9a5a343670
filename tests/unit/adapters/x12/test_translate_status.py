"""Acknowledgements and statuses to the claim status history."""

from __future__ import annotations

from decimal import Decimal

import pytest

from gateway import model
from gateway_x12.translate_status import outcome_of
from tests.unit.adapters.x12.remittances import NORMALIZE, cut, plain


def reports(data: bytes):
    """Every report of a file, in order."""
    patches = [patch for item in cut(data)[0] for patch in NORMALIZE(item.body, item.context).patches]
    assert len({patch.native_id for patch in patches}) == len(patches)
    return [model.fold(patch.type, None, plain(patch.fields)) for patch in patches]


def test_a_batch_answer_reaches_each_claim_by_its_number(corpora):
    """277CA: the batch, the provider, one claim accepted and one rejected with what to do."""
    found = reports((corpora / "x12/synthetic-pt/277ca_accept_and_reject.x12").read_bytes())
    assert [(one.report, one.level, one.outcome, one.control_number) for one in found] == [
        ("277CA", "batch", "accepted", None), ("277CA", "provider", "accepted", None),
        ("277CA", "claim", "accepted", "PCN-1001"), ("277CA", "claim", "rejected", "PCN-1002"),
    ]  # fmt: skip
    assert (found[0].about.batch, found[0].accepted_count, found[0].rejected_count) == ("BATCH0001", 1, 1)
    assert (found[2].payer_claim_number, found[2].charge, found[2].claim) == (
        "PAYERCLM001", Decimal("250.00"), "PCN-1001",
    )  # fmt: skip
    status = found[3].statuses[0]
    assert (status.category, status.code, status.entity) == ("A7", "562", "85")
    assert found[3].next_step is not None


def test_a_status_has_money_and_check(corpora):
    """277: paid, with amount, check number and the payer's claim number."""
    (found,) = reports((corpora / "x12/synthetic-pt/277_status_response_paid.x12").read_bytes())
    assert (found.report, found.outcome, found.paid, found.check_number) == (
        "277", "paid", Decimal("148.50"), "EFT20260714001",
    )  # fmt: skip


def test_a_syntax_report_names_the_transmission_and_the_place(corpora):
    """999: the group and each transaction by the numbers they were sent under, and what was objected to."""
    group, one = reports((corpora / "x12/synthetic-pt/999_reject.x12").read_bytes())
    assert (group.level, group.outcome, group.about.group, group.rejected_count) == ("group", "rejected", "202", 1)
    assert (one.about.group, one.about.transaction, one.about.set) == ("202", "0001", "837")
    assert [(e.segment, e.position, e.loop, e.element, e.code) for e in one.errors] == [("NM1", 21, "2310", "9", "7")]
    assert "12345" not in model.encode(one).decode()


def test_an_interchange_report_names_the_interchange(corpora):
    """TA1: accepted or rejected, with its note code."""
    (yes,) = reports((corpora / "x12/synthetic-pt/ta1_accept.x12").read_bytes())
    (no,) = reports((corpora / "x12/synthetic-pt/ta1_reject.x12").read_bytes())
    assert (yes.outcome, yes.codes, yes.about.interchange) == ("accepted", (), "000000201")
    assert (no.outcome, no.codes) == ("rejected", ("025",))


def test_every_public_acknowledgement_and_status_makes_reports(corpora):
    """997, 999, TA1, 277 and 277CA of four libraries: each message is a report of a known outcome."""
    files = [
        path for folder in ("ack", "status") for path in (corpora / "x12/cosyte+x12/test/fixtures" / folder).iterdir()
    ]
    files += (corpora / "x12/xlate+staedi/src/test/resources/x12").glob("*99[79]*.edi")
    files += (corpora / "x12").rglob("*.277")
    assert len(files) >= 20
    for path in files:
        assert all(one.outcome for one in reports(path.read_bytes())), path.name


@pytest.mark.parametrize(("category", "outcome"), [
    ("A0", "forwarded"), ("A3", "rejected"), ("A4", "not-found"), ("P3", "pending"), ("R4", "more-information"),
    ("F1", "paid"), ("F2", "denied"), ("E1", "unavailable"), ("D0", "not-found"), ("ZZ", "other"), ("", "other"),
])  # fmt: skip
def test_every_category_has_a_word(category, outcome):
    """Each family of category codes is one word that a biller can filter by."""
    assert outcome_of(category) == outcome
