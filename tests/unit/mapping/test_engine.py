"""Loading: every mistake is told with file, key and cure; overlays replace single rules; the version is a hash."""

from __future__ import annotations

import json
import re
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import InvalidConfiguration
from gateway.mapping import Mapping
from gateway.mapping.converters import CONVERTERS
from gateway.mapping.rules import FILE_KEYS, RULE_KEYS, Parser
from gateway.mapping.tables import TABLE_KEYS
from gateway.wire.hl7_path import compile_path
from tests.unit.mapping.dictionary import folder, mapping, path

HEAD = 'record = "Thing"\nkinds = ["k"]\nid = { from = "id" }\n'
SHIPPED = Path(str(files("gateway_mappings")))
PAGE = (Path(__file__).parents[3] / "docs/reference/mapping.md").read_text("utf-8")
SCHEMA = json.loads((SHIPPED / "schema.json").read_text("utf-8"))

MISTAKES = {
    "extra = 1": "thing.toml: extra is not a key of a mapping file",
    '[fields.x]\nform = "a"': "fields.x.form is not a key of a rule",
    '[fields.x]\nto = "text"': "fields.x says nothing",
    '[fields.x]\nfrom = "a"\nvalue = "b"': "fields.x has both `from` and `value`",
    '[fields.x]\nfrom = "a"\nfields = { y = { from = "b" } }': "fields.x has both `fields` and `from`",
    "[fields.x]\nfrom = []": "fields.x.from is not a list of texts",
    "[fields.x]\nfrom = 5": "fields.x.from is not a list of texts",
    '[fields.x]\nfrom = "a"\nto = "dat"': "fields.x.to is not a converter",
    '[fields.x]\nfrom = "a"\nto = 5': "fields.x.to is not a text",
    '[fields.x]\nfrom = "a"\nis = ["b"]': "fields.x.is stands without `when`",
    '[fields.x]\nfrom = "a"\nwhen = "b"\nis = []': "fields.x.is is an empty list",
    '[fields.x]\nfrom = "a"\nwhen = "b"\nis = [1.5]': "fields.x.is holds something other",
    '[fields.x]\nfrom = "a"\nseparator = "-"': "fields.x.separator stands without `join`",
    '[fields.x]\nfrom = "a"\nneeds = ["y"]': "fields.x.needs stands without `fields`",
    '[fields.x]\nvalue = "a"\ndefault = "b"': "fields.x.default has no effect beside `value`",
    '[fields.x]\nsetting = "a"\ntable = "b"': "fields.x.table has no effect beside `setting`",
    "[fields.x]\nvalue = 1.5": "fields.x.value is not text, a whole number or a boolean",
    "[fields.x]\nclear = false": "fields.x.clear is not true",
    '[fields.x]\nto = "text"\nfields = { y = { from = "b" } }': "fields.x.to cannot apply to an object",
    '[removed]\nis = ["a"]': "removed has no `when`",
    '[removed]\nwhen = "a"\nto = "text"': "removed.to has no effect on a condition",
    '[removed]\nwhen = "a"\nvalue = false': "removed.value is not true",
    'optional = "yes"': "thing.toml: optional is neither true nor false",
    "fields = 5": "thing.toml: fields is not a table",
    "fields = { x = 5 }": "fields.x is not a table",
    "fields = { x = [] }": "fields.x is an empty list",
}
BEYOND_SCHEMA = {
    '[fields.x]\nfields = { y = { from = "a" } }\nneeds = ["z"]': "fields.x.needs names a field that has no rule",
    '[fields.x]\nfrom = "no path"': "fields.x has the path 'no path', which the adapter cannot read",
    '[fields.x]\nfrom = "a"\ntable = "nowhere"': "fields.x.table names the code table 'nowhere', which is not there",
    '[fields.x]\nvalue = "many"\nto = "integer"': "fields.x.value does not convert",
    '[fields.x]\nfrom = "a"\nto = "date"\ndefault = "soon"': "fields.x.default does not convert",
    "[fields.x": "thing.toml is not TOML",
}


@pytest.mark.parametrize(("rules", "expected"), {**MISTAKES, **BEYOND_SCHEMA}.items())
def test_a_mistake_is_told(tmp_path: Path, rules: str, expected: str) -> None:
    """Each mistake is refused with file, key, what is wrong and how to put it right."""
    with pytest.raises(InvalidConfiguration) as caught:
        mapping(tmp_path, rules)
    assert expected in caught.value.what
    assert "demo/thing.toml" in caught.value.what
    assert caught.value.where.startswith("demo/thing.toml")
    assert caught.value.fix
    assert str(caught.value).count(caught.value.fix) == 1


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    """One load names every mistake of every file, in mapping files and code tables."""
    place = folder(
        tmp_path / "demo",
        one='record = "A"\n[fields.x]\nto = "text"\n[fields.y]\nfrom = "a"\ntable = "t"\n',
        two="kinds = []\nid = { from = 'a' }\n",
        codes__t='[codes]\nA = "one"\na = "two"\nB = 5\n',
    )
    with pytest.raises(InvalidConfiguration) as caught:
        Mapping.load(place, None, path)
    for part in (
        "8 mistakes",
        "demo/one.toml: kinds",
        "demo/one.toml: id",
        "demo/one.toml: fields.x",
        "demo/two.toml: record",
        "demo/two.toml: kinds",
        "demo/codes/t.toml: unknown",
        "demo/codes/t.toml: codes.a",
        "demo/codes/t.toml: codes.B",
    ):
        assert part in caught.value.what, part


