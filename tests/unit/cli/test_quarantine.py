"""Releasing what waits: here and at once, all that one mended cause held back, and what became of each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway.cli import app, settling
from gateway.errors import InvalidConfiguration
from gateway.flow import decisions
from gateway.settings import load
from gateway.store.locking import take_lock

SETTINGS = """
[keys.config]
path = "root.key"
[[tenants]]
name = "north"
[[sources]]
name = "ris"
tenant = "north"
adapter = "hl7"
zone = "America/Chicago"
overlay = "overlay"
"""
BOOKING = (
    "MSH|^~\\&|EMR|EAST|HUB|HUB|20260105080000||SIU^S12|C{0}|P|2.5\r"
    "SCH|A{0}|F{0}||||||EVAL|30|min|^^30^{1}||||||||||||||WAITLIST\r"
    "PID|1||{0}^^^EMR^MR||DOE^JO\r"
)
RUNNER = CliRunner()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A gateway to which came three bookings: two with a code that nobody listed, one at an impossible time besides."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "overlay/codes").mkdir(parents=True)
    (tmp_path / "gateway.toml").write_text(SETTINGS)
    times = ("20260109093000", "20260110093000", "20261345")
    (tmp_path / "day.hl7").write_text("".join(BOOKING.format(number, at) for number, at in enumerate(times, 1)))
    told("init")
    counts = told("import", "day.hl7", code=1)
    assert (counts["stored"], counts["quarantined"], counts["pending"]) == (3, 3, 0)
    return tmp_path


def told(*words: str, code: int = 0) -> Any:
    """What a command says to programs."""
    answer = RUNNER.invoke(app, [*words, "--json"], catch_exceptions=False)
    assert answer.exit_code == code, answer.output
    return json.loads(answer.stdout)


def mend(folder: Path) -> None:
    (folder / "overlay/codes/appointment_status.toml").write_text('[codes]\nWAITLIST = "booked"\n')


def test_all_of_one_reason_are_released_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those whose code is listed now become records, what is wrong otherwise waits again; beside a server all wait."""
    waiting = {one["id"]: one["reason"] for one in told("quarantine", "list")}
    assert set(waiting.values()) == {"unmapped-code"}
    mend(folder)
    released = told("quarantine", "release", "--reason", "unmapped-code", code=1)
    assert [one["outcome"] for one in released["results"]] == ["normalized", "normalized", "quarantined"]
    assert len(told("records", "Appointment")) == 2
    (left,) = told("quarantine", "list")
    (again,) = told("quarantine", "release", left["id"], code=1)["results"]
    assert (again["outcome"], again["place"]) == ("quarantined", "SCH-11.4")
    monkeypatch.setattr(settling, "PATIENCE_SECONDS", 0.0)
    with take_lock(load(folder / "gateway.toml").data.directory):  # another process serves, and will take it up
        (waiting,) = told("quarantine", "release", left["id"])["results"]
    assert waiting["outcome"] == "released"


def test_what_to_release_must_be_named() -> None:
    """Neither nothing nor ids beside a reason: a slip must not release everything."""
    for words in ((), ("m1", "--reason", "unmapped-code")):
        with pytest.raises(InvalidConfiguration, match="Name what to release"):
            told("quarantine", "release", *words)


@pytest.mark.usefixtures("folder")
def test_what_a_list_leaves_out_is_told_and_can_be_shown() -> None:
    """A list of the newest two of three says that there are more; the oldest is shown by its id all the same."""
    found = told("quarantine", "list")
    short = RUNNER.invoke(app, ["quarantine", "list", "--limit", "2", "--json"], catch_exceptions=False)
    assert json.loads(short.stdout) == found[:2]
    assert f"More than 2 messages are in quarantine: see the older ones with --before {found[1]['id']}" in short.stderr
    assert told("quarantine", "list", "--limit", "2", "--before", found[1]["id"]) == found[2:]
    assert told("quarantine", "show", found[2]["id"]) == found[2]


@pytest.mark.usefixtures("folder")
def test_a_reason_that_is_misspelt_releases_nothing_and_says_so() -> None:
    """What is not there is refused with what there is; a source from which nothing waits is no slip."""
    for words, fix in (
        (("--reason", "unmaped-code"), "Did you mean 'unmapped-code'"),
        (("--reason", "gave-up"), "Known are: unmapped-code"),
        (("--source", "rix"), "Did you mean 'ris'"),
        (("--route", "billing"), "Known are: none"),
    ):
        with pytest.raises(InvalidConfiguration) as refused:
            told("quarantine", "release", *words)
        assert fix in str(refused.value)
    assert len(told("quarantine", "list")) == 3
    assert told("quarantine", "release", "--source", decisions.NAME)["released"] == []
