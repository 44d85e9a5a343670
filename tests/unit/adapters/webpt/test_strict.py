"""Conformance with the published tables, in words without values."""

from __future__ import annotations

from gateway_webpt.simulator import table
from gateway_webpt.strict import conformance


def test_the_simulators_files_conform():
    """Whole tables with published values have no finding."""
    row = {"record_id": "1", "authorization_id": "2", "auth_number": "A", "patient_id": "77", "export_flag": "1",
           "modified_date": "07/14/2026"}  # fmt: skip
    assert conformance([table("authorizations", [row])]) == []


def test_missing_columns_and_wrong_kinds_are_told_once_each():
    """A list of what is missing, and the first line of every kind of fault; no value is repeated."""
    text = b"record_id,authorization_id,auth_number,patient_id,modified_date\n1,2,A,secret,soon\n1,2,A,secret,soon\n"
    found = conformance([text])
    told = {(one.reason, one.where) for one in found}
    assert ("column-missing", "authorizations export_flag") in told
    assert {
        ("not-whole", "authorizations line 2 patient_id"),
        ("not-time", "authorizations line 2 modified_date"),
    } < told
    assert not any("secret" in str(one) or "soon" in str(one) for one in found)
    assert [one.reason for one in conformance([b"colour\n"])] == ["no-table"]
