"""What is said of a visit at the command line is refused before anything is opened when it cannot be right."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from gateway.cli.visits import app
from gateway.errors import InvalidConfiguration


@pytest.mark.parametrize(
    "words",
    [
        ["mark", "r", "arrived", "--reason", "illness"],
        ["mark", "r", "cancelled", "--reason", "two words"],
        ["mark", "r", "cancelled", "--reason", "x" * 21],
    ],
)
def test_a_reason_is_one_word_of_a_cancellation(words: list[str]) -> None:
    """Free text about a patient cannot come in as a reason, and an arrival has none."""
    assert isinstance(CliRunner().invoke(app, words).exception, InvalidConfiguration)


def test_only_what_can_become_of_a_visit_is_taken() -> None:
    """Any other word is refused with those that are known."""
    told = CliRunner().invoke(app, ["mark", "r", "moved"])
    assert told.exit_code == 2
    assert "no-show" in told.output
