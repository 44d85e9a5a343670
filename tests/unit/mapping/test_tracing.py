"""The trace behind ``explain``: which rule of which file read which place, and what came of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import InvalidContent
from gateway.mapping import NULL, Step
from tests.unit.mapping.dictionary import mapping

RULES = """
[fields.name.fields]
family = { from = ["f", "g"] }
[fields.x]
each = ["a[*]", "b[*]"]
[fields.x.fields]
value = { from = ".v" }
[fields.zone]
setting = "zone"
[fields.old]
from = "old"
"""


def test_steps_say_what_was_read_and_made(tmp_path: Path) -> None:
    """Each step names record, field with list index, path as seen from the message, raw value, rule and result."""
    traced = mapping(tmp_path, RULES).bind(zone="UTC").traced()
    traced.patches("k", {"id": "1", "g": " S ", "a": [{"v": "p"}, {}, {"v": "q"}], "b": [{"v": "r"}], "old": "NULL"})
    made = [step for step in traced.steps if step.result is not None]
    file = "demo/thing.toml"
    assert made == [
        Step("Thing", "id", "id", "1", file, "id", "1"),
        Step("Thing", "name.family", "g", " S ", file, "fields.name.fields.family", "S"),
        Step("Thing", "x[0].value", "a[*].v", "p", file, "fields.x.fields.value", "p"),
        Step("Thing", "x[1].value", "a[*].v", "q", file, "fields.x.fields.value", "q"),
        Step("Thing", "x[2].value", "b[*].v", "r", file, "fields.x.fields.value", "r"),
        Step("Thing", "old", "old", NULL, file, "fields.old", NULL),
        Step("Thing", "zone", "", None, file, "fields.zone", "UTC"),
    ]


def test_steps_go_on_from_part_to_part(tmp_path: Path) -> None:
    """A message may be translated in several parts: the trace has them all; an untraced mapping keeps none."""
    made = mapping(tmp_path, RULES)
    traced = made.traced()
    traced.patches("k", {"id": "1", "f": "A"})
    traced.patches("k", {"id": "2"})
    assert [step.raw for step in traced.steps if step.field == "id"] == ["1", "2"]
    made.patches("k", {"id": "1"})
    assert made.steps == []


def test_a_failed_conversion_is_the_last_step(tmp_path: Path) -> None:
    """When a value does not convert, the trace ends with the step that read it."""
    traced = mapping(tmp_path, '[fields.x]\nfrom = "a"\nto = "integer"\n').traced()
    with pytest.raises(InvalidContent):
        traced.patches("k", {"id": "1", "a": "many"})
    assert traced.steps[-1] == Step("Thing", "x", "a", "many", "demo/thing.toml", "fields.x", None)
