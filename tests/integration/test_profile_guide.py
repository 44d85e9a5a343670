"""The guide "Write an HL7 profile in ten minutes", done step by step as it stands."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli import app

GUIDE = "docs/how-to/hl7-profile.md"
SAMPLE = (
    "MSH|^~\\&|EMR|EAST|HUB|HUB|20260105080000||SIU^S12|C1|P|2.5\r"
    "SCH|A1|F1||||||EVAL|30|min|^^30^20260109093000||||||||||||||WAITLIST\r"
    "PID|1||7^^^EMR^MR~CH9^^^EMR^PI||DOE^JO\r"
    "ZLO|1|EAST\r"
    "MSH|^~\\&|EMR|EAST|HUB|HUB|20260105080001||DFT^P03|C2|P|2.5\r"
    "PID|1||7^^^EMR^MR~CH9^^^EMR^PI||DOE^JO\r"
    "PV1|1|O|||||||||||||||||ACC5\r"
    "FT1|1|T1||20260109||CG|97110|||1|45.00\r"
    "IN1|1|P1|AETNA|||||||||||||||||||||||||||||||||M77\r"
    "IN3|1|CERT1|||||||||DY^12\r"
)
RUNNER = CliRunner()


@pytest.fixture
def written(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The guide's text, its files written where it says, and its sender's messages, in a folder of their own."""
    text = (repository / GUIDE).read_text("utf-8")
    monkeypatch.chdir(tmp_path)
    Path("sample.hl7").write_text(SAMPLE)
    for block in re.findall(r"(?:^    .*\n|^\n(?=    ))+", text, re.MULTILINE):
        for name, rules in re.findall(
            r"^    (overlay/\S+\.toml).*\n((?:    (?!overlay/).*\n|\n)*)", block, re.MULTILINE
        ):
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).write_text(re.sub(r"^    ", "", rules, flags=re.MULTILINE))
    return text


def command(text: str, step: str) -> list[str]:
    """The words of the preview that a step of the guide asks for."""
    part = text.partition(f"## {step}")[2]
    found = re.search(r"^    gateway (mappings preview .+)$", part, re.MULTILINE)
    assert found is not None
    return found[1].split()


def shown(words: list[str], code: int) -> list[dict]:
    """What a preview says, message by message."""
    result = RUNNER.invoke(app, [*words, "--json"], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return [json.loads(line) for line in result.output.splitlines()]


def test_the_guide_works_as_it_stands(written: str) -> None:
    """Before the profile the sender's ways are refused; with the guide's own files each of them is read."""
    before, _ = shown(command(written, "1."), 1)
    assert (before["quarantined"], before["where"]) == ("unmapped-code", "SCH-25.1")
    scheduled, charged = shown(command(written, "3."), 0)
    records = {one["type"]: one for line in (scheduled, charged) for one in line["records"]}
    assert records["Patient"]["native_id"] == "CH9"
    assert records["Appointment"]["fields"]["start"] == "2026-01-09T09:30:00-06:00"
    assert records["Appointment"]["fields"]["status"] == "booked"
    assert records["Visit"]["native_id"] == "ACC5/20260109"
    assert records["Authorization"]["fields"]["visits_approved"] == 12
    rules = {rule["rule"] for line in (scheduled, charged) for rule in line["rules"]}
    for name in ("patient", "appointment", "authorization_certification", "visit_charges"):
        assert any(rule.startswith(f"overlay/{name}.toml: ") for rule in rules), name
    assert "ZLO-2" not in scheduled["residue"]


def test_the_settings_of_the_guide_are_taken(written: str) -> None:
    """Its last step makes a source whose mapping has no mistake, and one that is made later is told."""
    block = re.search(r"^    \[\[sources\]\]\n(?:    .*\n)+", written, re.MULTILINE)
    assert block is not None
    settings = re.sub(r"^    ", "", block[0], flags=re.MULTILINE)
    Path("gateway.toml").write_text(f'[[tenants]]\nname = "northside"\n{settings}')
    result = RUNNER.invoke(app, ["mappings", "check"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    Path("overlay/patient.toml").write_text('[fields.shoe_size]\nfrom = "ZSH-1"\n')
    result = RUNNER.invoke(app, ["mappings", "check"], catch_exceptions=False)
    assert result.exit_code == 1
    assert "shoe_size" in result.output
