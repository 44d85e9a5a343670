"""From night to night: unchanged rows stay out, what is gone is told, and what is doubtful changes nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gateway.model.exchange import Finding, Item
from gateway_webpt.records import Origin, open_file
from gateway_webpt.simulator import table
from gateway_webpt.transport_nights import Memory, Night, Seen, late
from tests.unit.adapters.webpt.extract import config


def row(key: str, day: int, **more: str) -> dict[str, str]:
    at = f"2026-07-{day:02} 09:30:00"
    return {
        "appointment_id": key, "start_date": at, "end_date": at, "patient_id": "77", "case_id": "9",
        "appointment_status": "Active", **more,
    }  # fmt: skip


def night(day: int, rows, memory: Memory, name: str = "appointments", **settings):
    """One file of one night; what was brought in, what is remembered, and what was found."""
    chosen = config(**settings)
    opened = open_file([table(name, rows)], chosen, Origin(night=f"2026-07-{day:02}"))
    taken = Night(opened, memory, chosen)
    parts = list(taken.parts())
    items, findings, memory = taken.after()
    brought = [part.body for part in parts if isinstance(part, Item)]
    absent = [item.body.decode() for item in items if item.kind == "absent"]
    return brought, absent, findings + [part for part in parts if isinstance(part, Finding)], memory


def test_an_unchanged_row_is_not_brought_in_again():
    """Only what changed is a message; a change back is one again."""
    first, *_, memory = night(10, [row("1", 12), row("2", 12)], Memory())
    second, *_, memory = night(11, [row("1", 12), row("2", 12, reason="x")], memory)
    third, *_, memory = night(12, [row("1", 12), row("2", 12)], memory)
    assert [len(first), len(second), len(third)] == [2, 1, 1]


def test_leaving_the_window_is_no_removal_and_missing_inside_is():
    """A past appointment drops out of sight; one that should be listed and is not is gone."""
    other = row("4", 18)
    _, _, _, memory = night(10, [row("1", 1), row("2", 20), row("3", 24), other], Memory())
    _, absent, _, memory = night(16, [other], memory)
    assert absent == ["2,77", "3,77"]
    assert night(17, [other], memory)[1] == []


def test_an_appointment_beyond_the_window_is_remembered_until_a_window_must_hold_it():
    """At the edge of the window an absence says nothing yet; the next night says it."""
    other = row("2", 3)
    _, _, _, memory = night(1, [row("1", 15), other], Memory())
    _, absent, _, memory = night(1, [other], msg(memory, night=""))
    assert absent == []
    assert night(2, [other], memory)[1] == ["1,77"]


def msg(memory: Memory, **changed) -> Memory:
    return Memory(**{"night": memory.night, "rows": memory.rows, "full": memory.full, **changed})


def test_a_night_that_lost_too_much_is_not_believed():
    """Half a file removes nobody: it is told, and the next whole night goes on."""
    many = [row(str(number), 12) for number in range(100)]
    _, _, _, memory = night(10, many, Memory())
    _, absent, findings, memory = night(11, many[:50], memory)
    assert absent == []
    assert [finding.reason for finding in findings] == ["window-shrank"]
    brought, absent, findings, memory = night(12, many[:90], memory)
    assert (brought, len(absent), findings) == ([], 10, [])


def test_a_night_without_any_appointment_takes_none_away():
    """However few a small clinic has: a header alone is a file that was cut, and the next whole night goes on."""
    few = [row(str(number), 12) for number in range(3)]
    _, _, _, memory = night(10, few, Memory())
    _, absent, findings, memory = night(11, [], memory)
    assert (absent, [finding.reason for finding in findings]) == ([], ["window-shrank"])
    assert night(12, few[:1], memory)[1] == ["1,77", "2,77"]


def test_nothing_is_taken_for_gone_where_a_row_was_unreadable():
    """The missing appointment may be the broken row."""
    _, _, _, memory = night(10, [row("1", 12), row("2", 12)], Memory())
    chosen = config()
    data = table("appointments", [row("1", 12)]) + b"2,broken\r\n"
    taken = Night(open_file([data], chosen, Origin(night="2026-07-11")), memory, chosen)
    assert [type(part) for part in taken.parts()] == [Finding]
    assert [item.kind for item in taken.after()[0]] == ["extract"]


def test_absence_can_be_set_to_say_nothing():
    """A clinic that does not trust the window keeps what it has."""
    _, _, _, memory = night(10, [row("1", 12)], Memory(), absent="unknown")
    assert night(11, [], memory, absent="unknown")[1] == []


def test_a_recurrence_that_was_checked_in_is_gone_under_its_negative_id():
    """Two rows of one case and start: the positive id counts."""
    _, absent, _, memory = night(10, [row("-5", 10), row("6", 10), row("-7", 11)], Memory())
    assert absent == ["-5,77"]
    assert night(11, [row("6", 10), row("-7", 11)], memory)[1] == []


def test_an_old_night_changes_no_memory_of_a_newer_one():
    """An old file sent again is brought in under its own night, removes nothing, and the newest night stays."""
    _, _, _, memory = night(10, [row("1", 12)], Memory())
    _, _, _, memory = night(12, [row("1", 12, reason="x"), row("2", 13)], memory)
    brought, absent, _, after = night(10, [row("1", 12)], memory)
    assert (len(brought), absent, after.night) == (1, [], "2026-07-12")
    assert after.rows == memory.rows


def test_a_left_out_night_is_told():
    """A gap names its days; the rhythm is a setting."""
    _, _, findings, memory = night(10, [], Memory())
    assert findings == []
    assert [one.reason for one in night(12, [], memory)[2]] == ["night-missing"]
    assert night(12, [], memory, every="weekly")[2] == []


def test_what_is_remembered_has_a_limit():
    """Beyond the limit rows are brought in each night, and no absence is believed."""
    rows = [row(str(number), 12) for number in range(5)]
    _, _, _, memory = night(10, rows, Memory(), remember_rows=3)
    brought, absent, _, memory = night(11, rows[:4], memory, remember_rows=3)
    assert (len(brought), absent, len(memory.rows)) == (1, [], 3)


@pytest.mark.parametrize(("hours", "told"), [(29, 0), (31, 1)])
def test_a_late_file_is_told_once(hours, told):
    """The alarm is raised when the time has passed, once for a night."""
    at = datetime(2026, 7, 14, 3, tzinfo=UTC)
    seen = Seen(at={"appointments": at}, night={"appointments": "2026-07-14"})
    now = at + timedelta(hours=hours)
    assert len(late(seen, now, config())) == told
    assert late(seen, now, config()) == []
