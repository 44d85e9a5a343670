"""Migrations form one line, and the code knows its end."""

from __future__ import annotations

import re

from gateway.store.migrations import HEAD
from tests.rules.tree import ROOT

FOLDER = ROOT / "gateway/store/migrations/versions"


def test_the_head_is_the_newest_revision() -> None:
    """Each revision follows the one before it, is named by its file, and the newest is what the code was written for.

    Two that follow the same one, or a head that stayed behind, would leave tables out of stores that are upgraded.
    """
    texts = {path.name[1:5]: path.read_text() for path in sorted(FOLDER.glob("r*.py"))}
    numbers = list(texts)
    assert len(numbers) == len(list(FOLDER.glob("r*.py")))
    for number, before in zip(numbers, [None, *numbers], strict=False):
        told = dict(re.findall(r"^(revision|down_revision)(?:: .+)? = (.+)$", texts[number], re.MULTILINE))
        assert told["revision"] == f'"{number}"'
        assert told["down_revision"] == ("None" if before is None else f'"{before}"')
    assert numbers[-1] == HEAD
