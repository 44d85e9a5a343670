"""``gateway sources``: what an operator and a monitor learn from the status that ``serve`` writes."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.errors import SourceUnavailable
from gateway.transport.schedule import Scheduler

RUNNER = CliRunner()
SETTINGS = """
[data]
directory = "data"
[[tenants]]
name = "north"
"""


def told(folder: Path, scheduler: Scheduler | None, *words: str, more: str = ""):
    """The command's exit code and output, after ``serve`` would have written this."""
    (folder / "gateway.toml").write_text(SETTINGS + more)
    (folder / "data").mkdir()
    if scheduler is not None:
        (folder / "data/sources.json").write_text(json.dumps(scheduler.describe()))
    words = ("sources", "--config", str(folder / "gateway.toml"), *words)
    result = RUNNER.invoke(app, words, catch_exceptions=False, env={"COLUMNS": "240"})
    return result.exit_code, result.output


def scheduled(age: float) -> Scheduler:
    """One stream, last read so many seconds ago."""
    scheduler = Scheduler()
    line = scheduler.seat("north", "east-cliniko", "cliniko", {"patients": 300.0}).line("patients", 60.0)
    line.began(time.time() - age)
    line.succeeded(time.time() - age + 1)
    return scheduler


def test_a_fresh_source_is_shown_with_exit_code_0(tmp_path: Path) -> None:
    """Every stream is a line with its freshness and goal."""
    code, output = told(tmp_path, scheduled(20))
    assert code == 0
    assert "east-cliniko" in output
    assert "300 s" in output


@pytest.mark.parametrize("age", [400, 100_000])
def test_a_stream_behind_its_goal_makes_exit_code_1(tmp_path: Path, age: float) -> None:
    """A monitor needs no more than the exit code to hear that data is old; JSON says by how much."""
    code, output = told(tmp_path, scheduled(age), "--json")
    assert code == 1
    assert json.loads(output)["sources"][0]["streams"][0]["lag"] == pytest.approx(age - 300, abs=2)


def test_what_a_person_can_do_is_told_once_for_each_source(tmp_path: Path) -> None:
    """Under the table stands the cure of what fails, however many streams of a source need the same."""
    scheduler = Scheduler()
    seat = scheduler.seat("north", "east-cliniko", "cliniko", {})
    for stream in ("patients", "invoices"):
        seat.line(stream, 60.0).failed(SourceUnavailable("refused", fix="Make a new key."))
    _, output = told(tmp_path, scheduler)
    assert output.count("to mend east-cliniko: Make a new key.") == 1


def test_a_source_that_sends_by_itself_is_named_and_not_left_out(tmp_path: Path) -> None:
    """Who looks for a hospital's feed in the table reads that nobody asks it, and where its messages are."""
    sends = '[[sources]]\nname = "hospital"\ntenant = "north"\nadapter = "hl7"\nzone = "America/Chicago"\n'
    code, output = told(tmp_path, scheduled(20), more=sends)
    assert code == 0
    assert "not asked, they send or leave files: hospital; see `gateway messages`" in output
    (tmp_path / "json").mkdir()
    assert json.loads(told(tmp_path / "json", scheduled(20), "--json", more=sends)[1])["not_asked"] == ["hospital"]


def test_without_a_serving_process_nothing_is_claimed(tmp_path: Path) -> None:
    """A missing status, and one that nobody renewed, are both told as not serving."""
    assert told(tmp_path, None)[0] == 1
    old = Scheduler(wall=lambda: time.time() - 60)
    (tmp_path / "second").mkdir()
    code, output = told(tmp_path / "second", old, "--json")
    assert (code, json.loads(output)["serving"]) == (1, False)
