"""What the pages for compliance officers claim is there."""

from __future__ import annotations

import re

import pytest

from tests.rules.tree import ROOT, functions, parsed

PAGE = (ROOT / "docs/hipaa.md").read_text("utf-8")
TESTS = sorted(set(re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", PAGE)))
CITES = (
    *("(a)(1)", "(a)(2)(i)", "(a)(2)(ii)", "(a)(2)(iii)", "(a)(2)(iv)", "(b)", "(c)(1)", "(c)(2)", "(d)"),
    *("(e)(2)(i)", "(e)(2)(ii)", "(a)(1)(ii)(D)", "(a)(5)(ii)(C)", "(a)(7)(ii)(A)", "(b)(2)(i)"),
)


@pytest.mark.parametrize(("path", "name"), TESTS)
def test_every_test_that_is_named_exists(path: str, name: str) -> None:
    """A specification is met by a test that can be run, not by a name."""
    assert (ROOT / path).exists()
    assert not name or name in {node.name for node in functions(parsed(ROOT / path))}


def test_every_specification_has_a_line() -> None:
    """The technical safeguards are complete, and every line has an answer and says what stays to be done."""
    assert len(TESTS) > 20
    assert [cite for cite in CITES if f"| {cite}" not in PAGE] == []
    rows = [line for line in PAGE.splitlines() if line.startswith("| (")]
    assert len(rows) > 30
    assert all(len([cell for cell in row.strip("|").split("|") if cell.strip()]) == 4 for row in rows)


def test_every_power_is_told() -> None:
    """The reference names every power that a route of the admin port asks for."""
    from gateway.http.admin_table import TABLE

    told = (ROOT / "docs/reference/access.md").read_text("utf-8")
    assert [need.power for need in TABLE.values() if need.power and f"`{need.power}`" not in told] == []
