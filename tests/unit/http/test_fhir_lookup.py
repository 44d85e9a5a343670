"""Lists of several record types become one, no further than all of them were looked at."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.http.fhir_lookup import _together
from gateway.store.searching import Changed, Passed

LISTS = st.lists(st.lists(st.tuples(st.integers(0, 30), st.binary(min_size=1, max_size=2)), max_size=12), max_size=3)


@given(lists=LISTS, most=st.integers(1, 4), newest_first=st.booleans())
def test_step_by_step_everything_comes_once_in_its_order(
    lists: list[list[Changed]], most: int, newest_first: bool
) -> None:
    """However few of each list are looked at together, all their records come, sorted, and none twice."""
    of_each = [sorted(set(some), reverse=newest_first) for some in lists]
    every = sorted((one for some in of_each for one in some), reverse=newest_first)
    found: list[Changed] = []
    place: Changed | None = None
    for _ in range(100):
        passed = []
        for some in of_each:
            behind = [one for one in some if place is None or (one < place if newest_first else one > place)]
            step = behind[:most]
            passed.append(Passed(step, step[-1] if len(step) == most else None))
        more, place = _together(passed, newest_first=newest_first)
        found += more
        if place is None:
            break
    assert found == every
