"""Words of the search index: never too few, and the same for whoever may see what they are made of."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.http import fhir_tokens as tokens
from gateway.http.fhir_dates import parse_range
from gateway.http.fhir_lookup import Wanted
from gateway.http.fhir_search import DATES, read_search
from gateway.model import fold
from gateway.wire.fhir import PROJECTIONS, RESOURCE
from tests.unit.model.strategies import BY_TYPE, stored

few = settings(deadline=None, max_examples=25)


def made(type: str, fields: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": RESOURCE[type], **PROJECTIONS[type](fields)}


@pytest.mark.parametrize("type", sorted(PROJECTIONS))
@few
@given(data=st.data())
def test_a_view_of_the_named_fields_makes_the_same_words(type: str, data: st.DataObject) -> None:
    """What the index knows of the whole record, a client sees who is granted the parameter's fields and no others."""
    fields = stored(fold(type, None, data.draw(BY_TYPE[type])))
    whole = set(tokens.words(type, made(type, fields)))
    assert {name for name, _ in whole} <= set(tokens.FIELDS[type])
    for parameter, names in tokens.FIELDS[type].items():
        seen = made(type, {name: value for name, value in fields.items() if name in names})
        mine = {pair for pair in tokens.words(type, seen) if pair[0] == parameter}
        assert mine == {pair for pair in whole if pair[0] == parameter}


moments = st.datetimes(datetime(1990, 1, 1), datetime(2060, 1, 1)).map(lambda one: one.replace(microsecond=0))
prefixes = st.sampled_from(["", "eq", "gt", "ge", "lt", "le", "sa", "eb"])
forms = st.sampled_from(["%Y", "%Y-%m", "%Y-%m-%d", "%Y-%m-%dT%H:%M:%S+00:00"])


@st.composite
def asked(draw: st.DrawFn, near: datetime) -> list[str]:
    shifted = st.integers(-40, 40).map(lambda days: near + timedelta(days=days))
    return [
        draw(prefixes) + format(draw(shifted), draw(forms)) for _ in range(draw(st.integers(min_value=1, max_value=2)))
    ]


@settings(deadline=None, max_examples=300)
@given(data=st.data(), start=moments, days=st.integers(0, 60))
def test_a_date_that_matches_is_among_the_words_asked_for(data: st.DataObject, start: datetime, days: int) -> None:
    """Whatever dates are searched for: an instant or a period that matches has a word of the span."""
    texts = data.draw(asked(start))
    instant = f"{start.replace(tzinfo=UTC):%Y-%m-%dT%H:%M:%S+00:00}"
    end = f"{start + timedelta(days=days):%Y-%m-%d}"
    for resource in (
        {"resourceType": "Appointment", "start": instant},
        {"resourceType": "Encounter", "period": {"start": instant, "end": end}},
        {"resourceType": "Encounter", "period": {"start": instant}},
    ):
        search = read_search(resource["resourceType"], [("date", text) for text in texts])
        span = tokens.span(search.dates)
        if not search.matches(resource) or span is None:
            continue
        type = {"Appointment": "Appointment", "Encounter": "Visit"}[resource["resourceType"]]
        words = [word for name, word in tokens.words(type, resource) if name == "date"]
        wanted = Wanted(type, "date", (), span)
        assert any(map(wanted.holds, words)), (texts, words, span)


def test_a_span_names_its_years_months_and_days() -> None:
    """From the last day of one year to the second of the next, each level names exactly what lies within."""
    low, high = date(2025, 12, 31), date(2026, 1, 2)
    assert tokens.years(low, high) == ["2025", "2026"]
    assert tokens.months("2025", low, high) + tokens.months("2026", low, high) == ["2025-12", "2026-01"]
    assert tokens.days("2025-12", low, high) == ["2025-12-31"]
    assert tokens.days("2026-01", low, high) == ["2026-01-01", "2026-01-02"]
    assert tokens.above("2026-01-02") == ("2026-01-02", "2026-01", "2026")
    assert tokens.above(tokens.FAR) == ()


@pytest.mark.parametrize(
    ("texts", "span"),
    [
        (["2026-03"], (date(2026, 3, 1), date(2026, 3, 31))),
        (["ge2026-03-02", "lt2026-03-04"], (date(2026, 3, 2), date(2026, 3, 3))),
        (["gt2026-03-02"], (date(2026, 3, 3), date(2199, 12, 31))),
        (["le2026-03-02T10:00:00Z"], (date(1900, 1, 1), date(2026, 3, 2))),
        (["ne2026-03-02"], None),
        (["ge2026-03-04", "lt2026-03-02"], None),
        (["1800"], None),
    ],
)
def test_ranges_become_days(texts: list[str], span: Any) -> None:
    """Bounds are taken together; what days cannot tell is left to a search that opens candidates."""
    assert tokens.span([parse_range(text, "date") for text in texts]) == span


def test_every_searched_date_belongs_to_a_type() -> None:
    """Each resource with a date parameter is one whose record types are in the table or have constant dates."""
    dated = {RESOURCE[type] for type, offered in tokens.FIELDS.items() if "date" in offered}
    assert dated == set(DATES)
