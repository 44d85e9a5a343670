"""An adapter that somebody else wrote is built, installed beside ours and used, through the same hooks as our own."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOREIGN = Path(__file__).parent / "foreign_adapter"
LINES = (
    "ACME1\n"
    "c1|p1|a1|2026-03-02T09:00:00-06:00|booked\n"
    "c2|p2|a2|2026-03-02T10:00:00-06:00|cancelled\n"
    "c3|p3|a3|2026-03-02 at ten|booked\n"
)


def run(*command: str | Path, status: int = 0) -> str:
    """The output of a program that must end with ``status``."""
    answer = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, cwd=FOREIGN.parent)
    assert (answer.returncode, "Traceback" in answer.stderr) == (status, False), f"{answer.stdout}\n{answer.stderr}"
    return answer.stdout


def built(source: Path, folder: Path) -> Path:
    """The wheel of a distribution, made from a copy so that nothing is left in the working copy."""
    copy = folder / source.name
    shutil.copytree(
        source, copy, ignore=shutil.ignore_patterns(".git", ".venv", "__pycache__", ".*_cache", "tests", "docs", "demo")
    )
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder / "wheels", copy)
    (wheel,) = (folder / "wheels").glob(f"{'acme_intake' if source == FOREIGN else 'emr_gateway'}-*.whl")
    return wheel


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``gateway`` command of a fresh environment with both wheels, and the dependencies of this one."""
    folder = tmp_path_factory.mktemp("fresh")
    wheels = [built(ROOT, folder), built(FOREIGN, folder)]
    venv.create(folder / "env", with_pip=False, symlinks=True)
    (site,) = (folder / "env/lib").glob("python*/site-packages")
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps", "--no-index")
    run(*pip, "--prefix", folder / "env", "--ignore-installed", *wheels)
    # A plain path entry makes the dependencies visible without running the .pth file of our editable install.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    script = folder / "env/bin/gateway"
    script.write_text(script.read_text().replace(sys.executable, str(folder / "env/bin/python")))
    return script


def test_the_gateway_runs_from_its_wheel(installed: Path) -> None:
    """The fresh environment takes the code and the mappings from the wheels, not from the working copy."""
    modules = ("gateway", "gateway_hl7", "gateway_files", "gateway_mappings", "acme_intake")
    code = f"import importlib; print([importlib.import_module(name).__file__ for name in {modules}])"
    places = run(installed.with_name("python"), "-c", code)
    assert places.count(str(installed.parents[1])) == len(modules)


def test_a_foreign_adapter_is_listed(installed: Path) -> None:
    """``gateway adapters`` shows it beside ours, with its own distribution and what it cannot give."""
    printed = json.loads(run(installed, "adapters", "--json"))
    rows = {row["name"]: row for row in printed["plugins"]}
    assert printed["failures"] == []
    assert rows["acme"]["distribution"] == "acme-intake 3.1"
    assert rows["acme"]["gaps"] == ["Acme does not say who treats."]
    assert rows["hl7"]["distribution"].startswith("emr-gateway ")


def test_a_message_goes_through_a_foreign_adapter(installed: Path, tmp_path: Path) -> None:
    """A file is recognized by its bytes; its lines become records, a wrong one is quarantined (exit code 1)."""
    (tmp_path / "desk.acme").write_text(LINES)
    printed = run(installed, "import", "--dry-run", "--json", tmp_path / "desk.acme", status=1)
    lines = [json.loads(line) for line in printed.splitlines()]
    assert [line["control_id"] for line in lines] == ["c1", "c2", "c3"]
    assert [record["type"] for line in lines[:2] for record in line["records"]] == ["Appointment", "Appointment"]
    assert "cancelled" in json.dumps(lines[1]["records"])
    assert lines[2]["quarantined"]
    assert "at ten" not in printed
