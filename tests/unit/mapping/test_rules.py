"""What each rule key does: absent, null and value, constants, lists, objects, references, conditions."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.errors import InvalidContent
from gateway.mapping import Mapping
from gateway.model.identity import Ref
from tests.unit.mapping.dictionary import fields, folder, mapping, path

SCALAR = """
[fields.x]
from = ["a", "b"]
"""


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({}, {}),
        ({"a": ""}, {}),
        ({"a": "  "}, {}),
        ({"a": "NULL"}, {"x": None}),
        ({"a": "1"}, {"x": "1"}),
        ({"b": "2"}, {"x": "2"}),
        ({"a": " ", "b": "2"}, {"x": "2"}),
        ({"a": "NULL", "b": "2"}, {"x": None}),
        ({"a": "1", "b": "2"}, {"x": "1"}),
    ],
)
def test_absent_null_and_value(tmp_path: Path, record: dict[str, Any], expected: dict[str, Any]) -> None:
    """Absent leaves the field out, NULL gives None, a value sets it; the first path that holds something counts."""
    assert fields(tmp_path, SCALAR, record) == expected


def test_constants_settings_and_defaults(tmp_path: Path) -> None:
    """A constant is converted once, a setting comes from the source, a default stands in for absence, not for NULL."""
    rules = """
    [fields]
    paid = { value = "5", to = "money" }
    zone = { setting = "zone" }
    payer = { setting = "payer", default = "none" }
    lost = { setting = "nobody" }
    kind = { from = "kind", default = "plain" }
    """
    bound = mapping(tmp_path, rules).bind(zone="America/Chicago", payer="P1")
    (patch,) = bound.patches("k", {"id": "1"})
    assert {name: str(value) for name, value in patch.fields.items()} == {
        "paid": "5.00", "zone": "America/Chicago", "payer": "P1", "kind": "plain",
    }  # fmt: skip
    assert fields(tmp_path, rules, {"kind": "NULL"})["kind"] is None
    assert fields(tmp_path, rules, {})["payer"] == "none"


def test_join_needs_every_part(tmp_path: Path) -> None:
    """Joined values are composed only when all are there, with the separator between them."""
    rules = '[fields.x]\njoin = ["a", "b"]\nseparator = "-"\n'
    assert fields(tmp_path, rules, {"a": " 1 ", "b": 2}) == {"x": "1-2"}
    assert fields(tmp_path, rules, {"a": "1"}) == {}
    assert fields(tmp_path, rules, {"a": "1", "b": " "}) == {}
    assert fields(tmp_path, rules, {"a": "1", "b": "NULL"}) == {"x": None}


def test_a_native_id_is_composed(tmp_path: Path) -> None:
    """An id may be joined from several places, with a slash between them unless the file says otherwise."""
    head = 'record = "Thing"\nkinds = ["k"]\nid = { join = ["trace", "ordinal"] }\n'
    (patch,) = mapping(tmp_path, "", head=head).patches("k", {"trace": "T9", "ordinal": 3})
    assert patch.native_id == "T9/3"


def test_list_gathers_what_is_there(tmp_path: Path) -> None:
    """A list holds the values that are there in order; none is absence, and only NULLs are deletion."""
    rules = '[fields.x]\nlist = ["a", "b"]\n'
    assert fields(tmp_path, rules, {"a": "1", "b": "2"}) == {"x": ["1", "2"]}
    assert fields(tmp_path, rules, {"a": "NULL", "b": "2"}) == {"x": ["2"]}
    assert fields(tmp_path, rules, {}) == {}
    assert fields(tmp_path, rules, {"a": "NULL"}) == {"x": None}


def test_clear_deletes_under_a_condition(tmp_path: Path) -> None:
    """A rule with `clear` deletes the field where its condition holds."""
    rules = '[[fields.x]]\nfrom = "a"\n[[fields.x]]\nclear = true\nwhen = "b"\nis = ["yes"]\n'
    assert fields(tmp_path, rules, {"b": "yes"}) == {"x": None}
    assert fields(tmp_path, rules, {"b": "no"}) == {}
    assert fields(tmp_path, rules, {"a": "1", "b": "yes"}) == {"x": "1"}


EACH = """
[fields.x]
each = "rows[*]"
needs = ["value"]
[fields.x.fields]
value = { from = ".v" }
type = { from = ".t", to = "code" }
system = { value = "phone" }
use = { from = ".u", default = "home" }
"""


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (None, {}),
        ([], {}),
        ("NULL", {"x": None}),
        ([{}], {}),
        ([{"t": "a"}], {}),
        ([{"v": "NULL"}], {"x": None}),
        ([{"v": "1", "t": "NULL"}], {"x": [{"value": "1", "system": "phone", "use": "home"}]}),
        (
            [{"v": "1", "t": "a"}, {}, {"v": "2", "u": "work"}],
            {
                "x": [
                    {"value": "1", "type": "A", "system": "phone", "use": "home"},
                    {"value": "2", "system": "phone", "use": "work"},
                ]
            },
        ),
    ],
)
def test_each_makes_a_list_of_objects(tmp_path: Path, rows: Any, expected: dict[str, Any]) -> None:
    """Each repetition with something in it is an object; constants and defaults complete it and never make one."""
    assert fields(tmp_path, EACH, {} if rows is None else {"rows": rows}) == expected


def test_each_filters_joins_places_and_makes_scalars(tmp_path: Path) -> None:
    """`when` looks inside each repetition, several places make one list, and a list may hold plain values."""
    rules = '[fields.x]\neach = ["a[*]", "b[*]"]\nfrom = ".v"\nref = "Location"\nwhen = ".ok"\nis = true\n'
    record = {"a": [{"v": "1", "ok": True}, {"v": "2", "ok": False}], "b": [{"v": "3", "ok": True}]}
    assert fields(tmp_path, rules, record) == {"x": [Ref("Location", "1"), Ref("Location", "3")]}


def test_each_nests(tmp_path: Path) -> None:
    """A list inside the objects of a list reads the inner repetitions of each."""
    rules = """
    [fields.x]
    each = "rows[*]"
    [fields.x.fields.lines]
    each = ".lines[*]"
    [fields.x.fields.lines.fields]
    n = { from = ".n", to = "integer" }
    """
    record = {"rows": [{"lines": [{"n": 1}, {"n": 2}]}, {"lines": []}, {"lines": [{"n": 3}]}]}
    assert fields(tmp_path, rules, record) == {"x": [{"lines": [{"n": 1}, {"n": 2}]}, {"lines": [{"n": 3}]}]}


def test_an_object_is_there_when_a_field_is(tmp_path: Path) -> None:
    """A nested object drops deleted fields, is deleted when only deletions are there, and absent when nothing is."""
    rules = "[fields.x.fields]\na = { from = 'a' }\nb = { from = 'b' }\n"
    assert fields(tmp_path, rules, {"a": "1", "b": "NULL"}) == {"x": {"a": "1"}}
    assert fields(tmp_path, rules, {"a": "NULL"}) == {"x": None}
    assert fields(tmp_path, rules, {}) == {}


def test_a_condition_without_values_asks_for_presence(tmp_path: Path) -> None:
    """`when` alone holds where the place holds anything, false and zero included, and not where it is deleted."""
    rules = '[fields.x]\nvalue = "set"\nwhen = "a"\n'
    assert fields(tmp_path, rules, {"a": False}) == {"x": "set"}
    assert fields(tmp_path, rules, {"a": [1]}) == {"x": "set"}
    for empty in ({}, {"a": ""}, {"a": []}, {"a": "NULL"}):
        assert fields(tmp_path, rules, empty) == {}


def test_rules_by_kind(tmp_path: Path) -> None:
    """A rule with `kinds` speaks for those kinds of message only, also in what counts as read."""
    head = 'record = "Thing"\nkinds = ["k", "m"]\nid = { from = "id" }\n'
    rules = '[[fields.x]]\nvalue = "gone"\nkinds = ["m"]\n[[fields.x]]\nfrom = "a"\nkinds = ["k"]\n'
    made = mapping(tmp_path, rules, head=head)
    assert made.patches("k", {"id": "1", "a": "A"})[0].fields == {"x": "A"}
    assert made.patches("m", {"id": "1", "a": "A"})[0].fields == {"x": "gone"}
    assert made.covered("k") == {"id", "a"}
    assert made.covered("m") == {"id"}
    assert made.patches("other", {}) == ()


def test_a_removed_record_is_removed(tmp_path: Path) -> None:
    """When one condition of `removed` holds, the patch removes the record and says nothing about its fields."""
    rules = '[[removed]]\nwhen = "deleted"\n[[removed]]\nwhen = "state"\nis = ["gone"]\n[fields.x]\nfrom = "a"\n'
    made = mapping(tmp_path, rules)
    for record in ({"deleted": "2026"}, {"state": "gone"}):
        (patch,) = made.patches("k", {"id": "1", "a": "A", **record})
        assert (patch.operation, patch.fields) == ("remove", {})
    (patch,) = made.patches("k", {"id": "1", "a": "A", "state": "here"})
    assert (patch.operation, patch.fields) == ("upsert", {"x": "A"})


def test_a_record_without_id(tmp_path: Path) -> None:
    """A message that does not identify its record is refused with the places asked, unless that is optional."""
    with pytest.raises(InvalidContent) as caught:
        mapping(tmp_path, "").patches("k", {})
    assert (caught.value.reason, caught.value.where) == ("missing-id", "id")
    optional = 'record = "Thing"\nkinds = ["k"]\noptional = true\nid = { from = "id" }\n'
    assert mapping(tmp_path, "", head=optional).patches("k", {"id": "NULL"}) == ()


def test_patient_and_version(tmp_path: Path) -> None:
    """A patch names its patient and source version; a Patient is its own patient."""
    rules = '[patient]\nfrom = "p"\n[version]\nfrom = "v"\nto = "instant"\n'
    (patch,) = mapping(tmp_path, rules).patches("k", {"id": "1", "p": "77", "v": "2026-01-05T15:33:06Z"})
    assert (patch.patient, patch.source_version) == ("77", "2026-01-05T15:33:06.000000Z")
    (patch,) = mapping(tmp_path, rules).patches("k", {"id": "1", "p": "NULL", "v": "NULL"})
    assert (patch.patient, patch.source_version) == (None, None)
    head = 'record = "Patient"\nkinds = ["k"]\nid = { from = "id" }\n'
    assert mapping(tmp_path, "", head=head).patches("k", {"id": "9"})[0].patient == "9"


def test_unknown_codes(tmp_path: Path) -> None:
    """An unlisted code is rejected, kept or replaced as its table says; codes are compared in any letter case."""
    tables = {"no": "reject", "keep": "keep", "other": "misc"}
    place = folder(
        tmp_path / "demo",
        thing='record = "Thing"\nkinds = ["k"]\nid = { from = "id" }\n'
        + "".join(f'[fields.{name}]\nfrom = "{name}"\ntable = "{name}"\n' for name in tables),
        **{f"codes__{name}": f'unknown = "{unknown}"\n[codes]\nA1 = "one"\n' for name, unknown in tables.items()},
    )
    made = Mapping.load(place, None, path)
    (patch,) = made.patches("k", {"id": "1", "no": " a1 ", "keep": "Zz", "other": "Zz"})
    assert patch.fields == {"no": "one", "keep": "Zz", "other": "misc"}
    with pytest.raises(InvalidContent) as caught:
        made.patches("k", {"id": "1", "no": "SECRET"})
    assert (caught.value.reason, caught.value.where) == ("unmapped-code", "no")
    assert "codes/no.toml" in caught.value.fix
    assert "demo/thing.toml: fields.no" in caught.value.what
    assert "SECRET" not in repr(caught.value) + str(caught.value)


def test_an_error_names_the_place_inside_a_repetition(tmp_path: Path) -> None:
    """A value that does not convert is placed by its path as seen from the message, and never shown."""
    rules = '[fields.x]\neach = "rows[*]"\n[fields.x.fields]\nn = { from = ".n", to = "integer" }\n'
    with pytest.raises(InvalidContent) as caught:
        fields(tmp_path, rules, {"rows": [{"n": "SECRET"}]})
    assert (caught.value.reason, caught.value.where) == ("not-an-integer", "rows[*].n")
    assert "SECRET" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_times_use_the_bound_zone(tmp_path: Path) -> None:
    """The zone given to bind is the one in which a wall time is read."""
    rules = '[fields.x]\nfrom = "a"\nto = "datetime"\n'
    found = fields(tmp_path, rules, {"a": "20260109120000"}, zone="Asia/Tokyo")
    assert found["x"].astimezone(UTC) == datetime(2026, 1, 9, 3, tzinfo=UTC)


EVERY_RULE = (
    SCALAR
    + EACH.replace("fields.x", "fields.list")
    + """
