"""``gateway shred`` where its certificate cannot be written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli import app

RUNNER = CliRunner()
SETTINGS = """
[keys.config]
path = "keys/root.key"
[[tenants]]
name = "north"
[[sources]]
name = "ehr"
tenant = "north"
adapter = "fhir"
zone = "America/Chicago"
"""


def test_a_certificate_that_finds_no_place_is_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever names a folder that is not there gets the error and, since the keys are gone, the certificate as well."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gateway.toml").write_text(SETTINGS, encoding="utf-8")
    patient = {"resourceType": "Patient", "id": "p1", "meta": {"lastUpdated": "2026-05-01T10:00:00Z"}, "active": True}
    (tmp_path / "one.ndjson").write_text(json.dumps(patient) + "\n", encoding="utf-8")
    assert RUNNER.invoke(app, ["init"], catch_exceptions=False).exit_code == 0
    assert RUNNER.invoke(app, ["import", "one.ndjson"], catch_exceptions=False).exit_code == 0
    words = ["shred", "p1", "--source", "ehr", "--reason", "patient-request", "--certificate", "missing/it.json"]
    result = RUNNER.invoke(app, words)
    assert isinstance(result.exception, FileNotFoundError)
    assert json.loads(result.stdout)["keys"]
