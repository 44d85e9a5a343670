"""Every command, as an operator runs it: a process of its own, JSON out, an exit code that a script can rely on."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.testing.ports import free_port
from gateway_hl7.simulator import clinic_day, send_day
from gateway_x12.simulator import file_835
from tests.end_to_end.conftest import SCRIPT, Run
from tests.waiting import PATIENCE


@contextmanager
def serving(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """``gateway serve`` from its ``ready`` on; stopped like a service at the end."""
    with (folder / "serve.log").open("wb") as log:
        process = subprocess.Popen([str(SCRIPT), "serve"], cwd=folder, stderr=log, env=os.environ)
    try:
        ends = time.monotonic() + PATIENCE
        while b"ready\n" not in (folder / "serve.log").read_bytes():
            assert process.poll() is None, "serve ended"
            assert time.monotonic() < ends, "serve is not ready"
            time.sleep(0.05)
        yield process
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=PATIENCE) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def settled(gateway: Run, accepted: int) -> Any:
    """The ledger once so many messages are in and nothing waits."""
    ends = time.monotonic() + PATIENCE
    while True:
        ledger = gateway("verify", "ledger", "--json").json
        if (ledger["messages_accepted"], ledger["pending"]) == (accepted, 0):
            return ledger
        assert time.monotonic() < ends, ledger
        time.sleep(0.2)


def initialised(folder: Path, gateway: Run) -> int:
    """A fresh gateway from the starter settings, on a free port; returns the port."""
    assert gateway("init", "--json").json["config"] == "gateway.toml"
    port = free_port()
    path = folder / "gateway.toml"
    text = path.read_text("utf-8")
    text = text.replace('adapter = "hl7"\nzone = "America/Chicago"\n', f"\\g<0>\n[sources.config]\nport = {port}\n")
    text = text.replace("\\g<0>", 'adapter = "hl7"\nzone = "America/Chicago"\n')
    path.write_text(text, encoding="utf-8")
    return port


def test_a_new_gateway_from_init_to_verify(tmp_path: Path, gateway: Run) -> None:
    """The starter settings are enough: init, check, serve, a message over MLLP, and it is delivered and proven."""
    port = initialised(tmp_path, gateway)
    again = gateway("init", "--json")
    assert (again.code, again.out) == (2, "")
    assert "There is a keystore already" in again.err
    assert gateway("check", "--json").json == {"ok": True, "problems": []}
    messages = clinic_day(5, patients=2, visits=2, merges=0)
    with serving(tmp_path):
        assert asyncio.run(send_day("127.0.0.1", port, messages, timeout=PATIENCE, attempts=1)) == len(messages)
        ledger = settled(gateway, len(messages))
        assert gateway("health", "--json").json["healthy"] is True
    assert ledger["unaccounted"] == 0
    assert ledger["delivered"] >= 2
    assert gateway("health", "--json").code == 1
    audit = gateway("verify", "audit", "--export", "bundle.ndjson", "--json")
    assert (audit.code, audit.json["audit_valid"]) == (0, True)
    assert (tmp_path / "bundle.ndjson").stat().st_size > 0
    assert list((tmp_path / "out/front-desk").glob("Appointment-*.ndjson"))


def test_import_by_evidence_and_again(tmp_path: Path, gateway: Run) -> None:
    """A file is known by its bytes, previewed without anything kept, stored once, and known again the second time."""
    (tmp_path / "eob.835").write_bytes(file_835(1, 6))
    preview = gateway("import", "eob.835", "--dry-run", "--json")
    lines = [line for line in preview.out.splitlines() if line]
    assert preview.code == 0
    assert len(lines) == 7
    assert not (tmp_path / "data").exists()
    gateway("init")
    first = gateway("import", "eob.835", "--json").json
    nothing = dict.fromkeys(("repeats", "findings", "suppressed", "quarantined", "pending"), 0)
    assert first == {"files": 1, "stored": 7, **nothing}
    again = gateway("import", "eob.835", "--json").json
    assert (again["stored"], again["repeats"]) == (0, 7)
    assert gateway("verify", "ledger", "--json").json["unaccounted"] == 0
    (tmp_path / "note.txt").write_text("no standard at all")
    strange = gateway("import", "note.txt")
    assert (strange.code, strange.out) == (2, "")
    assert "--source" in strange.err


def test_check_says_what_where_and_how(tmp_path: Path, gateway: Run) -> None:
    """Every mistake is told at once with its place, no value is repeated, and the exit code is 1."""
    gateway("init")
    path = tmp_path / "gateway.toml"
    text = path.read_text("utf-8").replace("America/Chicago", "Mars/Crater").replace('sink = "files"', 'sink = "fles"')
    path.write_text(text, encoding="utf-8")
    answer = gateway("check", "--json")
    assert answer.code == 1
    assert len(answer.json["problems"]) >= 2
    for problem in answer.json["problems"]:
        assert problem["code"] == "invalid-setting"
        assert problem["line"] or re.search("sources|routes", problem["where"])
        assert problem["problem"]
        assert problem["fix"]
    assert "Crater" not in answer.out


def test_looking_at_a_day(copied: Path, gateway: Run) -> None:
    """Messages, records, explain and disclosures tell one story of one appointment, and every look is in the log."""
    before = gateway("verify", "audit", "--json").json["tenants"][0]["rows"]
    messages = gateway("messages", "--limit", "1000", "--json").json["messages"]
    assert {message["outcome"] for message in messages} >= {"normalized", "suppressed", "quarantined"}
    assert all("fields" not in row for row in gateway("records", "--json").json)
    (record, *_) = [
        row
        for row in gateway("records", "Appointment", "--limit", "500", "--show", "--json").json
        if row["source"] == "hospital"
    ]
    explained = gateway("explain", record["id"], "status", "--json").json
    assert explained["value"] == record["fields"]["status"]
    assert explained["same_code"] is True
    assert any(step["path"].startswith(("MSH-", "SCH-")) and step["result"] for step in explained["steps"])
    assert explained["control_id"] in {message["control_id"] for message in messages}
    disclosed = gateway("disclosures", record["patient"], "--json").json["disclosures"]
    assert {line["recipient"] for line in disclosed} == {"reminder system"}
    assert record["id"] in {line["record"] for line in disclosed}
    assert all(line["fields"] and line["receipt"] for line in disclosed)
    after = gateway("verify", "audit", "--json")
    assert after.json["tenants"][0]["rows"] >= before + 4
    assert after.json["audit_valid"] is True


def test_a_sources_own_id_finds_the_patient(copied: Path, gateway: Run) -> None:
    """A compliance officer who has the chart number gets the same list as one who has the record id."""
    patients = gateway("records", "Patient", "--limit", "500", "--show", "--json").json
    (patient, *_) = [row for row in patients if row["source"] == "hospital" and not row["removed"]]
    by_chart = gateway("disclosures", patient["native_id"], "--source", "hospital", "--json").json
    assert by_chart == gateway("disclosures", patient["id"], "--json").json


def test_quarantine_is_listed_shown_and_released(copied: Path, gateway: Run) -> None:
    """What waits is told with reason and place and no value; released unmended it waits again; the ledger adds up."""
    (held,) = gateway("quarantine", "list", "--json").json
    assert (held["reason"], held["place"], held["what"]) == ("not-a-time", "SCH-11.4", "message")
    assert gateway("quarantine", "show", held["id"], "--json").json == held
    released = gateway("quarantine", "release", held["id"], "--json")
    assert (released.code, released.json["released"]) == (1, [held["id"]])
    assert released.json["results"][0]["place"] == held["place"]
    ledger = gateway("verify", "ledger", "--json")
    assert (ledger.code, ledger.json["pending"], ledger.json["quarantined"]) == (0, 0, 1)
    assert gateway("quarantine", "release", "m0").code == 2
    assert gateway("verify", "audit", "--json").json["audit_valid"] is True


def test_adapters_are_described(gateway: Run) -> None:
    """Everything installed is listed with what it cannot give, nothing fails to load, and no settings are needed."""
    found = gateway("adapters", "--json").json
    assert found["failures"] == []
    kinds = {(row["kind"], row["name"]) for row in found["plugins"]}
    assert kinds >= {
        ("adapter", "hl7"), ("adapter", "x12"), ("adapter", "cliniko"), ("sink", "files"), ("sink", "webhook"),
        ("key-provider", "file"),
    }  # fmt: skip
    assert all(row["gaps"] for row in found["plugins"] if row["kind"] == "adapter")


@pytest.mark.parametrize(
    "command",
    [
        ("explain", "nobody", "status"),
        ("disclosures", "nobody"),
        ("quarantine", "show", "m0"),
        ("records", "--tenant", "elsewhere"),
        ("demo", "--folder", "."),
    ],
    ids=" ".join,
)
def test_a_mistake_is_one_sentence(command: tuple[str, ...], copied: Path, gateway: Run) -> None:
    """A wrong id or name ends with 2 and says how to fix it, without a traceback and without output."""
    answer = gateway(*command)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("gateway: ")
    assert "Fix: " in answer.err
    assert "Traceback" not in answer.err