[fields.object.fields]
a = { from = "a" }
n = { from = "n", default = 1 }
[[fields.choice]]
from = "a"
when = "b"
is = ["1"]
[[fields.choice]]
value = "else"
[fields.joined]
join = ["a", "b"]
"""
)
VALUES = st.sampled_from(["", " ", "NULL", "1", "2", "x"])
ROWS = st.lists(st.dictionaries(st.sampled_from("vtu"), VALUES, max_size=3), max_size=3)
RECORDS = st.fixed_dictionaries({"id": st.just("1")}, optional={"a": VALUES, "b": VALUES, "n": VALUES, "rows": ROWS})


@given(RECORDS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_purity_and_tracing(tmp_path: Path, record: dict[str, Any]) -> None:
    """The same record gives the same patches every time, traced or not, and every value set has a step behind it."""
    made = mapping(tmp_path, EVERY_RULE)
    traced = made.traced()
    patches = made.patches("k", record)
    assert patches == made.patches("k", record) == traced.patches("k", record) == traced.patches("k", record)
    explained = {step.field.partition(".")[0].partition("[")[0] for step in traced.steps}
    assert set(patches[0].fields) <= explained


def test_the_patient_is_the_one_referred_to(tmp_path: Path) -> None:
    """Without a rule of its own, the patch's patient is the reference in the field, for a removed record too."""
    rules = '[removed]\nwhen = "gone"\n[fields.patient]\nfrom = "p"\nref = "Patient"\n'
    made = mapping(tmp_path, rules)
    for record, expected in (({"p": "7"}, "7"), ({"p": "7", "gone": "1"}, "7"), ({"p": "NULL"}, None), ({}, None)):
        assert made.patches("k", {"id": "1", **record})[0].patient == expected
