"""Every setting of the gateway is read: one that nobody asks for promises what does not happen."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.rules.tree import PRODUCT, files, modules, parsed, short


def settings(tree: ast.Module) -> Iterator[str]:
    """Names of the fields of settings models in one file, as ``Class.field``."""
    for node in ast.walk(tree):
        for part in node.body if isinstance(node, ast.ClassDef) else ():
            if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name) and _is_field(part.value):
                yield f"{node.name}.{part.target.id}"


def _is_field(value: ast.expr | None) -> bool:
    return isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "Field"


def read(text: str) -> set[str]:
    """Names that one file reads of anything: as attributes, or written out for a table or a template."""
    return set(re.findall(r"[.\"'{$]([a-z]\w*)", text))


def test_every_setting_is_read() -> None:
    """A limit or a switch that stands in the gateway's settings is asked for somewhere in the product."""
    asked = set().union(*(read(path.read_text("utf-8")) for path in modules(*PRODUCT)))
    own = [path for path in modules("gateway") if path.name.startswith("settings")]
    declared = [(short(path), name) for path in own for name in settings(parsed(path))]
    assert len(declared) > 80
    assert [f"{path}: {name}" for path, name in declared if name.rpartition(".")[2] not in asked] == []


def test_every_setting_of_a_plugin_is_read_in_it() -> None:
    """What an adapter, sink or reactor lets its user set is asked for in its own folder."""
    unread, seen = [], 0
    for path in modules("adapters", "plugins"):
        if path.name == "config.py":
            asked = set().union(
                *(read(other.read_text("utf-8")) for other in files(short(path.parent)) if other != path)
            )
            asked |= set(re.findall(r"self\.([a-z]\w*)", path.read_text("utf-8")))
            declared = list(settings(parsed(path)))
            seen += len(declared)
            unread += [f"{short(path)}: {name}" for name in declared if name.rpartition(".")[2] not in asked]
    assert seen > 300
    assert unread == []


def test_the_rule_sees_a_planted_fault() -> None:
    """A setting that is only declared is told from one that is read."""
    text = "class Limits:\n    much: int = Field(default=1)\n    plain: int = 2\nprint(limits.less)\n"
    assert list(settings(ast.parse(text))) == ["Limits.much"]
    assert read(text) == {"less"}
