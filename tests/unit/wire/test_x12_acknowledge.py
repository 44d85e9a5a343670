"""Acknowledgements say what the envelope shows, and pass the validator."""

from __future__ import annotations

import pytest

from gateway.wire.x12_acknowledge import functional_acknowledgements, interchange_acknowledgement, received
from gateway.wire.x12_write import interchange
from gateway_clearinghouse.translate_837 import claim
from tests.unit.plugins.clearinghouse.submissions import AT, PARTIES, submission
from tests.unit.plugins.clearinghouse.written import ENVELOPE, segments

pytest.importorskip("pyx12", reason="the extra x12 is not installed")

from gateway_x12.strict import validate
from tests.unit.plugins.clearinghouse.written import file

GOOD = file(claim(submission(), PARTIES, AT))
LAST = GOOD.count(b"~") - 4


@pytest.mark.parametrize(
    ("data", "ik5", "ak9"),
    [
        (GOOD, ["IK5", "A"], ["AK9", "A", "1", "1", "1"]),
        (GOOD.replace(b"*0001~GE", b"*0002~GE"), ["IK5", "R", "3"], ["AK9", "R", "1", "1", "0"]),
        (GOOD.replace(b"SE*", b"SE*9"), ["IK5", "R", "4"], ["AK9", "R", "1", "1", "0"]),
        (GOOD.replace(b"GE*1*201", b"GE*2*201"), ["IK5", "A"], ["AK9", "P", "1", "1", "1", "5"]),
        (GOOD[: GOOD.index(b"SE*")], ["IK5", "R", "2"], ["AK9", "R", "1", "1", "0", "3"]),
    ],
    ids=["accepted", "control number", "count", "group count", "cut off"],
)
def test_a_999_says_which_set_and_which_rule(data, ik5, ak9):
    """Each fault of an envelope has its code in IK5 or AK9, and the 999 itself is valid."""
    answer = interchange(ENVELOPE, functional_acknowledgements(received(data)[0]))
    read = segments(answer)
    assert validate(answer) == []
    assert ik5 in read
    assert ak9 in read
    assert ["AK2", "837", "0001", "005010X222A1"] in read


@pytest.mark.parametrize(
    ("data", "note", "expected"),
    [
        (GOOD, "", ["A", "000"]),
        (GOOD, "025", ["R", "025"]),
        (GOOD.replace(b"IEA*1*000000201", b"IEA*1*000000202"), "", ["R", "001"]),
        (GOOD.replace(b"IEA*1*", b"IEA*2*"), "", ["R", "021"]),
        (GOOD[:-22], "", ["R", "023"]),
    ],
)
def test_a_ta1_says_what_is_wrong_with_the_interchange(data, note, expected):
    """Accepted, repeated, misnumbered, miscounted and cut off have the codes of the standard."""
    (one,) = received(data)
    answer = interchange(ENVELOPE, (), ta1=[interchange_acknowledgement(one, note)])
    assert segments(answer)[1] == ["TA1", "000000201", "260714", "0930", *expected]


def test_acknowledgements_are_not_acknowledged():
    """Two systems that answered each other's 999 would never stop."""
    answer = interchange(ENVELOPE, functional_acknowledgements(received(GOOD)[0]))
    assert functional_acknowledgements(received(answer)[0]) == []
