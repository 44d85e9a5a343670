"""A message against its profile: each departure is told by segment, field and component, and by no value."""

from __future__ import annotations

import pytest

from gateway_hl7.strict_judge import MOST, judged
from gateway_hl7.strict_profile import read_profile
from tests.unit.adapters.hl7.profiles import HEAD, INSURED, PID, PROFILE, SCH

AGREED = read_profile(PROFILE.encode())


def told(text: str) -> list[tuple[str, str]]:
    """Reasons and places of what a message does otherwise."""
    found = judged(text.encode(), AGREED, lambda table: {"F", "M"} if table == "0001" else None)
    assert all(one.what and one.fix for one in found)
    return [(one.reason, one.where) for one in found]


def test_a_message_that_keeps_to_its_profile_has_no_findings():
    """Groups come as often as agreed, optional parts may be left out."""
    assert told(HEAD + SCH + PID + INSURED) == told(HEAD + SCH + PID) == []


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (SCH, "", ("missing-required", "SCH")),
        (PID + INSURED, "", ("missing-required", "PID")),
        ("SCH|APP1^PT", "SCH|", ("missing-required", "SCH-1")),
        ("SCH|APP1^PT", "SCH|^PT", ("missing-required", "SCH-1.1")),
        ("SCH|APP1^PT", "SCH|APPOINTMENT^PT", ("too-long", "SCH-1.1")),
        ("SCH|APP1^PT", "SCH|APP1^PT^X", ("not-used", "SCH-1.3")),
        ("SCH|APP1^PT|", "SCH|APP1^PT|F1", ("not-used", "SCH-2")),
        ("1~2|PT", "1~2~3|PT", ("too-many", "SCH-3")),
        ("1~2|PT", "1~2|OT", ("not-constant", "SCH-4")),
        ("1~2|PT", "1~2|PT|||more", ("not-used", "SCH-7")),
        ("77^^^PT^MR~", "", ("missing-required", "PID-3")),
        ("ROE^", "&^", ("missing-required", "PID-5.1.1")),
        ("ROE^", "ROE&VAN^", ("not-used", "PID-5.1.2")),
        ("|F\r", "|SECRET\r", ("not-in-table", "PID-8")),
        ("IN1|2|B\r", "IN1|2|B\rIN1|3|C\r", ("not-allowed-here", "IN1[3]")),
        (SCH, f"{SCH}NTE|1||SECRET\r", ("not-allowed-here", "NTE")),
        (SCH, f"ZPT|1\r{SCH}", ("not-allowed-here", "ZPT")),
        (SCH, f"SECRET OF A PATIENT\r{SCH}", ("not-allowed-here", "segment")),
        (INSURED, f"{SCH}{INSURED}", ("not-allowed-here", "SCH[2]")),
    ],
)  # fmt: skip
def test_each_departure_is_told_by_its_place(before, after, expected):
    """One thing is wrong, so one thing is told; components that nobody listed stay open where none was listed."""
    text = HEAD + SCH + PID + INSURED
    assert text.count(before) == 1
    assert told(text.replace(before, after)) == [expected]


def test_a_message_of_another_event_or_none_is_told():
    """The profile of an appointment says nothing of a patient; bytes that are no message are unreadable."""
    assert told(HEAD.replace("SIU^S12", "ADT^A08") + PID) == [("other-message", "MSH-9")]
    assert told("nothing") == [("unreadable", "MSH")]


def test_what_is_told_is_bounded():
    """A message of thousands of stray segments is told by the first of them."""
    assert len(told(HEAD + SCH * 5000 + PID * 5000)) == MOST
