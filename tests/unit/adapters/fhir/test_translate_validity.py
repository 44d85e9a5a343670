"""Quarantine with the standard's own findings: places and rules, never values."""

from __future__ import annotations

import sys
from importlib.resources import files

import msgspec
import pytest

from gateway import model
from gateway.errors import InvalidContent
from gateway.flow.source import Source
from gateway.mapping import Mapping
from gateway_fhir.translate_validity import validated
from tests.unit.adapters.fhir.server import ADAPTER, config, normalize

PLAIN = normalize()


def refused(**elements: object) -> InvalidContent:
    body = msgspec.json.encode({"resourceType": "Patient", "id": "x1", **elements})
    with pytest.raises(InvalidContent) as error:
        PLAIN(body, b"")
    return error.value


def test_a_quarantined_resource_carries_the_validators_findings() -> None:
    """Without strict mode too: the reason stays the gateway's own, and the fix names each fault's place, no value."""
    error = refused(
        modifierExtension=[{"url": "urn:x", "valueCode": "y"}], contact=[{"gender": ["Jane Roe"]}], link=[{}]
    )
    assert error.reason == "unknown-modifier"
    assert "Patient.contact[0].gender" in error.fix
    assert "Patient.link[0].other (missing-element)" in error.fix
    assert "Roe" not in str(error)


def test_what_makes_no_valid_record_carries_them_too() -> None:
    """A resource whose patch cannot be folded is told with the rule that failed and all that the standard finds."""
    mapping = Mapping.load(files("gateway_mappings") / "fhir", None, ADAPTER.path).bind(zone="America/Chicago")
    source = Source.bind("clinic", "ehr", ADAPTER, config(), mapping)
    body = b'{"resourceType":"Appointment","id":"a1","status":"booked","participant":[{"actor":{"display":"Roe"}}]}'
    with pytest.raises(InvalidContent) as refusal:
        model.fold("Appointment", None, {"status": "booked"})
    error = source.refused(refusal.value, "Appointment", body)
    assert error.reason == refusal.value.reason
    assert "FHIR R4 itself finds wrong: Appointment.participant[0].status" in error.fix
    assert "Roe" not in str(error)


def test_a_resource_valid_by_the_standard_is_told_no_faults() -> None:
    """What only the gateway refuses has no findings beside it."""
    error = refused(modifierExtension=[{"url": "urn:x", "valueCode": "y"}])
    assert "finds wrong" not in error.fix


def test_a_large_or_unreadable_resource_is_not_validated() -> None:
    """Validation may hold up nobody: half a megabyte is left to the command, and bytes that are no JSON as they are."""
    error = InvalidContent("wrong-type", "It is wrong", where="$", fix="Mend it.")
    large = b'{"resourceType":"Patient","id":"' + b"x" * 300_000 + b'"}'
    assert "too large" in validated(error, large).fix
    assert validated(error, b"{").fix == "Mend it."


def test_quarantine_works_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the extra is not installed the reason stands alone."""
    monkeypatch.setitem(sys.modules, "gateway_fhir.strict", None)
    error = InvalidContent("wrong-type", "It is wrong", where="$", fix="Mend it.")
    assert validated(error, b'{"resourceType":"Patient","birthDate":"x"}') is error
