"""Message profiles are read whole, or refused by the place in their file."""

from __future__ import annotations

import pytest

from gateway.errors import InvalidConfiguration
from gateway_hl7 import strict_profile
from gateway_hl7.strict_profile import read_profile
from tests.unit.adapters.hl7.profiles import PROFILE


def test_a_profile_names_its_message_and_what_must_stand_in_it():
    """Usage comes before number: R is at least one, X is none."""
    profile = read_profile(PROFILE.encode())
    assert (profile.kind, profile.version) == ("SIU^S12", "2.5.1")
    assert [one.name for one in profile.message.segments()] == ["MSH", "SCH", "NTE", "PID", "IN1", "IN2"]
    schedule = next(one for one in profile.message.segments() if one.name == "SCH")
    assert [(one.least, one.most) for one in schedule.fields] == [(1, 1), (0, 0), (0, 2), (0, 1)]
    assert read_profile(PROFILE.replace("ProfileType=", 'xmlns="urn:hl7-org:v2" ProfileType=').encode()) == profile


ENTITIES = '<!DOCTYPE a [<!ENTITY b "c"><!ENTITY d "&b;&b;&b;">]>' + PROFILE.partition("?>")[2].replace("clinic", "&d;")
DEEP = "<SegGroup>" * 13 + '<Segment Name="ZZZ"/>' + "</SegGroup>" * 13


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("", "profile"), ("<a/>", "profile"), ("<HL7v2xConformanceProfile/>", "profile"), (ENTITIES, "profile"),
        (PROFILE[:-40], "profile"),
        (PROFILE.replace('MsgType="SIU"', ""), "HL7v2xStaticDef MsgType and EventType"),
        (PROFILE.replace('Name="SCH"', 'Name="JANE ROE"'), "Segment[2]"),
        (PROFILE.replace('Min="2" Max="*"', 'Min="2" Max="many"'), "SegGroup[4]/Segment[1]/Field[3]"),
        (PROFILE.replace('Min="2" Max="*"', 'Min="2" Max="1"'), "SegGroup[4]/Segment[1]/Field[3]"),
        (PROFILE.replace("<SegGroup ", '<SegGroup Name="EMPTY"/><SegGroup ', 1), "SegGroup[4]"),
        (PROFILE.replace("  <SegGroup ", f"{DEEP}<SegGroup ", 1), "SegGroup[4]/" + "SegGroup[1]/" * 11),
    ],
)  # fmt: skip
def test_what_is_no_profile_is_refused_by_its_place(text, where):
    """The place is that of the file; nothing of it is repeated."""
    with pytest.raises(InvalidConfiguration) as caught:
        read_profile(text.encode())
    assert caught.value.where == where
    assert "JANE" not in str(caught.value)


def test_a_profile_beyond_bounds_is_refused(monkeypatch):
    """Its length is looked at before it is read."""
    monkeypatch.setattr(strict_profile, "MOST_BYTES", 100)
    with pytest.raises(InvalidConfiguration, match="longer than 100 bytes"):
        read_profile(PROFILE.encode())