def test_an_empty_folder_is_a_mistake(tmp_path: Path) -> None:
    """An adapter without mapping files, or an overlay that is not a folder, is refused by name."""
    (tmp_path / "bare").mkdir()
    with pytest.raises(InvalidConfiguration, match="bare is a folder without mapping files"):
        Mapping.load(tmp_path / "bare", None, path)
    table = '[fields.x]\nfrom = "a"\ntable = "t"\n'
    whole = folder(tmp_path / "demo", thing=HEAD + table, codes__t='unknown = "keep"\n[codes]\nA = "one"\n')
    with pytest.raises(InvalidConfiguration, match="1 mistake: nowhere is not a folder"):
        Mapping.load(whole, tmp_path / "nowhere", path)


def _valid(data: Any) -> bool:
    return bool(jsonschema.Draft202012Validator(SCHEMA).is_valid(data))


@pytest.mark.parametrize("rules", MISTAKES)
def test_the_schema_refuses_the_same_files(rules: str) -> None:
    """The published JSON Schema refuses what loading refuses by shape, so an editor shows it while typing."""
    assert _valid(tomllib.loads(HEAD))
    assert not _valid(tomllib.loads(HEAD + rules))


@pytest.mark.parametrize("file", sorted(SHIPPED.rglob("*.toml")), ids=lambda file: str(file.relative_to(SHIPPED)))
def test_shipped_files_fit_the_schema(file: Path) -> None:
    """Every mapping file, profile and code table that we ship fits the published schema."""
    *folders, _ = file.relative_to(SHIPPED).parts
    part = "table" if "codes" in folders else "overlay" if len(folders) > 1 else ""
    named = {name: SCHEMA[name] for name in ("$defs", "properties")[: 1 + (part == "overlay")]}
    schema = named | {"$ref": f"#/$defs/{part}"} if part else SCHEMA
    jsonschema.validate(tomllib.loads(file.read_text("utf-8")), schema, jsonschema.Draft202012Validator)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.just("text")
KEYS = st.sampled_from(["from", "value", "to", "table", "each", "fields", "when", "is", "needs", "join", "id", "kinds"])
DATA = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4))
TOP = st.dictionaries(KEYS | st.sampled_from(["record", "removed", "optional"]), DATA, max_size=6)


@given(TOP)
def test_no_file_crashes_the_parser(data: dict[str, Any]) -> None:
    """Whatever a mapping file holds is parsed or told as mistakes, and what the schema refuses is never silent."""
    parser = Parser()
    parser.record("demo/thing.toml", data, {})
    assert parser.findings or _valid(data)


def test_the_version_is_of_the_meaning(tmp_path: Path) -> None:
    """Layout and comments do not change the version; a rule, a code, an overlay do; the text gives the mapping back."""
    rules = '[fields.x]\nfrom = "a"\ntable = "t"\n'
    table = 'unknown = "keep"\n[codes]\nA = "one"\n'
    first = folder(tmp_path / "1" / "demo", thing=HEAD + rules, codes__t=table)
    same = folder(tmp_path / "2" / "demo", thing="# note\n" + HEAD + "\n\n" + rules, codes__t=table)
    rule = folder(tmp_path / "3" / "demo", thing=HEAD + rules.replace('"a"', '"b"'), codes__t=table)
    code = folder(tmp_path / "4" / "demo", thing=HEAD + rules, codes__t=table.replace("one", "two"))
    over = folder(tmp_path / "over", thing='[fields.x]\nfrom = "b"\n')
    versions = [Mapping.load(place, None, path).version for place in (first, same, rule, code)]
    versions.append(Mapping.load(first, over, path).version)
    assert versions[0] == versions[1]
    assert len(set(versions)) == 4
    assert all(len(version) == 64 for version in versions)
    loaded = Mapping.load(first, over, path)
    kept = Mapping.from_text(loaded.text, path)
    assert kept.version == loaded.version
    assert kept.patches("k", {"id": "1", "b": "A"}) == loaded.patches("k", {"id": "1", "b": "A"})


