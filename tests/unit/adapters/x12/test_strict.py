"""Validation against the implementation guide, by another implementation."""

from __future__ import annotations

import logging

import pytest

pytest.importorskip("pyx12", reason="the extra x12 is not installed")

from gateway_x12.simulator import file_835
from gateway_x12.strict import validate


@pytest.mark.parametrize("seed", range(3))
def test_what_the_simulator_writes_is_valid(seed):
    """The simulated payer keeps the guide: pyx12 finds nothing."""
    assert validate(file_835(seed, 20, transactions=2)) == []


def test_what_breaks_the_guide_is_named_by_segment_and_element():
    """The code list and the date format are looked at, and the place is exact."""
    data = file_835(1, 1).replace(b"DTM*405*20260714", b"DTM*405*20269914")
    (finding,) = validate(data)
    assert (finding.reason, finding.what, finding.where) == ("element-8", "not a date", "segment 6, DTM-02")


def test_findings_and_logs_hold_no_values(caplog, capfd):
    """pyx12 quotes what it objects to; we do not."""
    caplog.set_level(logging.DEBUG)
    found = validate(file_835(1, 2).replace(b"NM1*QC*1*", b"NM1*QZ*PLANTED*SECRET*"))
    assert found
    told = f"{found}{caplog.text}{capfd.readouterr()}"
    assert "PLANTED" not in told
    assert "SECRET" not in told


@pytest.mark.parametrize("data", [b"", b"hello", file_835(1, 1)[:80], file_835(1, 1)[:400], b"\xff" * 200])
def test_what_is_no_interchange_is_a_finding(data):
    """Truncated and foreign bytes are told, never raised."""
    assert validate(data)
