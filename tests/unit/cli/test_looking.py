"""Lists of records: everything is on them, however much that is."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest
from typer.testing import CliRunner

from gateway.cli import app, looking
from gateway.cli.printing import opened
from gateway.errors import InvalidConfiguration
from gateway.store import journal
from gateway_hl7.simulator import clinic_day

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
"""


def test_a_type_that_is_not_there_is_told() -> None:
    """A misspelt record type is no empty list."""
    with pytest.raises(InvalidConfiguration, match="Did you mean 'Appointment'"):
        CliRunner().invoke(app, ["records", "Appointmnt"], catch_exceptions=False)


def test_all_records_of_a_type_are_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over several steps each record is opened once; of those named, only they are."""
    config, day = tmp_path / "gateway.toml", tmp_path / "day.hl7"
    config.write_text(SETTINGS)
    day.write_bytes(b"\r".join(clinic_day(3, patients=8, visits=20)))
    for words in (["init"], ["import", str(day)]):
        answer = CliRunner().invoke(app, [*words, "--config", str(config)], catch_exceptions=False)
        assert answer.exit_code == 0, answer.output
    monkeypatch.setattr(looking, "STEP", 3)
    with opened(config) as gateway:
        found = looking.opened_records(gateway, "north", "Patient")
        ids = [one["id"] for one in found]
        rows = gateway.store.read_sync(
            lambda connection: journal.recent_records(connection, "north", "Patient", None, 50)
        )
        assert len(ids) > looking.STEP
        assert sorted(ids) == sorted(str(UUID(bytes=row.record_id)) for row in rows if not row.removed)
        assert [one["id"] for one in looking.opened_records(gateway, "north", "Patient", ids[:2])] == ids[:2]
        assert looking.opened_records(gateway, "north", "Appointment", ids[:2]) == []
