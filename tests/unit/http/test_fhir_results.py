"""How much of a resource an answer shows: what R4 wants of a summary, valid, and told as a part."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.http.fhir_results import ALWAYS, MANDATORY, SUBSETTED, SUMMARY, Part
from gateway.model import fold
from gateway.model.fhir_places import RESOURCES
from gateway.wire.fhir import PROJECTIONS, RESOURCE, encode, resource
from tests.unit.model.strategies import BY_TYPE, stored

few = settings(deadline=None, max_examples=5)


def model(name: str) -> Any:
    """The standard's own model of a resource."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return getattr(importlib.import_module(f"fhir.resources.R4B.{name.lower()}"), name)


@pytest.mark.parametrize("name", sorted(RESOURCES))
def test_a_summary_has_the_elements_that_r4_marks_for_it(name: str) -> None:
    """What our table adds is marked in R4, and what must be there is what the standard wants in every resource."""
    known = model(name)
    marked = set(known.summary_elements_sequence())
    required = {field.alias or key for key, field in known.model_fields.items() if field.is_required()}
    required |= {key for key, _ in known.get_required_fields(None)} if hasattr(known, "get_required_fields") else set()
    assert SUMMARY[name] <= marked if name in SUMMARY else True
    assert MANDATORY.get(name, frozenset()) == required


@pytest.mark.parametrize("type", sorted(PROJECTIONS))
@few
@given(data=st.data())
def test_a_part_is_valid_and_leaves_out_no_more_than_asked(type: str, data: st.DataObject) -> None:
    """A summary and chosen elements validate as R4, are tagged, and hold every marked element that the whole has."""
    made = resource(type, "x", 1, "2026-03-01T10:00:00Z", "n", stored(fold(type, None, data.draw(BY_TYPE[type]))))
    name = RESOURCE[type]
    marked = set(model(name).summary_elements_sequence())
    brief = Part(summary=True).of(made)
    assert {one for one in made if one.removeprefix("_") in marked} <= set(brief)
    assert set(Part(elements=frozenset({"status", "birthDate"})).of(made)) - {"_status"} <= (
        ALWAYS | {"status", "birthDate"} | {f"{under}{one}" for one in MANDATORY.get(name, ()) for under in ("", "_")}
    )
    for part in (brief, Part(elements=frozenset({"identifier"})).of(made)):
        assert part["meta"]["tag"] == [SUBSETTED]
        assert part["meta"]["versionId"] == "1"
        model(name).model_validate_json(encode(part))
    assert Part().of(made) is made


def test_one_form_of_an_element_goes_by_its_name() -> None:
    """`deceased` names deceasedBoolean and deceasedDateTime, as FHIR writes elements of several forms."""
    made = {"resourceType": "Patient", "id": "x", "deceasedBoolean": True, "gender": "male"}
    assert Part(elements=frozenset({"deceased"})).of(made) == {
        "resourceType": "Patient", "id": "x", "deceasedBoolean": True, "meta": {"tag": [SUBSETTED]}
    }  # fmt: skip
