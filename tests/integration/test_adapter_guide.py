"""The guide "Write an adapter of your own", done step by step as it stands."""

from __future__ import annotations

import importlib
import json
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway.cli import app

GUIDE = "docs/how-to/write-an-adapter.md"
SETTINGS = '[keys.config]\npath = "keys/root.key"\n[[tenants]]\nname = "clinic"\n'
HELD = "2026-03-02T08:05:00Z|A18|4712|Example|Oona|2026-03-03T10:00|2026-03-03T10:30|HOLD"
RUNNER = CliRunner()


@pytest.fixture
def guide(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The guide's text, its package written and found as an installer would leave it, its sample file beside it."""
    text = (repository / GUIDE).read_text("utf-8")
    for name, body in re.findall(r"^`(eva-desk/\S+)`[^\n]*\n\n```\w+\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(body, "utf-8")
    package = tmp_path / "eva-desk"
    (package / "eva_desk/__init__.py").touch()
    project = tomllib.loads((package / "pyproject.toml").read_text("utf-8"))["project"]
    (point,) = project["entry-points"]["gateway.plugins"].items()
    metadata = package / "eva_desk-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[gateway.plugins]\n{point[0]} = {point[1]}\n")
    sample = "".join(line.strip() + "\n" for line in re.findall(r"^    (?:EVA1|2026).*", text, re.MULTILINE))
    (tmp_path / "desk.eva").write_text(sample, "utf-8")
    for name in [one for one in sys.modules if one.partition(".")[0] == "eva_desk"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(str(package))
    importlib.invalidate_caches()
    monkeypatch.chdir(tmp_path)
    return text


def told(*words: str, code: int = 0) -> Any:
    """What a command says to programs."""
    result = RUNNER.invoke(app, [*words, "--json"], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def test_the_guide_works_as_it_stands(guide: str) -> None:
    """Its files are an adapter that is found, described and sound, and reads its sample as it says."""
    (shown,) = told("adapters", "show", "eva")["plugins"]
    assert (shown["distribution"], [one["name"] for one in shown["settings"]]) == ("eva-desk 1.0", ["folder"])
    words = re.search(r"^gateway (mappings preview .+)$", guide, re.MULTILINE)
    assert words is not None
    line = told(*words[1].split())
    records = {one["type"]: one["fields"] for one in line["records"]}
    assert records["Appointment"]["status"] == "booked"
    assert records["Appointment"]["start"] == "2026-03-03T09:00:00-06:00"
    assert records["Patient"]["name"] == {"family": "Example", "given": "Erin"}
    assert "residue" not in line


def test_a_source_of_it_runs(guide: str) -> None:
    """Its settings are taken; an unknown state waits, and goes on once its code is listed and all of it is released."""
    (source,) = re.findall(r"^```toml\n(\[\[sources\]\].*?)^```", guide, re.MULTILINE | re.DOTALL)
    Path("gateway.toml").write_text(SETTINGS + source, "utf-8")
    told("init")
    assert told("check")["ok"]
    with Path("desk.eva").open("a", encoding="utf-8") as file:
        file.write(f"{HELD}\nhalf a line\n")
    counts = told("import", "desk.eva", code=1)
    assert (counts["stored"], counts["findings"], counts["quarantined"]) == (2, 1, 1)
    table = Path("eva-desk/eva_desk/mappings/codes/eva_state.toml")
    told("quarantine", "release", "--source", "desk", code=1)
    table.write_text(table.read_text("utf-8") + 'HOLD = "booked"\n', "utf-8")
    (result,) = told("quarantine", "release", "--source", "desk")["results"]
    assert result["outcome"] == "normalized"
    rows = told("records", "Appointment")
    assert len(rows) == 2
    explained = told("explain", rows[0]["id"], "status")
    assert any(step["path"] == "state" for step in explained["steps"])
