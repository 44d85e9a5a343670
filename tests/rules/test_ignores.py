"""A check is silenced for one finding, by its code, with the reason beside it."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator

from tests.rules.tree import modules, short

SILENCERS = {
    "noqa": re.compile(r"#\s*noqa(?P<codes>:\s*[A-Z]+[0-9]+(,\s*[A-Z]+[0-9]+)*)?(?P<reason>.*)", re.IGNORECASE),
    "type": re.compile(r"#\s*type:\s*ignore(?P<codes>\[[a-z0-9, -]+\])?(?P<reason>.*)"),
    "pragma": re.compile(r"#\s*(?P<codes>pragma:\s*no (cover|branch))(?P<reason>.*)"),
}


def unexplained(text: str) -> Iterator[str]:
    """Silenced checks without a code or without a reason of at least two words."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type != tokenize.COMMENT:
            continue
        for pattern in SILENCERS.values():
            if found := pattern.search(token.string):
                if not found["codes"]:
                    yield f"line {token.start[0]}: no code"
                elif len(re.findall(r"\w+", found["reason"])) < 2:
                    yield f"line {token.start[0]}: no reason"


def test_every_silenced_check_has_a_reason() -> None:
    """No check is silenced without its code and a reason in words, in the product or in its tests."""
    assert [f"{short(path)} {fault}" for path in modules() for fault in unexplained(path.read_text("utf-8"))] == []


def test_the_rules_see_a_planted_fault() -> None:
    """A bare silencer and one without a reason are found; one with a reason is not."""
    mark = "# " + "noqa"
    ignore = "# type: " + "ignore"
    text = (
        f"a = 1  {mark}\nb = 1  {mark}: E501\nc = 1  {ignore}[arg-type]\nd = 1  {ignore}[misc]  # pluggy has no types\n"
    )
    assert list(unexplained(text)) == ["line 1: no code", "line 2: no reason", "line 3: no reason"]
