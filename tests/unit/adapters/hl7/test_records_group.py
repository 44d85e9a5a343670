"""Groups of segments are seen as if each stood alone."""

from __future__ import annotations

import pytest

from gateway.errors import LimitExceeded
from gateway.wire.hl7 import Message
from gateway.wire.hl7_path import compile_path
from gateway_hl7 import records_group
from gateway_hl7.records_group import CERTIFICATION, INSURANCE, ORDER, repeats, views

HEAD = "MSH|^~\\&|A|B|C|D|20260105||X^Y|1|P|2.5\rPID|1||7\r"


def message(*segments: str) -> Message:
    return Message((HEAD + "\r".join(segments)).encode())


def test_a_member_belongs_to_the_group_before_it():
    """IN2 and IN3 are those of their own IN1; where it has none, those of another are not read in their place."""
    found = list(views(message("IN2|orphan", "IN1|1", "IN1|2", "IN2|b", "IN3|x", "IN3|y"), INSURANCE))
    read = [compile_path(path) for path in ("IN1-1", "IN2-1", "PID-3")]
    assert [[one(view) for one in read] for view in found] == [["1", None, "7"], ["2", "b", "7"]]
    assert [compile_path("IN3-1")(view) for view in repeats(found[1], CERTIFICATION)] == ["x", "y"]
    assert list(repeats(found[0], CERTIFICATION)) == []


def test_what_was_read_before_does_not_shine_through():
    """A message whose segments were split already gives the same views."""
    whole = message("IN1|1", "IN2|a", "IN1|2")
    assert compile_path("IN2-1")(whole) == "a"
    assert [compile_path("IN2-1")(view) for view in views(whole, INSURANCE)] == ["a", None]


def test_an_order_begins_at_orc_or_at_another_request():
    """ORC always begins an order, OBR where the open one has an OBR already or none is open."""
    found = views(message("OBR|1", "ORC|a", "OBR|2", "DG1|d", "OBR|3"), ORDER)
    read = [compile_path(path) for path in ("ORC-1", "OBR-1", "DG1-1")]
    assert [[one(view) for one in read] for view in found] == [[None, "1", None], ["a", "2", "d"], [None, "3", None]]


def test_groups_are_bounded(monkeypatch):
    """More groups than any message has are refused."""
    monkeypatch.setattr(records_group, "MAX_GROUPS", 3)
    assert len(list(views(message(*["IN1|1"] * 3), INSURANCE))) == 3
    with pytest.raises(LimitExceeded):
        list(views(message(*["IN1|1"] * 4), INSURANCE))
