"""What `gateway routes` tells: a shadow is beside its route only where it did the same with every change."""

from __future__ import annotations

from types import SimpleNamespace

from gateway.cli.routes import differences, span
from gateway.flow.retry import SCHEDULE


def row(live: str, shadow: str, live_fields: str = "a", shadow_fields: str = "a") -> SimpleNamespace:
    return SimpleNamespace(live=live, shadow=shadow, live_fields=live_fields, shadow_fields=shadow_fields)


def test_only_what_both_did_alike_is_the_same() -> None:
    """Outcomes, fields, and changes of which one route has said nothing are told apart and counted."""
    rows = [row("delivered", "delivered"), row("delivered", "rejected"), row("delivered", "delivered", "a", "b")]
    same, kinds = differences(rows, {"delivered": 4}, {"suppressed": 1})
    assert same == 1
    assert kinds == {
        "delivered here, rejected there": 1,
        "other fields": 1,
        "delivered here, nothing there": 4,
        "nothing here, suppressed there": 1,
    }
    assert differences(rows[:1], {}, {}) == (1, {})


def test_steps_are_told_in_their_largest_unit() -> None:
    """A step reads as a person would say it, and none loses anything."""
    assert ", ".join(map(span, SCHEDULE)) == "5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h"
    assert [span(each) for each in (1.5, 90, 604_800)] == ["1.5 s", "90 s", "168 h"]
