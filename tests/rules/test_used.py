"""What is written is used: a name that the product never says again, or only its tests, is work for nobody."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator

from tests.rules.tree import PRODUCT, files, modules, parsed, short

OUTSIDE = re.compile(r"/simulat|^gateway/testing/")
"""Stand-ins and suites: what they can be told to do is for tests and for other people's adapters."""
WORD = re.compile(r"[A-Za-z_]\w*")
IMPORT = re.compile(r"^from \S+ import (?:\([^)]*\)|[^\n]*)|^ *__all__ = \[[^\]]*\]", re.MULTILINE)


def defined(tree: ast.Module) -> Iterator[str]:
    """Functions, classes and constants of a module, and methods; not what a framework finds by decorator or base."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            yield from () if node.decorator_list else (node.name,)
            if not node.bases:
                yield from (one.name for one in node.body if _plain(one))
        elif _plain(node):
            yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (one.id for one in targets if isinstance(one, ast.Name) and one.id.isupper())


def _plain(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.decorator_list


def said(text: str) -> Counter[str]:
    """How often each name stands in a text; imports and lists of exports use nothing, unless by another name."""
    return Counter(WORD.findall(IMPORT.sub(lambda found: found[0] if " as " in found[0] else "", text)))


def test_nothing_is_written_for_nobody() -> None:
    """Every function, class and constant of the product is named again somewhere in it."""
    names = [(short(path), name) for path in modules(*PRODUCT) for name in defined(parsed(path))]
    assert len(names) > 5000
    used: Counter[str] = Counter()
    for path in files(*PRODUCT, "pyproject.toml", "benchmarks", "tools"):
        if path.suffix in {".py", ".toml", ".js", ".html"}:
            used.update(said(path.read_text("utf-8")))
    written = Counter(name for _, name in names)
    unused = [
        f"{path}: {name}" for path, name in names
        if used[name] <= written[name] and not name.startswith("__") and not OUTSIDE.search(path)
    ]  # fmt: skip
    assert unused == []


def test_the_rule_sees_a_planted_fault() -> None:
    """What is only defined and imported is told from what is used."""
    text = "from a import idle\n__all__ = ['idle']\nLIMIT = 3\ndef idle(): pass\n@hook\ndef found(): pass\n"
    assert list(defined(ast.parse(text))) == ["LIMIT", "idle"]
    assert said(text)["idle"] == 1
