"""The core knows no vendor: what is true of one system lives in that system's folder."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.rules.tree import files, short

VENDORS = re.compile(
    r"cliniko|webpt|jane|janeapp|spry|raintree|nookal|powerdiary|twilio|sendgrid|quickbooks|intuit|intacct|xero|stripe|"
    r"availity|waystar|optum|cerner|athenahealth|eclinicalworks|medplum|mirth|hashicorp",
    re.IGNORECASE,
)
ALSO_WORDS = {"Prompt", "Sage", "Epic"}
"""Vendors whose names are English words: only the capitalised form counts."""


def vendors(text: str) -> Iterator[tuple[str, int]]:
    """Vendor names in a text, with their lines."""
    for number, line in enumerate(text.splitlines(), 1):
        for word in re.findall(r"[A-Za-z]+", line.replace("_", " ")):
            if VENDORS.fullmatch(word) or word in ALSO_WORDS:
                yield word, number


def test_the_core_names_no_vendor() -> None:
    """No file of the core, whatever its kind, names a vendor's system."""
    found = [
        f"{short(path)} line {line}: {word}"
        for path in files("gateway")
        if path.suffix in {".py", ".toml", ".json", ".sql", ".mako", ".html", ".md"}
        for word, line in vendors(path.read_text("utf-8"))
    ]
    assert found == []


def test_the_rules_see_a_planted_fault() -> None:
    """A vendor in code, in a comment and inside a name is found; an English word is not."""
    text = 'if name == "cliniko":\n    pass  # as Sage does\nimport gateway_webpt\nprompt = "the epic"\n'
    assert list(vendors(text)) == [("cliniko", 1), ("Sage", 2), ("webpt", 3)]
