"""Questions after a claim repeat what the claim said."""

from __future__ import annotations

import pytest

from gateway.errors import InvalidContent
from gateway_clearinghouse.translate_276 import claim_status
from tests.unit.plugins.clearinghouse.submissions import AT, CHILD, PARTIES, submission
from tests.unit.plugins.clearinghouse.written import as_read, file, segments


def test_a_question_has_the_claims_number_charge_and_days(corpora):
    """The segments of the sample, in its order, with the claim's own facts."""
    sample = segments((corpora / "x12/synthetic-pt/276_status_request.x12").read_bytes())
    document = claim_status(submission("claim-status"), PARTIES, AT)
    read = segments(file(document))
    assert [one[0] for one in read] == [one[0] for one in sample if one[0] != "REF"]
    assert ["TRN", "1", "PCN-1001"] in read
    assert ["AMT", "T3", "250"] in read
    assert ["DTP", "472", "D8", "20260701"] in read
    assert read[3:-3] == as_read(document)


def test_a_dependent_stands_below_the_subscriber():
    """HL numbers and parents stay right with one level more."""
    read = segments(file(claim_status(submission("claim-status", CHILD), PARTIES, AT)))
    assert [one[1:] for one in read if one[0] == "HL"][-2:] == [["4", "3", "22", "1"], ["5", "4", "23", "0"]]


def test_a_question_about_no_claim_is_refused():
    """There is nothing to ask about."""
    with pytest.raises(InvalidContent, match="claim"):
        claim_status(submission("claim-status", claim=None), PARTIES, AT)
