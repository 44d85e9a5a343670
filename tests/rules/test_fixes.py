"""Whatever a recount can find has a meaning, something to do about it, and a row on the page for who meets it."""

from __future__ import annotations

import ast
import re

from gateway.audit.findings import FIXES
from gateway.flow.ledger import BOUND
from gateway.flow.ledger_rules import RULES
from tests.rules.tree import ROOT, modules, parsed, short

PAGE = ROOT / "docs" / "how-to" / "when-a-verification-fails.md"
ROW = re.compile(r"^\| `([a-z-]+)` \|", re.MULTILINE)


def told(folder: str, *calls: str) -> set[str]:
    """The first words of these calls in the modules of a part of the product."""
    found = set()
    for path in modules():
        if not short(path).startswith(folder):
            continue
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                if name in calls:
                    found.add(str(node.args[0].value))
    return found


def test_every_finding_says_what_to_do() -> None:
    """The ledger's rules and the audit log's reasons are those that the code reports, no fewer and no more."""
    assert told("gateway/flow/ledger", "report", "_report", "Problem") | {BOUND} == set(RULES)
    assert told("gateway/audit/verify", "fault") == set(FIXES)


def test_the_page_names_every_finding() -> None:
    """Somebody who looks up a word of a PROBLEM line finds it, in the order of the tables."""
    assert ROW.findall(PAGE.read_text()) == [*RULES, *FIXES]
