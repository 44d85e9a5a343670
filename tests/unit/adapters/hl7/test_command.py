"""``gateway hl7 validate`` tells places and never values."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

pytest.importorskip("hl7apy", reason="the [hl7] extra is not installed")

from gateway_hl7.command import app
from gateway_hl7.simulator import clinic_day
from tests.unit.adapters.hl7.profiles import HEAD, PID, PROFILE, SCH

WRONG = b"MSH|^~\\&|A|B|C|D|20260105||ADT^A04^ADT_A01|1|P|2.5.1\rEVN||20260105\rPID|1||7||SECRET|||SECRETSEX\rPV1||O\r"


def test_a_conformant_file_has_no_findings(tmp_path):
    """What the simulator sends passes, message by message."""
    file = tmp_path / "day.hl7"
    file.write_bytes(b"".join(clinic_day(visits=2, patients=2)))
    result = CliRunner().invoke(app, ["validate", str(file)])
    assert (result.exit_code, "no findings" in result.output) == (0, True)


def test_findings_are_told_by_place(tmp_path):
    """A code outside its table and bytes that are no message are findings; no value is printed; the exit code is 1."""
    file = tmp_path / "wrong.hl7"
    file.write_bytes(b"junk\r" + WRONG)
    result = CliRunner().invoke(app, ["validate", str(file), "--json"])
    junk, message = map(json.loads, result.output.splitlines())
    assert junk["findings"][0]["reason"] == "no-header"
    assert ("not-in-table", "PID-8") in {(one["reason"], one["where"]) for one in message["findings"]}
    plain = CliRunner().invoke(app, ["validate", str(file)])
    assert plain.exit_code == result.exit_code == 1
    assert "PID-8: not-in-table" in plain.output
    assert "SECRET" not in plain.output + result.output


def test_a_profile_judges_the_messages_of_its_event(tmp_path):
    """Messages of its event are judged by the profile and the standard's tables, others by the standard."""
    file, profile = tmp_path / "day.hl7", tmp_path / "siu.xml"
    file.write_bytes((HEAD + SCH + PID.replace("|F", "|SECRETSEX")).encode() + WRONG)
    profile.write_text(PROFILE)
    result = CliRunner().invoke(app, ["validate", str(file), "--profile", str(profile), "--json"])
    agreed, standard = map(json.loads, result.output.splitlines())
    assert [(one["reason"], one["where"]) for one in agreed["findings"]] == [("not-in-table", "PID-8")]
    assert (agreed["judged_by"], standard["judged_by"], result.exit_code) == ("profile", "standard", 1)
    assert ("not-in-table", "PID-8") in {(one["reason"], one["where"]) for one in standard["findings"]}
    assert "SECRET" not in result.output
    file.write_bytes((HEAD + SCH + PID).encode())
    sound = CliRunner().invoke(app, ["validate", str(file), "--profile", str(profile)])
    assert (sound.exit_code, "no findings by the profile" in sound.output) == (0, True)
