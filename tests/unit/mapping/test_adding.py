"""Fields that adapters add tell what they are made of, and mistakes in telling it are found."""

from __future__ import annotations

import pytest

from gateway.mapping import adding
from gateway.mapping.rules import Parser


class Read:
    """A message of two items."""

    def __init__(self, values: dict[str, list[str]], parts: tuple[Read, ...] = ()) -> None:
        self._values, self._parts = values, parts

    def read(self, path: str) -> list[str]:
        return self._values.get(path, [])

    def each(self, begin: str) -> tuple[Read, ...]:
        return self._parts if begin == "LINE" else ()


MESSAGE = Read({"A": ["1", "2"], "P": ["7", "8"]}, (Read({"P": ["7"]}), Read({"P": ["8"]})))


def parsed(raw):
    parser = Parser()
    found = adding.parse(parser, "x/y.toml", raw)
    return found, [one.where for one in parser.findings]


def noted(raw, name, value):
    found, wrong = parsed(raw)
    assert wrong == []
    return [(one.field, one.path, one.raw, one.rule_key, one.result) for one in adding.steps(
        "Claim", "x/y.toml", name, found[name], value, MESSAGE
    )]  # fmt: skip


def test_a_list_of_names_tells_nothing_more():
    """The short form names fields; a step says only that the adapter added them."""
    assert noted(["total"], "total", 3) == [("total", "", None, "added", 3)]


def test_a_field_is_made_of_everything_at_its_places():
    """One step for each value that stands there, with the words of the rule."""
    raw = {"total": {"from": ["A", "B"], "how": "their sum"}}
    assert noted(raw, "total", 3) == [
        ("total", "A", "1", "added.total: their sum", 3), ("total", "A", "2", "added.total: their sum", 3),
    ]  # fmt: skip


def test_each_item_of_a_list_is_made_of_its_own_part():
    """Items and parts are counted together; fields that an item lacks are not told."""
    raw = {"lines": {"each": "LINE", "how": "one each", "fields": {"paid": {"from": "P"}, "note": {"from": "A"}}}}
    assert noted(raw, "lines", [{"paid": 7}, {"paid": 8}]) == [
        ("lines[0].paid", "P", "7", "added.lines.fields.paid", 7),
        ("lines[1].paid", "P", "8", "added.lines.fields.paid", 8),
    ]


def test_a_list_of_another_length_is_told_as_a_whole():
    """Where parts and items cannot be laid side by side, no item claims a part."""
    raw = {"lines": {"each": "LINE", "from": "P", "how": "one each"}}
    assert {one[0] for one in noted(raw, "lines", [{"paid": 7}])} == {"lines"}


@pytest.mark.parametrize(("raw", "where"), [
    ({"total": {"form": "A", "how": "x"}}, "x/y.toml: added.total.form"), ({"total": {}}, "x/y.toml: added.total"),
    ({"total": "A"}, "x/y.toml: added.total"), ("total", "x/y.toml: added"),
    ({"total": {"how": "x", "fields": {"a": {}}}}, "x/y.toml: added.total.fields.a"),
])  # fmt: skip
def test_a_mistake_is_named_by_its_key(raw, where):
    """A key that is none, an addition that says nothing, and what is no table."""
    assert where in parsed(raw)[1]
