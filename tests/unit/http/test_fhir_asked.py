"""What is asked of an export: read by the letter of the Bulk Data guide, and refused where it is not offered."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.http.directory import Principal
from gateway.http.fhir_asked import COMPARTMENT, Asked, asked_of, posted
from gateway.http.refusal import HttpRefusal
from gateway.wire.fhir import PROJECTIONS

EVERYONE = cast(Principal, SimpleNamespace(types=frozenset(PROJECTIONS)))
"""Whoever may see everything."""


def asked(*pairs: tuple[str, str], of_patients: bool = False, lenient: bool = False) -> tuple[Asked, list[str]]:
    return asked_of(pairs, EVERYONE, "/fhir/$export", of_patients=of_patients, lenient=lenient)


def test_types_are_named_once_each_however_they_are_written() -> None:
    """Commas and repeats make one list without doubles; no list is everything that the client may see."""
    found, _ = asked(("_type", "Patient,Claim"), ("_type", "Claim,Location"), ("_outputFormat", "ndjson"))
    assert found.types == ("Patient", "Claim", "Location")
    assert set(asked()[0].types) >= {"Slot", "PaymentReconciliation", "Patient"}


def test_an_export_of_patients_holds_what_is_about_one() -> None:
    """Without names nothing else is in it; what helps to read it can be named."""
    assert set(asked(of_patients=True)[0].types) == COMPARTMENT
    assert {"Patient", "Appointment", "Task"} <= COMPARTMENT
    assert not {"Practitioner", "Location", "Organization", "Slot"} & COMPARTMENT
    assert asked(("_type", "Patient,Location"), of_patients=True)[0].types == ("Patient", "Location")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("_type", "Basket9"), ("_type", "Patient,Basket9"), ("_type", ""), ("_since", "ge2026-03-02"),
        ("_since", "yesterday"), ("_since", ""), ("_outputFormat", "csv9"), ("_typeFilter", "Patient%3Fx"),
        ("_elements", "id"), ("patient", "Patient/7"), ("_until", "2026-03-02"),
    ],
)  # fmt: skip
def test_what_is_not_offered_is_refused_by_its_name(name: str, value: str) -> None:
    """No parameter changes an export in silence; the refusal does not tell the value."""
    with pytest.raises(HttpRefusal) as caught:
        asked((name, value))
    assert (caught.value.status, caught.value.where) == (400, name)
    assert value == "" or value not in str(caught.value)


def test_a_lenient_client_gets_what_is_offered() -> None:
    """What is left out is named; a time of another form is no parameter to do without."""
    found, ignored = asked(("_type", "Patient,Basket"), ("_elements", "id"), lenient=True)
    assert (found.types, ignored) == (("Patient",), ["_type", "_elements"])
    for pair in (("_type", "Basket"), ("_since", "lt2026")):
        with pytest.raises(HttpRefusal):
            asked(pair, lenient=True)


def test_parameters_may_be_posted() -> None:
    """Each form of a value is read as the address would have it."""
    body = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "_type", "valueString": "Patient"}, {"name": "_since", "valueInstant": "2026-03-02T00:00:00Z"},
            {"name": "patient", "valueReference": {"reference": "Patient/7"}},
        ],
    }  # fmt: skip
    pairs = [("_type", "Patient"), ("_since", "2026-03-02T00:00:00Z"), ("patient", "Patient/7")]
    assert posted(json.dumps(body).encode()) == pairs
    assert posted(b'{"resourceType":"Parameters"}') == []


@given(
    st.one_of(
        st.binary(max_size=40),
        st.recursive(
            st.none() | st.integers() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from(["resourceType", "parameter", "name", "valueString"]), inner)
            ),
        ).map(lambda made: json.dumps(made).encode()),
    )
)
def test_whatever_is_posted_is_read_or_refused(body: bytes) -> None:
    """No body ends in anything but parameters or a refusal at its place."""
    try:
        found: Any = posted(body)
    except HttpRefusal as refusal:
        told = (refusal.status, refusal.where)
    else:
        told = (400, "body") if all(isinstance(text, str) for pair in found for text in pair) else (0, "")
    assert told == (400, "body")
