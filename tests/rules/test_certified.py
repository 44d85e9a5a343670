"""Every adapter is certified: report, quality table, table in the docs and set-up page agree."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import IntegrityViolated
from gateway.model.exchange import Item
from gateway.testing.conformance import SUITE, Certificate, disagreements, reached
from gateway.testing.conformance_docs import read_report
from gateway.testing.conformance_golden import golden_rule, parts
from gateway.testing.conformance_report import table
from gateway.testing.conformance_static import docs_rule, quarantine_rule
from gateway.testing.conformance_subject import find_subject
from tests.rules.tree import ROOT

CERTIFIED = ROOT / "docs" / "certified"
ADAPTERS = sorted(path.parent.name.removeprefix("gateway_") for path in (ROOT / "adapters").glob("*/quality.toml"))


def quality(name: str) -> dict[str, Any]:
    """The quality table of an adapter."""
    return tomllib.loads((ROOT / "adapters" / f"gateway_{name}" / "quality.toml").read_text("utf-8"))


def faults(found: Certificate, told: dict[str, Any]) -> list[str]:
    """Where a certificate is old, below gold, or not what the quality table says."""
    old = [] if found.suite == SUITE else ["judged by another suite: make certify"]
    low = [] if found.tier in ("gold", "platinum") else [f"only {found.tier}"]
    counted = [] if reached(found.results) == found.tier else ["its tier does not follow from its rules"]
    return [*old, *low, *counted, *disagreements(found.results, found.tier, told)]


@pytest.mark.parametrize("name", ADAPTERS)
def test_each_adapter_is_gold_and_its_table_says_so(name: str) -> None:
    """The committed report is of this suite, signed, at least gold, and agrees with quality.toml."""
    assert faults(read_report(CERTIFIED / f"{name}.json"), quality(name)) == []


def test_the_table_in_the_docs_is_that_of_the_reports() -> None:
    """Nobody edits docs/reference/adapters.md by hand, and no report is of an adapter that is gone."""
    files = sorted(CERTIFIED.glob("*.json"))
    assert [file.stem for file in files] == ADAPTERS
    assert (ROOT / "docs" / "reference" / "adapters.md").read_text("utf-8") == table(
        [read_report(file) for file in files]
    )


@pytest.mark.parametrize("name", ADAPTERS)
def test_each_page_has_steps_and_gaps(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clinic's manager finds numbered steps to set it up, and what it does not do."""
    monkeypatch.chdir(ROOT)
    found = docs_rule(find_subject(name))
    assert (found.state, found.why) == ("passed", "")


@pytest.mark.parametrize("name", ADAPTERS)
def test_no_report_outlives_what_its_adapter_does(name: str) -> None:
    """Golden messages mean today what they meant when the report was made, and what is broken is refused in words."""
    subject = find_subject(name)
    items = [part for part in parts(subject) if isinstance(part, Item)]
    found = [golden_rule(subject), quarantine_rule(subject.bound(), items)[0]]
    assert [(one.state, one.why) for one in found] == [("passed", "")] * 2


def test_an_edited_report_and_a_boast_are_found(tmp_path: Path) -> None:
    """A report that was edited by hand is refused; one whose tier the quality table overstates is named."""
    text = (CERTIFIED / "hl7.json").read_text("utf-8")
    (tmp_path / "edited.json").write_text(text.replace('"passed"', '"not-run"', 1), "utf-8")
    with pytest.raises(IntegrityViolated):
        read_report(tmp_path / "edited.json")
    assert faults(read_report(CERTIFIED / "hl7.json"), {"tier": "none", "rules": {}}) != []
