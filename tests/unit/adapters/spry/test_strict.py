"""Single items against what is published."""

from __future__ import annotations

import msgspec
import pytest

from gateway_spry.records import APPOINTMENT, AUTHORIZATION, CARD, CASE
from gateway_spry.simulator import SprySimulator
from gateway_spry.strict import check
from tests.unit.adapters.spry.organisation import CLINIC


def test_the_simulator_answers_what_is_published() -> None:
    """No row of the simulated organisation differs from the schema."""
    made = SprySimulator(CLINIC)
    tables = {APPOINTMENT: made.appointments, CASE: made.cases, AUTHORIZATION: made.authorizations}
    tables[CARD] = {"1": next(iter(made.cases.values()))["insurance_card_list"][0]}
    for kind, rows in tables.items():
        for row in rows.values():
            assert check(kind, msgspec.json.encode(row)) == []


@pytest.mark.parametrize(
    ("kind", "fields", "reason", "where"),
    [
        (APPOINTMENT, {"appointment_id": 1, "date_time": 1772460000}, "wrong-type", "date_time"),
        (APPOINTMENT, {"date_time": "1"}, "missing-field", "appointment_id"),
        (CASE, {"spry_case_id": "CASE_1"}, "wrong-type", "spry_case_id"),
        (AUTHORIZATION, {"authorization_id": 1, "authorization_status": "Roe"}, "wrong-type", "authorization_status"),
        (CARD, {"insurance_card_id": 1, "brand_new": "Roe"}, "undocumented-field", "brand_new"),
    ],
)
def test_each_difference_is_named_by_its_field(kind: str, fields: dict, reason: str, where: str) -> None:
    """The place is told and no value."""
    (found,) = check(kind, msgspec.json.encode(fields))
    assert (found.reason, found.where) == (reason, where)
    assert "Roe" not in repr(found)


def test_what_is_no_object_is_told() -> None:
    """A list or a cut body is one finding."""
    assert [one.reason for one in check(CASE, b"[")] == ["not-an-object"]
