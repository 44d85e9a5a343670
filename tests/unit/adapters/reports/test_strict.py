"""Reports against what their columns mean."""

from __future__ import annotations

import pytest

from gateway_reports.simulator import REPORTS, as_csv
from gateway_reports.strict import conformance
from tests.unit.adapters.reports.test_records import CLINIC, JANE


@pytest.mark.parametrize("title", REPORTS)
def test_the_simulated_reports_hold_what_they_should(title: str) -> None:
    """Nothing but known headers that this export leaves out."""
    found = conformance(as_csv(REPORTS[title](CLINIC)), JANE)
    assert {one.reason for one in found} <= {"column-missing"}


def test_each_difference_is_named_once_by_its_column() -> None:
    """The place is told and no value."""
    data = b"id,patient_number,start_at,end_at,state\n1,2,soonRoe,1/2/2026,Arrived\n3,4,laterRoe,,Arrived\n5\n"
    found = conformance(data, JANE)
    assert {(one.reason, one.where) for one in found} == {
        ("column-missing", "appointments type"),
        ("column-missing", "appointments practitioner"),
        ("not-time", "appointments start"),
        ("row-length", "appointments line 4"),
    }
    assert "Roe" not in repr(found)
    assert [one.reason for one in conformance(b"no,such,report\n", JANE)] == ["no-report"]
