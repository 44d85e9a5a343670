from __future__ import annotations

import functools
import itertools
import random
from collections.abc import Iterator
from typing import Any, get_args, get_origin

import msgspec
import pytest

from gateway.access.views import View, built_in, compile_views
from gateway.errors import IntegrityViolated, InvalidConfiguration
from gateway.model import TYPES
from tests.measuring import least

SEED = 20260714
fields_of = functools.cache(msgspec.structs.fields)  # reads the annotations anew each time


def _nested(annotation: Any) -> type[msgspec.Struct] | None:
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return annotation
    found = [_nested(part) for part in get_args(annotation)]
    return next((part for part in found if part), None)


def _many(annotation: Any) -> bool:
    return get_origin(annotation) is tuple or any(_many(part) for part in get_args(annotation))


class Maker:
    """Makes records in which every value is unique, and remembers which path each value stands at."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.serial = itertools.count(10**9)

    def record(self, struct: type[msgspec.Struct], path: tuple[str, ...] = ()) -> tuple[Any, dict[str, set[str]]]:
        values: dict[str, Any] = {}
        canaries: dict[str, set[str]] = {}
        for field in fields_of(struct):
            if self.random.random() < 0.25:
                continue
            here = (*path, field.name)
            nested = _nested(field.type)
            if nested is None:
                values[field.name] = self._plain(canaries.setdefault(".".join(here[:2]), set()))
                continue
            items = []
            for _ in range(self.random.randint(0, 3) if _many(field.type) else 1):
                item, inside = self.record(nested, here)
                items.append(item)
                for name, found in inside.items():
                    canaries.setdefault(name, set()).update(found)
            values[field.name] = items if _many(field.type) else items[0]
        values["smuggled"] = self._plain(canaries.setdefault(".".join((*path, "smuggled")), set()))
        return values, canaries

    def _plain(self, seen: set[str]) -> Any:
        canary = f"{next(self.serial)}"
        seen.add(canary)
        shapes = (
            f"v{canary}",
            int(canary),
            [f"v{canary}"],
            {f"k{canary}": True},
            f'"\\{canary}\n,="',
            f"\u00e9{canary}",
        )
        return self.random.choice(shapes)


def _random_view(chance: random.Random) -> View:
    grants: dict[str, list[str]] = {}
    for name, struct in TYPES.items():
        if chance.random() < 0.2:
            continue
        paths = []
        for field in fields_of(struct):
            nested = _nested(field.type)
            draw = chance.random()
            if draw < 0.3:
                paths.append(field.name)
            elif draw < 0.7 and nested is not None:
                paths += [f"{field.name}.{part}" for part in nested.__struct_fields__ if chance.random() < 0.5]
        grants[name] = paths
    return View("drawn", grants)


def _granted(view: View, type_name: str) -> Iterator[str]:
    for path in view.grants.get(type_name, ()):
        yield path
        field = {field.name: field.type for field in fields_of(TYPES[type_name])}[path.partition(".")[0]]
        nested = _nested(field)
        if "." not in path and nested is not None:
            yield from (f"{path}.{part}" for part in nested.__struct_fields__)


def _paths(value: Any, prefix: str = "") -> set[str]:
    found = set()
    for name, inner in value.items():
        found.add(f"{prefix}{name}")
        for item in inner if isinstance(inner, list) else [inner]:
            if isinstance(item, dict) and not prefix and not any(key.startswith("k1") for key in item):
                found |= _paths(item, f"{name}.")
    return found


def test_no_ungranted_field_or_value_comes_through() -> None:
    """In 10,000 generated records of all types under 50 random views, nothing ungranted is in the bytes."""
    maker, chance = Maker(SEED), random.Random(SEED)
    names = sorted(TYPES)
    for _ in range(50):
        view = _random_view(chance)
        for _ in range(200):
            type_name = chance.choice(names)
            record, canaries = maker.record(TYPES[type_name])
            projection = view.project(type_name, msgspec.json.encode(record))
            granted = set(_granted(view, type_name))
            text = projection.body.decode()
            for path, values in canaries.items():
                assert all((value in text) == (path in granted) for value in values), (type_name, path)
            parents = {path.partition(".")[0] for path in granted}
            assert _paths(msgspec.json.decode(projection.body)) <= granted | parents
            assert set(projection.fields) <= set(view.grants.get(type_name, ()))


def test_a_type_without_a_grant_gives_nothing() -> None:
    """A record of a type the view does not name is an empty object, whatever the record holds."""
    assert View("v", {"Payer": ["name"]}).project("Patient", b'{"birth_date":"1980-01-01"}') == (b"{}", ())


def test_fields_say_what_is_in_the_bytes() -> None:
    """Only granted fields that the record holds are named, nested parts by their path, in the model's order."""
    view = View("v", {"Claim": ["lines.charge", "lines.units", "control_number", "payer"]})
    record = b'{"lines":[{"charge":"12.00","procedure_code":"97110"},{"charge":"1.50"}],"control_number":"A1"}'
    body, fields = view.project("Claim", record)
    assert body == b'{"control_number":"A1","lines":[{"charge":"12.00"},{"charge":"1.50"}]}'
    assert fields == ("control_number", "lines.charge")


def test_an_empty_object_discloses_its_granted_parts() -> None:
    """That a list is empty or null tells something about every part that was granted in it."""
    view = View("v", {"Claim": ["lines.charge"], "Patient": ["name.given"]})
    assert view.project("Claim", b'{"lines":[]}') == (b'{"lines":[]}', ("lines.charge",))
    assert view.project("Patient", b'{"name":null}') == (b'{"name":null}', ("name.given",))


