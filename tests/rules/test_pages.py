"""Every page of the documentation can be found, and no link leads nowhere."""

from __future__ import annotations

import re

from tests.rules.tree import ROOT

DOCS = ROOT / "docs"
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


def test_every_page_stands_in_the_index_once() -> None:
    """Somebody who reads docs/README.md finds each page, and no row of it twice."""
    text = (DOCS / "README.md").read_text()
    named = set(LINK.findall(text))
    pages = {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")} - {"README.md"}
    assert pages - named == set()
    first = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| ")]
    rows = [one for one in first if one not in {"system", "you want to"}]
    assert sorted(rows) == sorted(set(rows))
    reasons = LINK.findall(text.partition("## Why")[2])
    assert sorted(reasons) == sorted(set(reasons))


def test_no_link_leads_nowhere() -> None:
    """What one page names of this tree is there."""
    broken = [
        f"{page.relative_to(ROOT)}: {link}"
        for page in (ROOT / "README.md", ROOT / "SECURITY.md", *DOCS.rglob("*.md"))
        for link in LINK.findall(page.read_text())
        if not (page.parent / link).exists()
    ]
    assert broken == []
