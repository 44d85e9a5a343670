"""Retention by command: what is planned, what a rehearsal leaves alone, what a run drops, and who may run it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.flow import clock, retention

SETTINGS = """
[log]
level = "error"
[keys.config]
path = "root.key"
[[tenants]]
name = "north"
[[sources]]
name = "ris"
tenant = "north"
adapter = "hl7"
zone = "America/Chicago"
[[retention]]
tenant = "north"
days = 400
[[retention]]
tenant = "north"
of = "versions"
days = 800
records = ["Patient"]
[[retention]]
tenant = "north"
of = "patients"
days = 1200
"""


def told(config: Path, *words: str) -> Any:
    """What a command says to a program."""
    answer = CliRunner().invoke(app, [*words, "--json", "--config", str(config)], catch_exceptions=False)
    assert answer.exit_code == 0, answer.output
    return json.loads(answer.stdout)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A gateway with one patient, who changed their name once."""
    config, booking = tmp_path / "gateway.toml", tmp_path / "booking.hl7"
    config.write_text(SETTINGS)
    told(config, "init")
    for number, name in enumerate(("ADAMS", "ADAMS-COLE")):
        head = f"MSH|^~\\&|A|B|C|D|2026030208000{number}||ADT^A08|{number}|P|2.5.1"
        booking.write_text(f"{head}\rPID|1||4711||{name}^EVE\r")
        told(config, "import", str(booking))
    return config


def in_days(days: int, patch: pytest.MonkeyPatch) -> None:
    """Let so many days have gone by when retention asks what is over."""
    later = days * retention.DAY
    patch.setattr(retention, "micros", lambda: clock.micros() + later)


def counts(config: Path, *words: str) -> list[int]:
    """What a retention command counts: messages, versions, patients."""
    found = told(config, "retention", *words)
    assert [one["of"] for one in found] == ["messages", "versions", "patients"]
    return [one["count"] for one in found]


def families(config: Path) -> list[str | None]:
    """Family names that the patients' newest versions tell; None for who is shredded."""
    found = told(config, "records", "Patient", "--show")
    return [None if one.get("shredded") else one["fields"]["name"]["family"] for one in found]


def test_a_rehearsal_counts_and_leaves_everything(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``run --dry-run`` says what ``plan`` says and what ``run`` then drops; before that nothing is dropped or logged.

    The newest version is read as before, however old; it goes with its patient, years after the last news.
    """
    for days, over in ((500, [2, 0, 0]), (900, [0, 1, 0]), (1100, [0, 0, 0]), (1300, [0, 0, 1])):
        in_days(days, monkeypatch)
        before = told(config, "audit", "search", "--purpose", "retention")
        assert counts(config, "run", "--dry-run") == counts(config, "plan") == over
        assert told(config, "audit", "search", "--purpose", "retention") == before
        assert families(config) == ["ADAMS-COLE"]
        assert counts(config, "run") == over
        assert (told(config, "audit", "search", "--purpose", "retention") != before) == any(over)
    assert families(config) == [None]
    told(config, "verify", "ledger")
    told(config, "verify", "audit")


def test_a_plan_may_be_seen_by_many_and_run_by_few(config: Path) -> None:
    """Whoever sees how things stand sees the plan; a run and its rehearsal are the administrators'."""
    with config.open("a") as file:
        file.write('[people.command_line]\n"*" = "read-only"\n')
    assert counts(config, "plan") == [0, 0, 0]
    for words in (["run"], ["run", "--dry-run"]):
        refused = CliRunner().invoke(app, ["retention", *words, "--config", str(config)])
        assert "gateway.run" in str(refused.exception)
