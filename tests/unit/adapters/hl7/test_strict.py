"""Validation by the standard's own library: findings by place, never by value."""

from __future__ import annotations

import pytest

pytest.importorskip("hl7apy", reason="the [hl7] extra is not installed")

from gateway_hl7.simulator import clinic_day
from gateway_hl7.strict import check


def test_the_simulator_conforms_to_the_standard():
    """What the simulator sends is HL7 v2.5.1 without a finding."""
    assert [found for body in clinic_day(visits=12, patients=4)[::3] for found in check(body)] == []


def test_findings_name_places_and_no_values():
    """A missing field, a code outside its table and a value too long are told by place alone."""
    body = (
        b"MSH|^~\\&|A|B|C|D|20260105||ADT^A04^ADT_A01|1|P|2.5.1\rEVN|A04|20260105\r"
        b"PID|1||7^^^A^MR||SECRET^JO||19800101|SECRETSEX\rPV1|1|SECRETCLASS"
    )
    found = check(body)
    assert {(finding.reason, finding.where) for finding in found} >= {("not-in-table", "PID-8")}
    assert all("SECRET" not in f"{finding.what} {finding.where} {finding.fix}" for finding in found)


@pytest.mark.parametrize("body", [b"", b"nothing", b"MSH|^~\\&|A", b"MSH|^~\\&|A|B|C|D|2026||ADT^A04|1|P|9.9\rPID|1"])
def test_what_the_library_cannot_read_is_a_finding(body):
    """Unreadable messages are told, whatever the library raises."""
    assert [finding.reason for finding in check(body)] == ["unreadable"]
