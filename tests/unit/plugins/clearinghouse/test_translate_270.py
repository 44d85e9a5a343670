"""Eligibility questions have the form of the guide's own levels."""

from __future__ import annotations

import msgspec

from gateway_clearinghouse.translate_270 import eligibility
from tests.unit.plugins.clearinghouse.submissions import AT, CHILD, PARTIES, submission
from tests.unit.plugins.clearinghouse.written import as_read, file, segments


def test_a_question_about_a_subscriber_equals_the_sample(corpora):
    """But for names and control numbers, it is segment for segment the public sample."""
    sample = segments((corpora / "x12/synthetic-pt/270_pt.x12").read_bytes())
    document = eligibility(submission("eligibility"), PARTIES, AT)
    read = segments(file(document))
    assert [one[0] for one in read] == [one[0] for one in sample]
    assert [one for one in read if one[0] in {"HL", "DMG", "EQ", "DTP"}] == [
        one for one in sample if one[0] in {"HL", "DMG", "EQ", "DTP"}
    ]
    assert read[3:-3] == as_read(document)


def test_a_dependent_has_a_level_of_their_own():
    """The subscriber is named without a trace; the trace stands where the patient does."""
    asked = msgspec.structs.replace(submission("eligibility", CHILD), service_type=None)
    read = segments(file(eligibility(asked, PARTIES, AT)))
    names = [one[0] if one[0] != "NM1" else one[1] for one in read]
    assert names[names.index("IL") - 1 :] == [
        "HL", "IL", "HL", "TRN", "03", "DMG", "INS", "DTP", "EQ", "SE", "GE", "IEA",
    ]  # fmt: skip
    assert ["EQ", "30"] in read