def test_values_are_copied_as_they_are() -> None:
    """Numbers, escapes and money texts come out with the very bytes they had."""
    record = b'{"amount":"-0.10","trace_number":"\\u00e9\\/","claim_count":1e2}'
    body, _ = View("v", {"Remittance": ["*"]}).project("Remittance", record)
    assert body == record


def test_everything_means_what_the_model_declares() -> None:
    """``*`` grants each declared field of its type and still drops what the model does not declare."""
    view = View("v", {"Payer": ["*"]})
    assert view.grants["Payer"] == TYPES["Payer"].__struct_fields__
    assert view.project("Payer", b'{"name":"x","extension":"y"}').body == b'{"name":"x"}'


@pytest.mark.parametrize(
    ("grants", "place", "listed"),
    [
        ({"Appointmnt": ["start"]}, "views.v.Appointmnt", "Appointment"),
        ({"*": ["*"]}, "views.v.*", "Appointment"),
        ({"Appointment": ["strat"]}, "views.v.Appointment", "start"),
        ({"Appointment": ["start.hour"]}, "views.v.Appointment", "start"),
        ({"Claim": ["lines.price"]}, "views.v.Claim", "lines.charge"),
        ({"ClaimPayment": ["lines.adjustments.amount"]}, "views.v.ClaimPayment", "lines.adjustments"),
        ({"Claim": [""]}, "views.v.Claim", "control_number"),
        ({"Claim": ["lines."]}, "views.v.Claim", "lines.charge"),
    ],
)
def test_a_misspelt_grant_is_told_with_what_exists(grants: dict[str, list[str]], place: str, listed: str) -> None:
    """A type or field that does not exist is refused at once, with its place and the valid names."""
    with pytest.raises(InvalidConfiguration) as caught:
        View("v", grants)
    assert caught.value.where == place
    assert listed in caught.value.fix


@pytest.mark.parametrize(
    "data", [b"", b"[]", b'{"name":', b'{"name":"x"', b'{"lines":{"a":1}}', b'{"lines":"CANARY"}', b"\xff"]
)
def test_a_broken_record_gives_nothing_away(data: bytes) -> None:
    """A stored record that is not canonical stops the projection, and the error holds no value of it."""
    with pytest.raises(IntegrityViolated) as caught:
        View("v", {"Claim": ["lines.charge"]}).project("Claim", data)
    assert "CANARY" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_the_version_follows_what_is_granted() -> None:
    """Order and repetition of paths do not change a view's version; any other grant does."""
    one = View("v", {"Payer": ["name", "kind"], "Slot": ["start"]})
    same = View("v", {"Slot": ["start", "start"], "Payer": ["kind", "name"]})
    other = View("v", {"Payer": ["name"], "Slot": ["start"]})
    assert (one.version, one.text) == (same.version, same.text)
    assert one.version != other.version
    assert msgspec.json.decode(one.text)["grants"] == {"Payer": ["name", "kind"], "Slot": ["start"]}


def test_the_built_in_views_keep_their_word() -> None:
    """Reminders see no clinical or money field, accounting no patient; every view compiles against the model."""
    views = built_in()
    assert set(views) == {
        "reminder", "billing", "clearinghouse", "accounting", "workforce-desk", "workforce", "analytics-deidentified",
    }  # fmt: skip
    reminder = {path for name, paths in views["reminder"].grants.items() if name != "Reminder" for path in paths}
    assert not reminder & {"type", "reason", "diagnoses", "birth_date", "identifiers", "text", "charge", "payer"}
    assert not set(views["reminder"].grants["Reminder"]) & {"diagnoses", "identifiers", "charge", "payer"}
    accounting = views["accounting"].grants
    assert "Patient" not in accounting
    hidden = {"patient", "patient_name", "member_id", "procedure_code", "diagnoses", "memo", "description", "reference"}
    assert not {path for name, paths in accounting.items() if name != "PatientPayment" for path in paths} & hidden
    assert not any("patient" in path.split(".") for paths in accounting.values() for path in paths)


def test_configured_views_join_the_built_in_ones() -> None:
    """A configured view is found beside the built-in ones and may not take one of their names."""
    assert set(compile_views({"front-desk": {"Slot": ["start"]}})) == {
        "reminder",
        "billing",
        "clearinghouse",
        "accounting",
        "workforce",
        "workforce-desk",
        "analytics-deidentified",
        "front-desk",
    }
    with pytest.raises(InvalidConfiguration, match="built-in"):
        compile_views({"billing": {"Slot": ["start"]}})


def test_messages_as_received_are_a_grant_of_their_own() -> None:
    """``*`` does not grant them, the view's text tells of the word, and no view without identifiers may have it."""
    everything = View("mine", {"Remittance": ["*"]})
    granted = View("mine", {"Remittance": ["*", "raw"]})
    assert (everything.raw, granted.raw) == (frozenset(), frozenset({"Remittance"}))
    assert everything.grants == granted.grants
    assert everything.version != granted.version
    with pytest.raises(InvalidConfiguration, match="as received"):
        View("veiled", {"Remittance": ["raw"]}, veiled=True)


def test_a_projection_is_fast() -> None:
    """An appointment is cut down in at most 15 microseconds of processor time."""
    view = built_in()["billing"]
    record = msgspec.json.encode({name: f"value of {name}" for name in TYPES["Appointment"].__struct_fields__})

    def cut_down() -> None:
        for _ in range(2000):
            view.project("Appointment", record)

    best = least(cut_down, enough=2000 * 15e-6) / 2000
    print(f"projection of {len(record)} bytes: {best * 1e6:.2f} us")
    assert best <= 15e-6
