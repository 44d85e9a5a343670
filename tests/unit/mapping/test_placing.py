"""An error about a canonical field is told by the places of the message that should have held it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import InvalidContent
from tests.unit.mapping.dictionary import mapping

RULES = """
[[fields.start]]
from = ["a", "b"]
[[fields.start]]
join = ["c", "d"]
kinds = ["other"]
[fields.lines]
each = ["l[*]", "m[*]"]
when = "w"
[fields.lines.fields]
code = { from = ".v" }
[fields.zone]
setting = "zone"
"""


@pytest.mark.parametrize(
    ("where", "kind", "place"),
    [
        ("Thing.start", "k", "a, b"), ("Thing.lines[3].code", "k", "l[*].v, m[*].v"),
        ("Thing.lines", "k", "l[*].v, m[*].v"), ("Thing.start", "a group of it", "a, b"),
        ("Thing.zone", "k", "Thing.zone"), ("Thing.nothing", "k", "Thing.nothing"), ("Other.start", "k", "Other.start"),
        ("Thing", "k", "Thing"),
    ],
)  # fmt: skip
def test_a_field_is_told_by_its_places(tmp_path: Path, where: str, kind: str, place: str) -> None:
    """Every place the rules of this kind read is named; what no rule reads stays as it was."""
    told = mapping(tmp_path, RULES).placed(InvalidContent("invalid-record", "It is missing", where=where), kind)
    assert (told.reason, told.where) == ("invalid-record", place)
    assert ("demo/thing.toml: fields." in told.fix) is (place != where)
