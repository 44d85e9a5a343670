"""``gateway import`` of more messages than may wait to be normalized at one time."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway.cli import app, importing
from gateway.errors import Backpressure, LimitExceeded
from gateway.settings import load
from gateway.store.locking import take_lock

RUNNER = CliRunner()
SETTINGS = """
[data]
directory = "data"
[keys.config]
path = "keys/root.key"
[[tenants]]
name = "north"
[[sources]]
name = "ehr"
tenant = "north"
adapter = "fhir"
zone = "America/Chicago"
[limits]
unsettled_messages = 12
"""
COUNT = 40


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A gateway where twelve messages may wait, steps of ten, and a file of forty."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(importing, "STEP_ITEMS", 10)
    (tmp_path / "gateway.toml").write_text(SETTINGS, encoding="utf-8")
    assert RUNNER.invoke(app, ["init"], catch_exceptions=False).exit_code == 0
    rows = [
        {"resourceType": "Patient", "id": f"p{number}", "meta": {"lastUpdated": "2026-05-01T10:00:00Z"}, "active": True}
        for number in range(COUNT)
    ]
    (tmp_path / "all.ndjson").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return tmp_path


def brought_in() -> Any:
    return RUNNER.invoke(app, ["import", "all.ndjson", "--json"], catch_exceptions=False)


def test_a_file_larger_than_what_may_wait_is_imported_whole(folder: Path) -> None:
    """The import normalizes in between, leaves nothing pending, and knows all of it the second time."""
    assert json.loads(brought_in().stdout) == {
        "files": 1, "stored": COUNT, "repeats": 0, "findings": 0, "suppressed": 0, "quarantined": 0, "pending": 0,
    }  # fmt: skip
    assert json.loads(brought_in().stdout)["repeats"] == COUNT


def test_an_import_beside_a_server_that_normalizes_nothing_gives_up(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits for the process that serves, and says what to do when nothing moves; what was stored stays."""
    monkeypatch.setattr(importing, "ROOM_SECONDS", 0.01)
    monkeypatch.setattr(importing, "PATIENCE_SECONDS", 0.05)
    with ExitStack() as held:
        held.enter_context(take_lock(load(folder / "gateway.toml").data.directory))
        with pytest.raises(Backpressure, match="gateway serve --role worker"):
            brought_in()
    again = json.loads(brought_in().stdout)
    assert again["stored"] + again["repeats"] == COUNT
    assert again["repeats"] >= 10
    assert again["pending"] == 0


def test_a_file_over_the_limit_is_refused_before_anything_is_stored(folder: Path) -> None:
    """Of two files the second is too large: neither is brought in, and the error names the setting."""
    (folder / "gateway.toml").write_text(SETTINGS + "file_bytes = 2000\n", encoding="utf-8")
    (folder / "one.ndjson").write_text((folder / "all.ndjson").read_text("utf-8").splitlines()[0] + "\n", "utf-8")
    assert (folder / "all.ndjson").stat().st_size > 2000
    with pytest.raises(LimitExceeded, match=r"limits\.file_bytes"):
        RUNNER.invoke(app, ["import", "one.ndjson", "all.ndjson"], catch_exceptions=False)
    shown = RUNNER.invoke(app, ["messages", "--json"], catch_exceptions=False)
    assert json.loads(shown.stdout)["messages"] == []
