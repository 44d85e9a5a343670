"""What an analyst sees while writing a profile: message, records, residue, rules; and every mistake by its place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.errors import InvalidConfiguration

RUNNER = CliRunner()
MESSAGE = (
    "MSH|^~\\&|EMR|NORTH|HUB|HUB|20260105080000||ADT^A08|C1|P|2.5\r"
    "PID|1||7^^^EMR^MR||DOE^JO\rZLO|1|EAST\rORC|NW|o1||||||||||L1~123^^^^^^^^^^^^NPI"
)
SETTINGS = """
[data]
directory = "data"
[store]
url = "embedded"
[keys]
provider = "file"
keystore = "keys.db"
[[tenants]]
name = "north"
[[sources]]
name = "east"
tenant = "north"
adapter = "hl7"
zone = "America/Chicago"
overlay = "overlay"
"""


def mappings(*words: str, code: int = 0) -> str:
    """``gateway mappings`` with these words, in columns wide enough to read."""
    result = RUNNER.invoke(app, ["mappings", *words], catch_exceptions=False, env={"COLUMNS": "240"})
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture
def sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with one message, in the folder the command runs in."""
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "one.hl7"
    file.write_text(MESSAGE)
    return file


def test_a_preview_shows_everything_side_by_side(sent: Path) -> None:
    """Message, canonical result, residue and each rule that fired, with its place, value and layer."""
    shown = mappings("preview", str(sent), "--zone", "America/Chicago")
    for part in ("PID|1||7^^^EMR^MR||DOE^JO", "Patient 7 (created)", "ZLO-2", "PID-5.1.1", "hl7/patient.toml"):
        assert part in shown


def test_a_preview_for_programs_names_every_rule(sent: Path) -> None:
    """The same as JSON: each field of the result has a step that made it."""
    line = json.loads(mappings("preview", str(sent), "--json"))
    (patient,) = line["records"]
    made = {rule["field"].partition(".")[0].partition("[")[0] for rule in line["rules"] if rule["result"] is not None}
    assert set(patient["fields"]) <= made
    family = next(rule for rule in line["rules"] if rule["field"] == "name.family")
    assert (family["path"], family["raw"], family["result"]) == ("PID-5.1.1", "DOE", "DOE")
    assert line["residue"] == ["ZLO-1", "ZLO-2", "ORC-1", "ORC-2", "ORC-12"]


def test_an_overlay_can_be_tried_before_it_is_configured(sent: Path, tmp_path: Path) -> None:
    """A rule of the overlay takes effect and is named by its own file; what it reads is residue no more."""
    overlay = tmp_path / "mine"
    overlay.mkdir()
    (overlay / "patient.toml").write_text('[fields.location]\nfrom = "ZLO-2.1"\nref = "Location"\n')
    line = json.loads(mappings("preview", str(sent), "--overlay", str(overlay), "--json"))
    step = next(rule for rule in line["rules"] if rule["field"] == "location")
    assert step["rule"] == "overlay/patient.toml: fields.location"
    assert step["result"] == "Location EAST"
    assert "ZLO-2" not in line["residue"]


def test_a_profile_lies_between_mapping_and_overlay(sent: Path) -> None:
    """A shipped profile is taken by its name, and a name that is none says which there are."""
    sent.write_text(MESSAGE.replace("ADT^A08", "ORM^O01"))
    line = json.loads(mappings("preview", str(sent), "--profile", "webpt", "--json"))
    made = [rule for rule in line["rules"] if rule["field"] == "referrer" and rule["result"]]
    assert [(rule["path"], rule["result"]) for rule in made] == [("ORC-12[13=NPI].1", "Practitioner 123")]
    assert made[0]["rule"] == "hl7/webpt/referral_order.toml: fields.referrer"
    with pytest.raises(InvalidConfiguration, match=r"1 mistake: hl7/nobody is not a profile .* use one of: webpt"):
        mappings("preview", str(sent), "--profile", "nobody")


def test_what_cannot_be_translated_is_shown_with_its_cure(sent: Path) -> None:
    """A message that would wait in quarantine shows reason, place and what to do; the exit code is 1."""
    sent.write_text(MESSAGE.replace("7^^^EMR^MR", ""))
    shown = mappings("preview", str(sent), code=1)
    assert "quarantined: missing-id at PID-3" in shown
    assert "Ask the sender" in shown


def test_a_missing_field_names_the_layer_whose_rule_reads_it(sent: Path, tmp_path: Path) -> None:
    """A required field that is not there is told by the place that the overlay's own rule reads."""
    overlay = tmp_path / "mine"
    overlay.mkdir()
    (overlay / "appointment.toml").write_text('[fields.start]\nfrom = "ZLO-3.1"\nto = "datetime"\n')
    sent.write_text(MESSAGE.replace("ADT^A08", "SIU^S12").replace("PID|", "SCH|A1\rPID|"))
    shown = mappings("preview", str(sent), "--overlay", str(overlay), code=1)
    assert "quarantined: invalid-record at ZLO-3.1" in shown
    assert "overlay/appointment.toml: fields.start" in shown


def test_check_looks_at_profiles_and_configured_overlays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistake in an overlay of gateway.toml is told with its file and key."""
    monkeypatch.chdir(tmp_path)
    assert "no mistakes" in mappings("check")
    (tmp_path / "gateway.toml").write_text(SETTINGS)
    (tmp_path / "overlay").mkdir()
    (tmp_path / "overlay/patient.toml").write_text('[fields.shoe_size]\nfrom = "ZSH-1"\n')
    (finding,) = json.loads(mappings("check", "--json", code=1))["findings"]
    assert finding["adapter"] == "east"
    assert "overlay/patient.toml: fields.shoe_size" in finding["finding"]
