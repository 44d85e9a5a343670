"""Claims pass the validator of the guide, and our own reader reads back what was meant."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from itertools import pairwise

import msgspec
import pytest

from gateway.errors import InvalidContent
from gateway_clearinghouse.translate_837 import claim
from tests.unit.plugins.clearinghouse.submissions import AT, CHILD, CLAIM, PARTIES, SELF, submission
from tests.unit.plugins.clearinghouse.written import as_read, file, segments

pytest.importorskip("pyx12", reason="the extra x12 is not installed")

from gateway_x12.strict import validate

REPLACEMENT = msgspec.structs.replace(CLAIM, frequency="7", payer_claim_number="PAYERCLM001")


@pytest.mark.parametrize(
    "one",
    [submission(), submission(policy=CHILD), submission(claim=REPLACEMENT)],
    ids=["subscriber", "dependent", "replacement"],
)
def test_a_claim_is_valid_and_reads_back_as_it_was_meant(one):
    """pyx12 finds nothing, and every segment comes back equal."""
    document = claim(one, PARTIES, AT)
    data = file(document)
    assert validate(data) == []
    assert segments(data)[3:-3] == as_read(document)


def test_the_claim_says_what_the_visit_holds():
    """Amount, authorization, principal diagnosis, modifiers, pointers and line numbers are where payers look."""
    read = segments(file(claim(submission(), PARTIES, AT)))
    assert ["CLM", "PCN-1001", "250", "", "", "11:B:1", "Y", "A", "Y", "Y"] in read
    assert ["REF", "G1", "AUTH123456"] in read
    assert ["HI", "ABK:M5450", "ABF:M25561"] in read
    assert ["SV1", "HC:97140:GP:59", "100", "UN", "1", "", "", "1"] in read
    assert ["REF", "6R", "L1001-2"] in read
    assert ["NM1", "IL", "1", "TESTER", "ALICE", "", "", "", "MI", "MBR0001"] in read
    assert all(one != other for one, other in pairwise(read))


def _without(**fields):
    return msgspec.structs.replace(submission(), **fields)


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (_without(claim=None), "incomplete-submission"),
        (_without(subject=None), "incomplete-submission"),
        (_without(policy=msgspec.structs.replace(SELF, member_id=None)), "incomplete-submission"),
        (_without(policy=msgspec.structs.replace(SELF, priority=2)), "secondary-claim"),
        (_without(claim=msgspec.structs.replace(CLAIM, charge=Decimal("250.01"))), "unbalanced-claim"),
        (_without(claim=msgspec.structs.replace(CLAIM, frequency="7")), "incomplete-submission"),
        (_without(claim=msgspec.structs.replace(CLAIM, control_number="X" * 21)), "not-writable"),
        (_without(claim=msgspec.structs.replace(CLAIM, lines=())), "incomplete-submission"),
    ],
)
def test_what_a_payer_would_refuse_is_not_built(one, reason):
    """A claim that lacks something required, or does not add up, is refused with its place and without its values."""
    with pytest.raises(InvalidContent) as caught:
        claim(one, PARTIES, AT)
    assert caught.value.reason == reason
    assert caught.value.where
    assert "Alice" not in str(caught.value)


def test_a_delimiter_in_an_identifier_is_refused_and_in_a_name_becomes_a_blank():
    """X12 has no escape: a name may lose a mark, a number may not."""
    bad = msgspec.structs.replace(CLAIM, control_number="PCN*1")
    with pytest.raises(InvalidContent, match="delimiter"):
        file(claim(submission(claim=bad), PARTIES, AT))
    clinic = msgspec.structs.replace(PARTIES.billing, name="One~Two*Three")
    read = segments(file(claim(submission(), msgspec.structs.replace(PARTIES, billing=clinic), AT)))
    assert "ONE TWO THREE" in {elements[3] for elements in read if elements[:2] == ["NM1", "85"]}
    assert date(2026, 7, 1) == CLAIM.lines[0].service_date
