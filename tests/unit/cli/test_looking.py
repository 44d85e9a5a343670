"""Lists of records: everything is on them, however much that is."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from gateway.cli import app, looking
from gateway.cli.printing import opened
from gateway.errors import IntegrityViolated, InvalidConfiguration
from gateway.flow import sealed_check
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


def test_a_message_that_was_changed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other bytes, or the digest of other bytes: opening every message once names each that was changed alone."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gateway.toml").write_text(SETTINGS)
    (tmp_path / "day.hl7").write_bytes(b"\r".join(clinic_day(3, patients=8, visits=20)))
    monkeypatch.setattr(sealed_check, "STEP_BYTES", 5_000)
    for words in (["init"], ["import", "day.hl7"]):
        assert CliRunner().invoke(app, words, catch_exceptions=False).exit_code == 0
    with opened(Path("gateway.toml")) as gateway:
        ids = gateway.store.read_sync(
            lambda c: c.execute(text("select message_id from messages order by message_id")).scalars().all()
        )
        whole = sealed_check.check_sealed(gateway.store, gateway.vault, gateway.audit, "north", "user:ann")
        assert (whole.messages, whole.shredded, whole.damaged) == (len(ids), 0, [])
        for id, statement in zip(ids, ("set box = zeroblob(90)", "set digest = zeroblob(32)"), strict=False):
            gateway.store.write_sync(
                lambda c, s=statement, i=id: c.execute(text(f"update messages {s} where message_id = :i"), {"i": i})
            )
        found = sealed_check.check_sealed(gateway.store, gateway.vault, gateway.audit, "north", "user:ann")
    assert [(one["type"], one["id"]) for one in found.damaged] == [("message", ids[0]), ("message", ids[1])]
    assert (found.messages, found.versions) == (len(ids) - 2, whole.versions)


def test_what_is_damaged_is_named_and_the_rest_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One version that was changed and one that is gone are named with their fix; the rest is shown, exit code 1."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gateway.toml").write_text(SETTINGS)
    (tmp_path / "day.hl7").write_bytes(b"\r".join(clinic_day(3, patients=8, visits=20)))
    for words in (["init"], ["import", "day.hl7"]):
        assert CliRunner().invoke(app, words, catch_exceptions=False).exit_code == 0
    with opened(Path("gateway.toml")) as gateway:
        rows = gateway.store.read_sync(lambda c: journal.recent_records(c, "north", "Patient", None, None))
        for row, statement in zip(rows, ("update changes set box = zeroblob(90)", "delete from changes"), strict=False):
            place = {"l": row.lane, "p": row.position}
            gateway.store.write_sync(
                lambda c, s=statement, p=place: c.execute(text(f"{s} where lane = :l and position = :p"), p)
            )
    checked = CliRunner().invoke(app, ["verify", "records", "--json"], catch_exceptions=False)
    assert checked.exit_code == 1
    (found,) = json.loads(checked.stdout)["tenants"]
    assert [one["id"] for one in found["damaged"]] == [str(UUID(bytes=rows[0].record_id))]  # the other one is gone
    assert found["versions"] > len(rows)
    answer = CliRunner().invoke(app, ["records", "Patient", "--show", "--json"], catch_exceptions=False)
    told = {one["id"]: one.get("damaged") for one in json.loads(answer.stdout)}
    first, second = (str(UUID(bytes=row.record_id)) for row in rows[:2])
    assert answer.exit_code == 1
    assert {id: why for id, why in told.items() if why} == {first: "version-changed", second: "version-missing"}
    assert len(told) == len(rows) > 2
    for id in (first, second):
        assert f"gateway: Patient {id} is left out: " in answer.stderr
    assert answer.stderr.count("Fix: Run `gateway verify ledger`") == 2
    with opened(Path("gateway.toml")) as gateway:
        assert len(looking.opened_records(gateway, "north", "Patient")) == len(rows) - 2
        with pytest.raises(IntegrityViolated, match="is not what was sealed"):
            looking.whole_content(gateway, "north", rows[0])
    whole = CliRunner().invoke(app, ["records", "Appointment", "--show", "--json"], catch_exceptions=False)
    assert (whole.exit_code, whole.stderr) == (0, "")


def test_messages_go_on_below_what_was_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Page after page tells each message once, newest first, until there are no more."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gateway.toml").write_text(SETTINGS)
    (tmp_path / "day.hl7").write_bytes(b"\r".join(clinic_day(3, patients=8, visits=20)))
    for words in (["init"], ["import", "day.hl7"]):
        assert CliRunner().invoke(app, words, catch_exceptions=False).exit_code == 0

    def page(*words: str) -> list[int]:
        told = CliRunner().invoke(app, ["messages", "--json", *words], catch_exceptions=False)
        return [one["id"] for one in json.loads(told.stdout)["messages"]]

    every, found, below = page("--limit", "1000"), list[int](), list[str]()
    while some := page("--limit", "7", *below):
        found += some
        below = ["--before", str(some[-1])]
    assert found == every == sorted(every, reverse=True)
    assert len(every) > 7
