"""Units by minutes: the worked examples of both rules."""

from __future__ import annotations

import json

import pytest

from gateway_claims.translate_units import cms_units, midpoint_units, units_of


@pytest.mark.parametrize(("minutes", "units"), [(7, 0), (8, 1), (22, 1), (23, 2), (37, 2), (38, 3), (53, 4), (127, 8)])
def test_the_table_of_the_eight_minute_rule(minutes, units):
    """Eight minutes begin a unit, fifteen more the next."""
    assert units_of(minutes) == units


def test_every_worked_example(corpora):
    """Minutes by code give the units by code that the published examples give, by either rule."""
    examples = json.loads((corpora.parent / "reference/codes/pt_unit_vectors.json").read_text("utf-8"))["vectors"]
    assert len(examples) >= 10
    for example in examples:
        assert sum(cms_units(example["minutes"]).values()) == example["cms_total_units"], example
        assert midpoint_units(example["minutes"]) == example["spm_units"], example


@pytest.mark.parametrize(
    ("minutes", "cms", "midpoint"),
    [
        ({"97110": 33, "97140": 7}, {"97110": 2, "97140": 1}, {"97110": 2}),
        (
            {"97112": 18, "97110": 13, "97116": 10, "97140": 8},
            {"97112": 1, "97110": 1, "97116": 1},
            {"97112": 1, "97110": 1, "97116": 1, "97140": 1},
        ),
        ({"97112": 7, "97110": 7, "97140": 7}, 1, {}),
        ({"97112": 24, "97110": 23}, {"97112": 2, "97110": 1}, {"97112": 2, "97110": 2}),
    ],
)
def test_what_is_left_over_goes_to_the_longest(minutes, cms, midpoint):
    """Pooled minutes make a unit of the code with most of them; line by line they are lost."""
    made = cms_units(minutes)
    assert (sum(made.values()) if isinstance(cms, int) else made) == cms
    assert midpoint_units(minutes) == midpoint
