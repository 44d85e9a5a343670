"""What the settings of a system's reports refuse, and which headers follow from them."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from gateway_reports.config import ReportsConfig


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"system": "other"},
        {"system": "jane", "columns": {"visits": {}}},
        {"system": "jane", "columns": {"appointments": {"colour": "Colour"}}},
        {"system": "jane", "reports": {"*.csv": "visits"}},
        {"system": "jane", "upload_token": "in-clear"},
        {"system": "jane", "delimiter": ";;"},
        {"system": "jane", "unknown": 1},
    ],
)
def test_meaningless_settings_are_refused(settings: dict) -> None:
    """An unknown system, report or column, and a token in clear, stop early."""
    with pytest.raises(ValidationError):
        ReportsConfig(**settings)


def test_a_named_header_takes_the_place_of_the_known_one() -> None:
    """What the settings say of a column is all that counts for it."""
    config = ReportsConfig(system="jane", columns={"appointments": {"start": "Begins"}})
    assert config.headers("appointments")["start"] == ("Begins",)
    assert config.headers("appointments")["end"] == ("end_at",)
    assert ReportsConfig(system="raintree").headers("patients")["last_name"] == ()
