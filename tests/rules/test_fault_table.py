"""The table of faults is whole, and every test that it names exists."""

from __future__ import annotations

import ast

import pytest

from tests.faults.broken import builds
from tests.faults.table import Fault, faults, result, unproven
from tests.rules.tree import ROOT, functions, parsed

FAULTS = faults()
UNPROVEN = {40: "times are judged against themselves", 41: "a server error is what the client library looks for"}
"""Rows without a broken build -> why."""


def missing(proofs: tuple[str, ...]) -> list[str]:
    """Node ids that name no test."""
    lost = []
    for proof in proofs:
        path, _, name = proof.partition("[")[0].partition("::")
        known = set()
        if (ROOT / path).is_file():
            tree = parsed(ROOT / path)
            known = {node.name for node in functions(tree)}
            known |= {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
        if name not in known or not name.lower().startswith("test"):
            lost.append(proof)
    return lost


def test_every_fault_has_a_line() -> None:
    """F1 to F50 are there once each and in order."""
    assert [fault.number for fault in FAULTS] == list(range(1, 51))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"F{fault.number}")
def test_every_fault_has_a_test_or_a_reason(fault: Fault) -> None:
    """What a row names exists, and a row without tests says why it has none."""
    assert missing(fault.proofs) == []
    assert bool(fault.tests) != bool(fault.not_run)
    assert fault.fault
    assert fault.target


def test_every_judgement_is_shown_to_see_something() -> None:
    """Each row with tests has a broken build that they notice, but for those that are listed here with a reason."""
    assert unproven() == sorted(UNPROVEN)


@pytest.mark.parametrize("name", sorted(builds()))
def test_every_broken_build_is_still_about_something(name: str) -> None:
    """The line that a broken build replaces stands in the source once, and the test that notices it exists."""
    build = builds()[name]
    build.apply_to_source()
    assert missing((build.dies_in,)) == []
    assert set(build.faults) <= {fault.number for fault in FAULTS}


def test_the_rules_see_a_planted_fault() -> None:
    """A name that is no test is missed, and nothing that was not run counts as passed."""
    here = "tests/rules/test_fault_table.py"
    assert missing((f"{here}::test_nothing", f"{here}::missing", "tests/nowhere.py::test_it")) != []
    assert missing((f"{here}::test_every_fault_has_a_line",)) == []
    one = Fault(101, "a", "b", ("t::x", "t::y"), ("t::m",))
    good = {"t::x": "passed", "t::y[1]": "passed", "t::y[2]": "passed", "t::m": "passed"}
    assert result(one, good) == "passed"
    assert result(one, good | {"t::y[2]": "skipped"}) == "not run"
    assert result(one, good | {"t::m": "failed"}) == "failed"
    assert result(one, {"t::x": "passed"}) == "not run"
    assert result(Fault(102, "a", "b", ("t::x",), partly="less"), good) == "passed in part"
    assert result(Fault(103, "a", "b", not_run="why"), good) == "not run"
