"""A claim to the second payer tells the first one's decision, to the cent, as the guide wants it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import msgspec
import pytest

from gateway.errors import InvalidContent
from gateway.model.coordination import PriorDecision, PriorLine
from gateway.model.coverage import Coverage
from gateway.model.organization import Payer
from gateway.model.remittance import Adjustment
from gateway_clearinghouse.translate_837 import claim
from tests.unit.plugins.clearinghouse.submissions import AT, CHILD, CLAIM, PARTIES, SELF, submission
from tests.unit.plugins.clearinghouse.written import file, segments

pytest.importorskip("pyx12", reason="the extra x12 is not installed")

from gateway_x12.strict import validate

SECOND = Coverage(member_id="SEC0001", priority=2, relationship="self", payer="payer-2")
BOTH = msgspec.structs.replace(
    PARTIES, payer=Payer(name="Second Plan", payer_id="SEC01", kind="commercial"), prior_payers=(PARTIES.payer,)
)


def adjusted(*told: tuple[str, str, str]) -> tuple[Adjustment, ...]:
    return tuple(Adjustment(group=group, reason=reason, amount=Decimal(money)) for group, reason, money in told)


LINES = (
    PriorLine(
        place=1, procedure_code="97110", modifiers=("GP",), units=Decimal(2), paid=Decimal("80.00"),
        adjustments=adjusted(("CO", "45", "50.00"), ("PR", "2", "20.00")),
    ),
    PriorLine(
        place=2, procedure_code="97140", modifiers=("GP", "59"), units=Decimal(0), paid=Decimal("0.00"),
        adjustments=adjusted(("CO", "45", "25.00"), ("PR", "1", "75.00")),
    ),
)  # fmt: skip
BY_LINE = PriorDecision(
    policy=SELF, paid=Decimal("80.00"), payer_claim_number="PAYER77", decided_on=date(2026, 7, 20), lines=LINES
)
WHOLE = PriorDecision(
    policy=SELF, paid=Decimal("80.00"), decided_on=date(2026, 7, 20),
    adjustments=adjusted(*[("CO", str(reason), "10.00") for reason in range(1, 8)], ("PR", "1", "100.00")),
)  # fmt: skip


def second(prior: PriorDecision):
    one = msgspec.structs.replace(submission(policy=SECOND), prior=prior)
    return claim(one, BOTH, AT)


@pytest.mark.parametrize(
    "prior",
    [BY_LINE, WHOLE, msgspec.structs.replace(BY_LINE, policy=CHILD)],
    ids=["by line", "as a whole", "policy of a parent"],
)
def test_a_claim_to_the_second_payer_is_valid(prior):
    """The implementation guide has nothing to object to."""
    assert validate(file(second(prior))) == []


def test_every_line_tells_what_the_first_payer_did():
    """Who decided, what was paid, why it differs, when, and what is left to the patient."""
    read = segments(file(second(BY_LINE)))
    assert ["SBR", "S", "18", "", "", "", "", "", "", "CI"] in read
    start = read.index(["SBR", "P", "18", "GRP100", "", "", "", "", "", "CI"])
    assert read[start + 1 : start + 3] == [["AMT", "D", "80"], ["OI", "", "", "Y", "", "", "Y"]]
    assert ["NM1", "PR", "2", "SAMPLE HEALTH PLAN", "", "", "", "", "PI", "SHP01"] in read
    assert ["REF", "F8", "PAYER77"] in read
    at = read.index(["SVD", "SHP01", "80", "HC:97110:GP", "", "2"])
    assert read[at + 1 : at + 5] == [
        ["CAS", "CO", "45", "50"], ["CAS", "PR", "2", "20"], ["DTP", "573", "D8", "20260720"], ["AMT", "EAF", "20"],
    ]  # fmt: skip


def test_a_decision_about_the_whole_claim_stands_above_the_lines():
    """At most six reasons stand in one segment; the day of the decision stands with the payer."""
    read = segments(file(second(WHOLE)))
    start = next(at for at, one in enumerate(read) if one[:2] == ["SBR", "P"])
    assert [len(one) for one in read[start + 1 : start + 4]] == [19, 4, 4]
    assert ["DTP", "573", "D8", "20260720"] in read
    assert not [one for one in read if one[0] == "SVD"]


@pytest.mark.parametrize(
    "prior",
    [
        msgspec.structs.replace(BY_LINE, paid=Decimal("80.01")),
        msgspec.structs.replace(BY_LINE, lines=LINES[:1]),
        msgspec.structs.replace(BY_LINE, lines=(msgspec.structs.replace(LINES[0], paid=Decimal("79.99")), LINES[1])),
    ],
    ids=["claim off by a cent", "a line missing", "line off by a cent"],
)
def test_what_does_not_add_up_is_not_sent(prior):
    """One cent between charge, reasons and payment holds the claim back."""
    with pytest.raises(InvalidContent, match="does not add up"):
        second(prior)


def test_a_claim_to_a_second_payer_without_a_decision_is_refused():
    """Nobody can pay the rest of an unknown decision."""
    with pytest.raises(InvalidContent) as caught:
        claim(submission(policy=SECOND), BOTH, AT)
    assert caught.value.reason == "secondary-claim"
    assert CLAIM.control_number not in str(caught.value)


THIRD = Coverage(member_id="THI0001", priority=3, relationship="self", payer="payer-3")
ALL = msgspec.structs.replace(
    BOTH, payer=Payer(name="Third Plan", payer_id="THI01", kind="commercial"),
    prior_payers=(PARTIES.payer, BOTH.payer),
)  # fmt: skip
NEXT_LINES = tuple(
    msgspec.structs.replace(
        line, paid=Decimal("15.00") if line.place == 1 else Decimal("0.00"),
        adjustments=adjusted(("OA", "23", paid), ("PR", "3", left)),
    )
    for line, paid, left in zip(LINES, ("130.00", "25.00"), ("5.00", "75.00"), strict=True)
)  # fmt: skip
SECOND_DECISION = PriorDecision(
    policy=SECOND, paid=Decimal("15.00"), payer_claim_number="Q88", decided_on=date(2026, 8, 2), lines=NEXT_LINES
)


def third(before: PriorDecision = BY_LINE, prior: PriorDecision = SECOND_DECISION, parties=ALL):
    one = msgspec.structs.replace(submission(policy=THIRD), before=(before,), prior=prior)
    return claim(one, parties, AT)


def test_a_claim_to_the_third_payer_is_valid_and_tells_both_decisions():
    """Each payer before has its own loops, in the order they pay, above the lines and in every line."""
    assert validate(file(third())) == []
    read = segments(file(third()))
    assert [one[1] for one in read if one[0] == "SBR"] == ["T", "P", "S"]
    assert [one[:3] for one in read if one[0] == "AMT" and one[1] == "D"] == [["AMT", "D", "80"], ["AMT", "D", "15"]]
    assert [one[1:3] for one in read if one[0] == "SVD"] == [
        ["SHP01", "80"], ["SEC01", "15"], ["SHP01", "0"], ["SEC01", "0"],
    ]  # fmt: skip
    assert [one[2] for one in read if one[:2] == ["REF", "F8"]] == ["PAYER77", "Q88"]


@pytest.mark.parametrize("wrong", ["before", "prior"])
def test_each_decision_must_add_up(wrong):
    """A cent in either of them holds the claim to the third payer back."""
    decisions = {"before": BY_LINE, "prior": SECOND_DECISION}
    decisions[wrong] = msgspec.structs.replace(decisions[wrong], paid=decisions[wrong].paid + Decimal("0.01"))
    with pytest.raises(InvalidContent, match="does not add up"):
        third(**decisions)


def test_payers_that_decided_are_told_apart():
    """Loop 2430 names a payer by its id alone: two of one id would say who knows what."""
    with pytest.raises(InvalidContent) as caught:
        third(parties=msgspec.structs.replace(ALL, prior_payers=(PARTIES.payer, PARTIES.payer)))
    assert caught.value.reason == "ambiguous-payer"
