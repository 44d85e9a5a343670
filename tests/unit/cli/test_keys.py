"""``gateway shred`` where its certificate cannot be written, and whether a certificate is genuine and holds."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from typer.testing import CliRunner

from gateway.audit import Signer
from gateway.cli import app
from gateway.errors import InvalidConfiguration

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


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A gateway that knows one patient."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gateway.toml").write_text(SETTINGS, encoding="utf-8")
    patient = {"resourceType": "Patient", "id": "p1", "meta": {"lastUpdated": "2026-05-01T10:00:00Z"}, "active": True}
    (tmp_path / "one.ndjson").write_text(json.dumps(patient) + "\n", encoding="utf-8")
    assert RUNNER.invoke(app, ["init"], catch_exceptions=False).exit_code == 0
    assert RUNNER.invoke(app, ["import", "one.ndjson"], catch_exceptions=False).exit_code == 0
    return tmp_path


@pytest.mark.usefixtures("house")
def test_a_certificate_that_finds_no_place_is_printed() -> None:
    """Whoever names a folder that is not there gets the error and, since the keys are gone, the certificate as well."""
    words = ["shred", "p1", "--source", "ehr", "--reason", "patient-request", "--certificate", "missing/it.json"]
    result = RUNNER.invoke(app, words)
    assert isinstance(result.exception, FileNotFoundError)
    assert json.loads(result.stdout)["keys"]


def test_a_certificate_is_checked_here_and_elsewhere(house: Path) -> None:
    """Genuine it is told, by the verifier key alone too; changed, or where a key is back, it ends with 1."""
    words = ["shred", "p1", "--source", "ehr", "--reason", "patient-request", "--certificate", "it.json"]
    assert RUNNER.invoke(app, words, catch_exceptions=False).exit_code == 0
    assert recounted() == (0, [])  # what was destroyed on purpose is not lost
    code, told = asked("it.json")
    assert (code, told["genuine"], told["holds"], told["now"]["keys_back"]) == (0, True, True, [])
    line = RUNNER.invoke(app, ["audit", "keys"], catch_exceptions=False).stdout.strip()
    stranger = Signer("north", Ed25519PrivateKey.generate()).public_key
    assert asked("it.json", "--key", line)[1] == told | {"now": None, "holds": None}
    assert asked("it.json", "--key", stranger)[0] == 1
    written = (house / "it.json").read_text()
    (house / "forged.json").write_text(written.replace("patient-request", "court-order"))
    assert asked("forged.json") == (1, {"genuine": False, "certificate": None, "now": None, "holds": None})
    (house / "none.json").write_text("{}")
    assert asked("none.json", "--key", line)[0] == 1
    said = RUNNER.invoke(app, ["verify", "shred", "it.json"], catch_exceptions=False).stdout
    assert f"Patient {told['certificate']['patient']} was shredded" in said
    with closing(sqlite3.connect(house / "keys" / "keystore.db")) as keystore, keystore:
        keystore.execute(
            "UPDATE keys SET wrapped = x'01' WHERE key_id = ?", (told["certificate"]["keys"][0]["key_id"],)
        )
    code, again = asked("it.json")
    assert (code, again["genuine"], again["holds"]) == (1, True, False)


def test_a_second_shredding_leaves_the_first_certificate_and_names_the_same_keys(house: Path) -> None:
    """Nothing is written over; another certificate says that nothing was left, and names what went before."""
    words = ["shred", "p1", "--source", "ehr", "--reason", "patient-request", "--json", "--certificate"]
    first = RUNNER.invoke(app, [*words, "it.json"], catch_exceptions=False)
    written = (house / "it.json").read_bytes()
    assert isinstance(RUNNER.invoke(app, [*words, "it.json"]).exception, InvalidConfiguration)
    assert (house / "it.json").read_bytes() == written
    again = RUNNER.invoke(app, [*words, "again.json"], catch_exceptions=False)
    assert [json.loads(one.stdout)["destroyed_before"] for one in (first, again)] == [False, True]
    named = [
        [key["key_id"] for key in json.loads((house / name).read_text())["keys"]] for name in ("it.json", "again.json")
    ]
    assert named[0]
    assert named[0] == named[1]
    assert asked("again.json")[1]["holds"]
    assert "nothing was left" in RUNNER.invoke(app, ["verify", "shred", "again.json"]).stdout


@pytest.mark.usefixtures("house")
@pytest.mark.parametrize(
    "words",
    [
        ("hold", "add", "case-1", "--reason", "court", "--patient", "01f93cf1-2110-8d24-ba39-9b9ba9321af4"),
        ("disclosures", "01f93cf1-2110-8d24-ba39-9b9ba9321af4"),
        ("disclosures", "p2", "--source", "ehr"),
        ("disclosures", "p1", "--source", "mistyped"),
    ],
)
def test_a_mistyped_patient_is_no_quiet_one(words: tuple[str, ...]) -> None:
    """Holds and disclosures of nobody are refused, and the empty list of a patient is not."""
    refused = RUNNER.invoke(app, list(words)).exception
    assert isinstance(refused, InvalidConfiguration)
    assert "Nothing is known" in refused.what
    assert RUNNER.invoke(app, ["disclosures", "p1", "--source", "ehr"], catch_exceptions=False).exit_code == 0


def asked(*words: str) -> tuple[int, Any]:
    """Exit code and answer of the check."""
    answer = RUNNER.invoke(app, ["verify", "shred", *words, "--json"], catch_exceptions=False)
    return answer.exit_code, json.loads(answer.stdout)


def test_a_key_that_somebody_took_is_missed(house: Path) -> None:
    """A patient's key that is gone, emptied or changed is no shredding: `verify ledger` ends with 1 and names it."""
    place = house / "keys" / "keystore.db"
    whole = place.read_bytes()
    for theft, reason in (
        ("DELETE FROM keys WHERE key_id = ?", "missing"),
        ("UPDATE keys SET wrapped = x'' WHERE key_id = ?", "destroyed"),
        ("UPDATE keys SET wrapped = zeroblob(length(wrapped)) WHERE key_id = ?", "changed"),
        ("UPDATE keys SET wrapped = 'text' WHERE key_id = ?", "changed"),
    ):
        place.write_bytes(whole)
        with closing(sqlite3.connect(place)) as keystore, keystore:
            (key_id,) = keystore.execute("SELECT max(key_id) FROM keys WHERE kind = 'patient'").fetchone()
            keystore.execute(theft, (key_id,))
        code, (lost,) = recounted()
        assert (code, lost["key_id"], lost["reason"]) == (1, key_id, reason)
        assert lost["values"] > 0


def recounted() -> tuple[int, list[Any]]:
    """Exit code of the recount, and the keys it misses."""
    answer = RUNNER.invoke(app, ["verify", "ledger", "--json"], catch_exceptions=False)
    return answer.exit_code, json.loads(answer.stdout)["lost_keys"]