def test_an_overlay_replaces_single_rules(tmp_path: Path) -> None:
    """An overlay's rule takes the place of one rule, adds fields, files and codes, and is named in traces."""
    base = folder(
        tmp_path / "demo",
        thing=HEAD + '[fields.x]\nfrom = "a"\nto = "code"\n[fields.y]\nfrom = "y"\n[fields.s]\nfrom = "s"\n'
        'table = "t"\n',
        codes__t='unknown = "reject"\n[codes]\nA = "one"\nB = "two"\n',
    )
    overlay = folder(
        tmp_path / "site",
        thing='[fields.x]\nfrom = "b"\n[fields.z]\nvalue = "new"\n',
        other='record = "Other"\nkinds = ["k"]\nid = { from = "id" }\n',
        codes__t='[codes]\nb = "changed"\nC = "three"\n',
    )
    traced = Mapping.load(base, overlay, path).traced()
    other, thing = traced.patches("k", {"id": "1", "a": "no", "b": "yes", "y": "Y", "s": "C"})
    assert other.type == "Other"
    assert thing.fields == {"x": "yes", "y": "Y", "s": "three", "z": "new"}
    steps = {step.field: step for step in traced.steps if step.record == "Thing"}
    assert (steps["x"].rule_file, steps["y"].rule_file) == ("overlay/thing.toml", "demo/thing.toml")
    assert traced.patches("k", {"id": "1", "s": "B"})[1].fields["s"] == "changed"


def test_mistakes_of_an_overlay_name_its_files(tmp_path: Path) -> None:
    """A mistake in an overlay is told with the overlay's file, not with the file it lies over."""
    base = folder(tmp_path / "demo", thing=HEAD + '[fields.x]\nfrom = "a"\n')
    overlay = folder(
        tmp_path / "site", thing='record = "Else"\n[fields.x]\nto = "text"\n', codes__unused="[codes]\nA = 'b'\n"
    )
    with pytest.raises(InvalidConfiguration) as caught:
        Mapping.load(base, overlay, path)
    assert "3 mistakes" in caught.value.what
    for part in ("overlay/thing.toml: record", "overlay/thing.toml: fields.x", "overlay/codes/unused.toml"):
        assert part in caught.value.what
    broken = folder(tmp_path / "broken", thing="fields = 5\n")
    with pytest.raises(InvalidConfiguration, match=r"overlay/thing.toml: fields is not a table"):
        Mapping.load(base, broken, path)


def test_an_adapters_table_goes_before_the_shared_one(tmp_path: Path) -> None:
    """A rule takes the table beside its own files before the shared one of the same name."""
    rules = HEAD + '[fields.x]\nfrom = "a"\ntable = "administrative_sex"\n'
    shared = Mapping.load(folder(tmp_path / "a" / "demo", thing=rules), None, path)
    assert shared.patches("k", {"id": "1", "a": "f"})[0].fields == {"x": "female"}
    own = folder(tmp_path / "b" / "demo", thing=rules, codes__administrative_sex='unknown = "own"\n')
    assert Mapping.load(own, None, path).patches("k", {"id": "1", "a": "f"})[0].fields == {"x": "own"}


def test_binding(tmp_path: Path) -> None:
    """Binding gives a new mapping of the same version with its zone, and refuses a zone that does not exist."""
    made = mapping(tmp_path, "")
    bound = made.bind(zone="America/Chicago")
    assert (made.zone, bound.zone, bound.version) == ("", "America/Chicago", made.version)
    assert bound.traced().zone == "America/Chicago"
    with pytest.raises(InvalidConfiguration):
        made.bind(zone="Mars/Olympus")


def test_covered_paths(tmp_path: Path) -> None:
    """Every path that a rule reads is covered, conditions too, inner ones as seen from the message."""
    rules = """
    [fields.x]
    each = "rows[*]"
    when = ".w"
    [fields.x.fields]
    v = { from = ".v" }
    top = { join = ["a", "b"] }
    l = { list = ["c"] }
    """
    made = mapping(tmp_path, rules)
    assert made.covered("k") == {"id", "rows[*]", "rows[*].w", "rows[*].v", "a", "b", "c"}
    (fields,) = made.fields("k").values()
    assert "x" in fields
    assert made.fields("other") == {}
    assert made.covered("other") == frozenset()
    assert made.kinds == {"k"}


def test_every_key_and_converter_is_documented() -> None:
    """The first column of the page's tables names exactly the keys and converters that exist."""
    cells = re.findall(r"^\| (`[^|]*`) \|", PAGE, re.MULTILINE)
    named = {word for cell in cells for word in re.findall(r"`(\w+)`", cell)}
    assert named == FILE_KEYS | RULE_KEYS | CONVERTERS.keys()
    assert all(key in PAGE for key in TABLE_KEYS)


def test_the_example_loads(tmp_path: Path) -> None:
    """The page's first example is a mapping file that loads."""
    example = re.findall(r"(?:^    .*\n|^\n)+", PAGE, re.MULTILINE)
    text = next(block for block in example if "record =" in block).replace("\n    ", "\n").lstrip()
    assert tomllib.loads(text)["record"] == "Appointment"
    assert Mapping.load(folder(tmp_path / "demo", appointment=text), None, compile_path).kinds == {"SIU^S12", "SIU^S15"}
