"""Strict validation: faults by place, values never shown."""

from __future__ import annotations

import msgspec
import pytest

from gateway_fhir.simulator_clinic import resources
from gateway_fhir.strict import check
from tests.unit.adapters.fhir.server import CLINIC


def test_everything_the_simulator_serves_is_valid() -> None:
    """The simulated server sends nothing that fhir.resources would refuse."""
    assert [found for row in resources(CLINIC) for found in check(msgspec.json.encode(row))] == []


@pytest.mark.parametrize(
    ("body", "reason", "where"),
    [
        (b'{"resourceType":"Patient","birthDate":"Jane Roe"}', None, "Patient.birthDate"),
        (b'{"resourceType":"Patient","secretName":"Jane Roe"}', "unknown-element", "Patient.secretName"),
        (b'{"resourceType":"Patient","name":[{"family":{"Jane Roe":1}}]}', None, "Patient.name[0].family"),
        (b'{"resourceType":"Recipe","id":"Jane Roe"}', "unknown-resource", "resourceType"),
    ],
)
def test_faults_are_named_by_place(body: bytes, reason: str | None, where: str) -> None:
    """The path of the element is told, and nothing of its value."""
    found = check(body)
    assert any(one.where == where and reason in (None, one.reason) for one in found), found
    assert "Roe" not in repr(found)
