"""Requests for authorizations keep the chain of levels."""

from __future__ import annotations

import msgspec
import pytest

from gateway.errors import InvalidContent
from gateway_clearinghouse.translate_278 import authorization
from tests.unit.plugins.clearinghouse.submissions import AT, CHILD, PARTIES, REQUEST, SELF, submission
from tests.unit.plugins.clearinghouse.written import as_read, file, segments


def test_a_request_says_how_many_visits_of_what_and_when(corpora):
    """The segments of the sample, in its order, and every one reads back."""
    sample = segments((corpora / "x12/synthetic-pt/278_request_pt.x12").read_bytes())
    document = authorization(submission("authorization"), PARTIES, AT)
    read = segments(file(document))
    kept = [one[0] for one in read]
    assert kept == [one[0] for one in sample]
    assert ["HSD", "VS", "12"] in read
    assert ["DTP", "AAH", "RD8", "20260715-20261014"] in read
    assert ["SV1", "HC:97110", "", "UN", "24"] in read
    assert read[3:-3] == as_read(document)


@pytest.mark.parametrize("policy", [SELF, CHILD])
def test_every_level_hangs_below_the_one_before(policy):
    """Patient, event and services are a chain, whether the patient is the subscriber or not."""
    asked = msgspec.structs.replace(REQUEST, service_codes=("97110", "97140"))
    one = msgspec.structs.replace(submission("authorization", policy), permission=asked)
    levels = [read[1:4] for read in segments(file(authorization(one, PARTIES, AT))) if read[0] == "HL"]
    event = next(number for number, _, code in levels if code == "EV")
    assert [number for number, _, _ in levels] == [str(at) for at in range(1, len(levels) + 1)]
    assert [parent for _, parent, code in levels if code == "SS"] == [event, event]
    assert levels[int(event) - 1][1] == str(int(event) - 1)


def test_nothing_requested_is_refused():
    """A submission without an authorization asks for nothing."""
    with pytest.raises(InvalidContent):
        authorization(msgspec.structs.replace(submission("authorization"), permission=None), PARTIES, AT)
