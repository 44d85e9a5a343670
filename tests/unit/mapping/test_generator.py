"""The generated functions make the patches that the closures make, for every kind of rule."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import InvalidContent
from gateway.mapping import Mapping
from tests.unit.mapping.dictionary import folder, path

RULES = """
record = "Thing"
kinds = ["k", "j"]
optional = true
id = { from = ["id", "other"] }
version = { from = "v", to = "instant" }
removed = { when = "gone", is = ["yes"] }
[fields.plain]
from = ["a", "b"]
[fields.number]
from = "n"
to = "integer"
[fields.coded]
from = "c"
table = "colour"
[[fields.chosen]]
from = "a"
when = "b"
is = ["x", "y"]
[[fields.chosen]]
clear = true
when = "gone"
[[fields.chosen]]
value = "last"
kinds = ["k"]
[fields.joined]
join = ["a", "b"]
separator = "-"
[fields.several]
list = ["a", "b", "c"]
[fields.target]
from = "b"
ref = "Other"
default = "nobody"
[fields.zone]
setting = "zone"
[fields.nested.fields]
one = { from = "a" }
two = { from = "n", to = "integer", default = 7 }
[fields.nested.fields.inner.fields]
three = { from = "b" }
[fields.items]
each = ["l[*]", "m[*]"]
when = ".a"
needs = ["one"]
[fields.items.fields]
one = { from = [".b", ".a"] }
two = { from = ".n", to = "integer" }
outer = { from = "a" }
[fields.items.fields.deep]
each = ".l[*]"
from = "."
"""
COLOURS = 'unknown = "reject"\n[codes]\nR = "red"\nx = "ex"\n'
TEXTS = st.sampled_from([None, "", " ", "x", "y", " x ", "NULL", "7", True, "yes", [], {"a": "x"}])
NUMBERS = st.sampled_from([None, "", "NULL", "7", " 8 ", 9, "7", "x"])
ITEM = st.fixed_dictionaries({}, optional={"a": TEXTS, "b": TEXTS, "n": NUMBERS, "l": st.lists(TEXTS, max_size=2)})
ITEMS = st.lists(ITEM, max_size=3)
RECORDS = st.fixed_dictionaries(
    {"id": st.sampled_from(["1", "2", "NULL", None])},
    optional={
        "other": TEXTS, "gone": st.sampled_from(["yes", "no"]), "a": TEXTS, "b": TEXTS, "n": NUMBERS,
        "c": st.sampled_from(["R", "r", "x", "NULL", "?"]), "v": st.sampled_from(["20260302", None, "then"]),
        "l": ITEMS, "m": ITEMS,
    },
)  # fmt: skip


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Mapping, Mapping]:
    """One mapping, generated and as closures."""
    place = folder(tmp_path_factory.mktemp("rules") / "demo", thing=RULES, codes__colour=COLOURS)
    bound = Mapping.load(place, None, path).bind(zone="America/Chicago")
    return bound, bound.traced()


def made(mapping: Mapping, kind: str, record: dict[str, Any]) -> object:
    """The patches, or what was wrong."""
    try:
        return mapping.patches(kind, record)
    except InvalidContent as error:
        return error.reason, error.what, error.where, error.fix
    except (TypeError, ValueError) as error:
        return type(error).__name__


@settings(max_examples=400)
@given(RECORDS, st.sampled_from(["k", "j", "none"]))
def test_both_make_the_same(both: tuple[Mapping, Mapping], record: dict[str, Any], kind: str) -> None:
    """Patches and errors are equal, whatever the record holds."""
    generated, closures = both
    assert made(generated, kind, record) == made(closures, kind, record)


def test_nothing_of_a_file_is_evaluated(tmp_path: Path) -> None:
    """A rule whose words look like code is data: it names a field and a value, nothing runs."""
    word = '__import__(\\"os\\").abort()'
    rules = f'record = "Thing"\nkinds = ["k"]\nid = {{ from = "id" }}\n[fields."{word}"]\nvalue = "{word}"\n'
    rules += '[fields.x]\nfrom = "a"\n'
    (patch,) = Mapping.load(folder(tmp_path / "demo", thing=rules), None, path).patches("k", {"id": "1", "a": word})
    assert patch.fields == {'__import__("os").abort()': '__import__("os").abort()', "x": word}
