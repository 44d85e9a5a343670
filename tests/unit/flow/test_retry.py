"""When to try again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.flow.retry import MOST_AFTER, SCHEDULE, pause

ASKED = st.none() | st.floats(0, 10**6)


@given(st.integers(1, len(SCHEDULE)), ASKED)
def test_a_pause_keeps_to_the_schedule_and_to_what_was_asked(attempts: int, after: float | None) -> None:
    """A pause is below the schedule's bound unless the peer asked for more, and never below what it asked, to a day."""
    asked = min(after or 0.0, MOST_AFTER)
    seconds = pause(attempts, after)
    assert seconds is not None
    assert asked <= seconds <= max(SCHEDULE[attempts - 1], asked)


@given(st.integers(len(SCHEDULE) + 1, 1000), ASKED)
def test_there_is_an_end(attempts: int, after: float | None) -> None:
    """After the schedule's last attempt there is no further one, whatever the peer asked."""
    assert pause(attempts, after) is None


def test_jitter_is_full() -> None:
    """Pauses of many clients are spread over the whole interval, not bunched at its end."""
    drawn = sorted(pause(3, None, (1.0, 1.0, 1000.0)) or 0.0 for _ in range(2000))
    tenths = [sum(at * 100 <= one < (at + 1) * 100 for one in drawn) for at in range(10)]
    assert min(tenths) > 100
    assert max(tenths) < 320


def test_the_schedule_grows() -> None:
    """Each bound is at least the one before, the first one short, and all of them together some days."""
    assert list(SCHEDULE) == sorted(SCHEDULE)
    assert SCHEDULE[0] <= 10
    assert 2 * 86_400 < sum(SCHEDULE) < 7 * 86_400
