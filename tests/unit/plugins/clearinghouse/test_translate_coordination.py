"""Claims list the other payers, and tell the decision of each one before, to the cent, as the guide wants it."""

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


# --- payers that have decided nothing --------------------------------------------------------------------------------

FOURTH = Coverage(
    member_id="FOU0001", priority=4, relationship="child", subscriber_name="Tester, Paul", payer="payer-4"
)
PAYERS = {
    "payer-2": BOTH.payer, "payer-3": ALL.payer,
    "payer-4": Payer(name="Fourth Plan", payer_id="FOU01", kind="medicaid"),
}  # fmt: skip


def listing(*policies: Coverage, prior: PriorDecision | None = None, priors=(), payers=PAYERS):
    """A claim with policies that pay later: to the first payer, or with a decision to the second."""
    one = msgspec.structs.replace(
        submission(policy=SECOND if prior else SELF), other_policies=policies, prior=prior
    )  # fmt: skip
    later = tuple(payers.get(each.payer) for each in policies)
    first = BOTH.payer if prior else PARTIES.payer
    parties = msgspec.structs.replace(PARTIES, payer=first, prior_payers=priors, later_payers=later)
    return claim(one, parties, AT)


def test_a_claim_to_the_first_payer_lists_those_that_pay_after_it():
    """Each with its turn, its policy and who holds it, before the lines and without a decision; the guide agrees."""
    made = listing(SECOND, THIRD, FOURTH)
    assert validate(file(made)) == []
    read = segments(file(made))
    assert [one[1] for one in read if one[0] == "SBR"] == ["P", "S", "T", "A"]
    start = read.index(["SBR", "A", "19", "", "", "", "", "", "", "MC"])
    assert read[start + 1 : start + 4] == [
        ["OI", "", "", "Y", "", "", "Y"],
        ["NM1", "IL", "1", "TESTER", "PAUL", "", "", "", "MI", "FOU0001"],
        ["NM1", "PR", "2", "FOURTH PLAN", "", "", "", "", "PI", "FOU01"],
    ]
    assert read[start + 4][0] == "LX"
    assert not [one for one in read if one[0] in {"AMT", "CAS", "SVD"}]


def test_a_claim_to_the_second_payer_lists_the_third_as_well():
    """What was decided comes first, then who has not been asked yet."""
    made = listing(THIRD, prior=BY_LINE, priors=(PARTIES.payer,))
    assert validate(file(made)) == []
    read = segments(file(made))
    assert [one[1] for one in read if one[0] == "SBR"] == ["S", "P", "T"]
    assert [one[0] for one in read].count("SVD") == len(LINES)


@pytest.mark.parametrize(
    ("policy", "payers"),
    [
        (msgspec.structs.replace(SECOND, member_id=None), PAYERS),
        (msgspec.structs.replace(SECOND, relationship="spouse"), PAYERS),
        (SECOND, {**PAYERS, "payer-2": Payer(name="Second Plan")}),
        (SECOND, {**PAYERS, "payer-2": None}),
    ],
    ids=["no member id", "no subscriber's name", "no payer id", "no payer"],
)
def test_a_payer_that_cannot_be_told_keeps_its_turn_and_holds_nothing_back(policy, payers):
    """The first payer's claim goes without it, and the third stays the third."""
    made = listing(policy, THIRD, payers=payers)
    assert validate(file(made)) == []
    assert [one[1] for one in segments(file(made)) if one[0] == "SBR"] == ["P", "T"]


def test_a_later_payer_with_the_id_of_one_that_decided_is_left_out():
    """A line's decision names its payer by id: a second loop of that id would make it nobody's."""
    made = listing(THIRD, prior=BY_LINE, priors=(PARTIES.payer,), payers={"payer-3": PARTIES.payer})
    assert [one[1] for one in segments(file(made)) if one[0] == "SBR"] == ["S", "P"]


def test_a_policy_entered_after_the_claim_went_out_does_not_make_it_another_claim():
    """What a claim is known again by is what it bills, not who else pays; a decision before it is part of that."""
    assert listing(SECOND).said == listing().said
    assert listing(SECOND).body != listing().body
    changed = msgspec.structs.replace(SELF, member_id="MBR0002")
    assert claim(submission(policy=changed), PARTIES, AT).said != listing().said
    later = msgspec.structs.replace(BY_LINE, decided_on=date(2026, 7, 21))
    assert listing(prior=later, priors=(PARTIES.payer,)).said != listing(prior=BY_LINE, priors=(PARTIES.payer,)).said


def test_the_fourth_payer_is_told_three_decisions():
    """Its turn is A, each decision before stands with its own payer, and the guide has nothing to object to."""
    told = tuple(
        msgspec.structs.replace(
            line, paid=Decimal("5.00") if line.place == 1 else Decimal("0.00"),
            adjustments=adjusted(("OA", "23", paid), ("PR", "3", left)),
        )
        for line, paid, left in zip(LINES, ("145.00", "25.00"), ("0.00", "75.00"), strict=True)
    )  # fmt: skip
    third_decision = PriorDecision(policy=THIRD, paid=Decimal("5.00"), decided_on=date(2026, 8, 20), lines=told)
    one = msgspec.structs.replace(
        submission(policy=FOURTH), before=(BY_LINE, SECOND_DECISION), prior=third_decision
    )  # fmt: skip
    parties = msgspec.structs.replace(
        ALL, payer=PAYERS["payer-4"], prior_payers=(PARTIES.payer, BOTH.payer, ALL.payer)
    )  # fmt: skip
    made = claim(one, parties, AT)
    assert validate(file(made)) == []
    read = segments(file(made))
    assert [each[1] for each in read if each[0] == "SBR"] == ["A", "P", "S", "T"]
    assert [each[2] for each in read if each[:2] == ["AMT", "D"]] == ["80", "15", "5"]
