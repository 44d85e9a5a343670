"""Suggested overlay lines are TOML that the mapping takes, and change what they say they change."""

from __future__ import annotations

import tomllib
from pathlib import Path

from gateway.mapping import Mapping
from gateway_jane.plugin import JaneAdapter

ADAPTER = JaneAdapter()
BASE = Mapping.load(ADAPTER.mappings, None, ADAPTER.path)


def laid(folder: Path, name: str, lines: tuple[str, ...]) -> Mapping:
    """The mapping with these lines pasted into a file of an overlay."""
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(lines) + "\n")
    return Mapping.load(ADAPTER.mappings, folder, ADAPTER.path).bind(zone="America/Chicago")


def test_a_code_can_be_pasted(tmp_path: Path) -> None:
    """A code that was not listed means something once the lines stand in the overlay, however it is written."""
    lines = BASE.code_lines("appointment_state", {'re"booked', "no show"})
    assert tomllib.loads("\n".join(lines))["codes"] == {'re"booked': "booked", "no show": "no-show"}
    mapping = laid(tmp_path, "codes/appointment_state.toml", lines)
    row = {"id": "1", "patient_id": "p", "start_at": "2026-03-02T14:00:00Z", "state": 're"booked'}
    assert mapping.patches("appointments", row)[0].fields["status"] == "booked"


def test_a_renamed_place_can_be_pasted(tmp_path: Path) -> None:
    """The rules stand as they stood, and read the new name."""
    lines = BASE.renamed_lines("appointments", {"Appointment.status"}, "checked_in_at", {"checkin_at", "colour"})
    mapping = laid(tmp_path, "appointment.toml", lines)
    row = {"id": "1", "patient_id": "p", "start_at": "2026-03-02T14:00:00Z", "state": "booked", "checkin_at": "x"}
    assert mapping.patches("appointments", row)[0].fields["status"] == "arrived"
    assert mapping.patches("appointments", row | {"state": "cancelled"})[0].fields["status"] == "cancelled"


def test_nothing_is_suggested_without_a_likely_name() -> None:
    """Where no new place looks like the one that vanished, a person must look."""
    assert BASE.renamed_lines("appointments", {"Appointment.status"}, "checked_in_at", {"colour"}) == ()
    assert BASE.code_lines("appointment_state", ()) == ()
