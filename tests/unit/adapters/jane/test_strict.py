"""Single items against the documented schema."""

from __future__ import annotations

import msgspec
import pytest

from gateway_jane.records import KINDS
from gateway_jane.simulator import JaneSimulator
from gateway_jane.strict import check
from tests.unit.adapters.jane.clinic import CLINIC

ID = "0199173f-240f-7f6a-9bce-a9836f530001"


def test_the_simulator_answers_what_is_documented() -> None:
    """No row of the simulated clinic differs from the schema."""
    made = JaneSimulator(CLINIC)
    assert [
        found for kind in KINDS for row in made.tables[kind].values() for found in check(kind, msgspec.json.encode(row))
    ] == []


@pytest.mark.parametrize(
    ("kind", "fields", "reason", "where"),
    [
        ("appointments", {"id": ID, "state": "Roe"}, "wrong-type", "state"),
        ("appointments", {"id": ID, "start_at": "2026-01-07 17:00"}, "wrong-type", "start_at"),
        ("appointments", {"id": "7"}, "wrong-type", "id"),
        ("patients", {"id": ID, "phone_numbers": [{"type": "pager", "number": "Roe"}]}, "wrong-type", "phone_numbers"),
        ("patients", {"sex": "x"}, "missing-field", "id"),
        ("locations", {"id": ID, "country": "usa"}, "wrong-type", "country"),
        ("staff_members", {"id": ID, "brand_new": "Roe"}, "undocumented-field", "brand_new"),
    ],
)
def test_each_difference_is_named_by_its_field(kind: str, fields: dict, reason: str, where: str) -> None:
    """The place is told and no value."""
    (found,) = check(kind, msgspec.json.encode(fields))
    assert (found.reason, found.where) == (reason, where)
    assert "Roe" not in repr(found)


def test_what_is_no_object_is_told() -> None:
    """A list or a cut body is one finding."""
    assert [one.reason for one in check("patients", b"[")] == ["not-an-object"]
