"""``gateway mappings check``: rules measured against the canonical model."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.mapping import check
from gateway.model import TYPES
from tests.unit.mapping.dictionary import folder, path

HEAD = 'record = "Appointment"\nkinds = ["k"]\nid = { from = "id" }\n'
NEEDED = '[fields.start]\nfrom = "s"\nto = "datetime"\n[fields.status]\nvalue = "booked"\n'


def findings(place: Path, text: str, **more: str) -> list[str]:
    """What the check says of one file."""
    found = check(folder(place / "demo", appointment=text, **more), None, path, TYPES)
    assert all(one.reason == "mapping" and one.fix for one in found)
    return [f"{one.where} {one.what}" for one in found]


def test_a_sound_file_has_no_findings(tmp_path: Path) -> None:
    """A file whose every rule fits the model passes."""
    assert findings(tmp_path, HEAD + NEEDED) == []


FAULTS = {
    '[fields.begin]\nfrom = "a"': "fields.begin fills a field that Appointment does not have",
    '[fields.end]\nfrom = "a"': "fields.end.to gives text to a field of another type",
    '[fields.end]\nfrom = "a"\nto = "date"': "fields.end.to gives date to a field of another type",
    '[fields.minutes]\nfrom = "a"\nto = "boolean"': "fields.minutes.to gives boolean to a field of another type",
    '[fields.minutes]\nvalue = "many"': "fields.minutes.value is a constant that the field does not allow: 'many'",
    '[fields.patient]\nfrom = "a"': "fields.patient gives a plain value to a reference",
    '[fields.patient]\nfrom = "a"\nref = "Pateint"': "fields.patient.ref is not a canonical record type",
    '[fields.type]\nfrom = "a"\nref = "Patient"': "fields.type gives a reference to a plain field",
    '[fields.type]\neach = "a[*]"\nfrom = "."': "fields.type makes a list for a field that holds one value",
    '[fields.type.fields]\na = { from = "a" }': "fields.type makes an object for a field that holds a value",
    '[[fields.type]]\nvalue = "x"\n[[fields.type]]\nfrom = "a"': "fields.type[1] can never fire",
    '[[fields.type]]\nfrom = "a"\ndefault = "x"\n[[fields.type]]\nfrom = "b"': "fields.type[1] can never fire",
    '[[fields.type]]\nfrom = "a"\n[[fields.type]]\nfrom = "a"\nto = "code"': "fields.type[1] can never fire",
    '[fields.type]\nfrom = "a b"': "fields.type has the path 'a b', which the adapter cannot read",
    '[fields.type]\nfrom = "a"\nto = "txt"': "fields.type.to is not a converter",
    '[fields.type]\nfrom = "a"\ntable = "none"': "fields.type.table names the code table 'none', which is not there",
    '[fields.type]\nfrom = "a"\nkinds = ["m"]': "fields.type can never fire: it is for kinds that the file is not for",
}


@pytest.mark.parametrize(("rules", "expected"), FAULTS.items())
def test_a_fault_is_found(tmp_path: Path, rules: str, expected: str) -> None:
    """Each way in which a rule misses the model is told with its file and key."""
    told = findings(tmp_path, HEAD + NEEDED + rules)
    assert any(one.startswith(f"demo/appointment.toml: {expected}") for one in told), told


def test_required_fields_need_rules(tmp_path: Path) -> None:
    """A record type whose required field has no rule in any file could never be created."""
    told = findings(tmp_path, HEAD)
    assert [one for one in told if "every Appointment needs it" in one] == told
    assert {one.split(" ")[1] for one in told} == {"fields.start", "fields.status"}


def test_fields_that_the_adapter_adds(tmp_path: Path) -> None:
    """A required field that the adapter adds itself needs no rule when the file says so; a misspelt one is told."""
    assert findings(tmp_path, 'added = ["start", "status"]\n' + HEAD) == []
    told = findings(tmp_path, 'added = ["start", "status", "stat"]\n' + HEAD)
    assert told == ["demo/appointment.toml: added names 'stat', which Appointment does not have"]


def test_an_unknown_record_type(tmp_path: Path) -> None:
    """A record type outside the canonical model is told."""
    assert findings(tmp_path, HEAD.replace("Appointment", "Appointmnet")) == [
        "demo/appointment.toml: record is not a canonical record type"
    ]


def test_words_of_a_table_must_be_the_models(tmp_path: Path) -> None:
    """A code table that gives a word the field does not allow is told before a message meets it."""
    table = 'unknown = "lost"\n[codes]\nA = "booked"\nB = "no_show"\n'
    rules = HEAD + NEEDED.replace('value = "booked"', 'from = "a"\ntable = "status"')
    told = findings(tmp_path, rules, codes__status=table)
    assert [one.rpartition(" ")[2] for one in told] == ["'lost'", "'no_show'"]


def test_nested_objects(tmp_path: Path) -> None:
    """Inner fields are measured too, and an object must not be made without what it needs."""
    head = 'record = "Patient"\nkinds = ["k"]\nid = { from = "id" }\n'
    rules = '[fields.contacts]\neach = "a[*]"\n[fields.contacts.fields]\n'
    rules += 'value = { from = ".v" }\nsystem = { value = "fon" }\n'
    told = findings(tmp_path, head + rules + "nmae = { from = '.n' }\n")
    for part in ("fields.contacts may make a ContactPoint without its required value", "'fon'", "fields.nmae"):
        assert any(part in one for one in told), part
    told = findings(tmp_path, head + '[fields.contacts.fields]\nvalue = { from = "v" }\n')
    assert any("makes one value for a field that holds a list" in one for one in told)
    told = findings(tmp_path, head + '[fields.name]\nfrom = "n"\n')
    assert any("makes a value for a field that holds an object" in one for one in told)
