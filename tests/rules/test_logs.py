"""What a log line says gets through: a key that the allow-list does not hold would be dropped without a word."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gateway.logs import ALLOWED
from tests.rules.tree import PRODUCT, modules, parsed, short

LOGGERS = {"log", "_log", "told"}
LEVELS = {"bind", "debug", "info", "warning", "error", "exception", "critical"}


def dropped(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Keys of log calls that nobody would ever see, with their lines; ``**`` for keys that cannot be read here."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or node.func.attr not in LEVELS:
            continue
        if isinstance(node.func.value, ast.Name) and node.func.value.id in LOGGERS:
            names = (keyword.arg or "**" for keyword in node.keywords)
            yield from ((name, node.lineno) for name in names if name not in ALLOWED)


def test_every_key_of_a_log_line_is_allowed() -> None:
    """No call passes a key that the allow-list drops: whoever reads the log gets what was meant for them."""
    found = [f"{short(path)} line {line}: {name}" for path in modules(*PRODUCT) for name, line in dropped(parsed(path))]
    assert found == []


def test_the_rules_see_a_planted_fault() -> None:
    """A key outside the list and keys handed on are found; an entry of the audit log is no log line."""
    text = (
        'log.warning("x", birth_date=1)\n_log.info("y", **told)\nlog.entry("z", actor="a")\nlog.error("e", why="w")\n'
    )
    assert list(dropped(ast.parse(text))) == [("birth_date", 1), ("**", 2)]
