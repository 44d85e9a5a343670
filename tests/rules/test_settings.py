"""Every setting is read: one that nobody asks for promises what does not happen."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.rules.tree import PRODUCT, modules, parsed, short


def settings(tree: ast.Module) -> Iterator[str]:
    """Names of the fields of settings models in one file, as ``Class.field``."""
    for node in ast.walk(tree):
        for part in node.body if isinstance(node, ast.ClassDef) else ():
            if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name) and _is_field(part.value):
                yield f"{node.name}.{part.target.id}"


def _is_field(value: ast.expr | None) -> bool:
    return isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "Field"


def read(tree: ast.Module) -> Iterator[str]:
    """Names that one file reads of anything: as attributes, or written out as texts."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
            yield node.attr
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_every_setting_is_read() -> None:
    """A limit or a switch that stands in the settings is asked for somewhere in the product."""
    asked = {name for path in modules(*PRODUCT) for name in read(parsed(path))}
    declared = [(short(path), name) for path in modules(*PRODUCT) for name in settings(parsed(path))]
    assert len(declared) > 100
    assert [f"{path}: {name}" for path, name in declared if name.rpartition(".")[2] not in asked] == []


def test_the_rule_sees_a_planted_fault() -> None:
    """A setting that is only declared is told from one that is read."""
    text = "class Limits:\n    much: int = Field(default=1)\n    plain: int = 2\nprint(limits.less)\n"
    tree = ast.parse(text)
    assert list(settings(tree)) == ["Limits.much"]
    assert set(read(tree)) == {"less"}
