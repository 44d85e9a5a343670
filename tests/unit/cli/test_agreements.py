"""The register of agreements: entered, listed, ended, each change in the log; what lacks one is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.errors import InvalidConfiguration
from tests.unit.cli.test_auditing import SETTINGS, run


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A gateway with one route."""
    (tmp_path / "gateway.toml").write_text(SETTINGS)
    assert run(tmp_path, "init")[0] == 0
    return tmp_path


def listed(house: Path) -> dict[str, list[dict[str, str]]]:
    """What the register says."""
    return json.loads(run(house, "agreements", "list", "--tenant", "north", "--json")[1])


def test_an_agreement_is_entered_and_ended(house: Path) -> None:
    """A route lacks an agreement until its recipient's is entered, and again when that ends; the log has both."""
    assert [(one["kind"], one["name"]) for one in listed(house)["missing"]] == [("route", "desk")]
    entered = ("agreements", "add", "front desk", "--not-required", "own workforce", "--tenant", "north", "--json")
    _, said = run(house, *entered)
    assert listed(house)["missing"] == []
    run(house, "agreements", "end", json.loads(said)["agreement"], "--tenant", "north")
    assert len(listed(house)["missing"]) == 1
    found = json.loads(run(house, "audit", "search", "--tenant", "north", "--action", "agreement", "--json")[1])
    assert [one["outcome"] for one in found["entries"]] == ["ended", "added"]


@pytest.mark.parametrize(
    "more",
    [(), ("--document", "a", "--not-required", "b"), ("--document", "a", "--ends", "2020-01-01"), ("--document", "")],
    ids=str,
)
def test_half_an_agreement_is_refused(house: Path, more: tuple[str, ...]) -> None:
    """Without a document or a reason, with both, or lapsed before it begins, nothing is entered."""
    with pytest.raises(InvalidConfiguration):
        run(house, "agreements", "add", "front desk", "--tenant", "north", *more)
    assert listed(house)["agreements"] == []


def test_one_that_begins_later_does_not_hold_yet(house: Path) -> None:
    """An agreement counts from its first day on."""
    run(house, "agreements", "add", "front desk", "--document", "safe 3", "--starts", "2999-01-01", "--tenant", "north")
    assert len(listed(house)["missing"]) == 1


def test_production_is_told_who_has_no_agreement(house: Path) -> None:
    """`check --production` names the route whose recipient has none, and is content once it is entered."""
    told = json.loads(run(house, "check", "--production", "--json")[1])["problems"]
    (one,) = [one for one in told if one["code"] == "no-agreement"]
    assert one["where"] == "route desk"
    assert "gateway agreements add" in one["fix"]
    run(house, "agreements", "add", "front desk", "--document", "safe 1", "--tenant", "north")
    told = json.loads(run(house, "check", "--production", "--json")[1])["problems"]
    assert [one for one in told if one["code"] == "no-agreement"] == []
