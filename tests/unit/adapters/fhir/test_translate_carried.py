"""Canonical to FHIR and back: what one gateway shows, another reads as the same record."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import InvalidContent
from gateway.mapping import Mapping
from gateway.model import TYPES, fold
from gateway.model.fhir_places import HELD, LOST, REFERS, RESOURCES, shapes
from gateway.model.identity import Ref
from gateway.testing.synthetic_clinic import SyntheticPerson, synthetic_clinic
from gateway.wire.fhir import encode, resource
from gateway_fhir.config import FhirConfig
from gateway_fhir.plugin import FhirAdapter
from gateway_fhir.translate import normalizer
from tests.unit.model.strategies import BY_TYPE, stored

ID = "0b7e1f6a-5d0c-8a3e-9c1d-2f4b6a8c0e12"
OTHER = "5d7e1f6a-5d0c-8a3e-9c1d-2f4b6a8c0e34"
AT = "2026-03-01T14:02:11.120034Z"
_adapter = FhirAdapter()
read = normalizer(
    FhirConfig(profile="gateway"), Mapping.load(_adapter.mappings, None, _adapter.path).bind(zone="Pacific/Honolulu")
)


def worded(cls: type[msgspec.Struct], fields: dict[str, Any]) -> dict[str, Any]:
    """The fields with texts of letters and digits: FHIR knows no blank text and no control characters."""
    made = dict(fields)
    for name, shape in shapes(cls).items():
        if name not in made or made[name] is None:
            continue
        if shape.parts is not None:
            inner = [worded(shape.parts, one) for one in (made[name] if shape.many else [made[name]])]
            made[name] = inner if shape.many else inner[0]
        elif shape.kind == "String" and name != "zone":
            texts = [re.sub("[^A-Za-z0-9]", "", one) or "x" for one in (made[name] if shape.many else [made[name]])]
            made[name] = texts if shape.many else texts[0]
    return made


def plain(record: msgspec.Struct) -> Any:
    """The record's fields without objects and lists that say nothing; moments with their offsets."""
    return _pruned(msgspec.to_builtins(record, builtin_types=(Decimal,)))


def _pruned(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: kept for name, one in value.items() if (kept := _pruned(one)) not in (None, {}, [], ())}
    if isinstance(value, (list, tuple)):
        return [kept for one in value if (kept := _pruned(one)) not in (None, {}, [], ())]
    return value


def unlinked(value: Any) -> Any:
    """References as the ids of the first gateway; each must name the type its field refers to."""
    if isinstance(value, Ref):
        return value.native_id.rpartition("/")[2]
    if isinstance(value, dict):
        for name, one in value.items():
            assert not isinstance(one, Ref) or one.type == REFERS[name]
        return {name: unlinked(one) for name, one in value.items()}
    return [unlinked(one) for one in value] if isinstance(value, (list, tuple)) else value


def there_and_back(type: str, record: msgspec.Struct) -> msgspec.Struct:
    """The record as a second gateway stores it, whatever it held before."""
    made = read(encode(resource(type, ID, 3, AT, "northside", stored(record))), b"")
    assert [one.type for one in made.patches] == [type], made.suppressed
    patch = made.patches[0]
    assert patch.native_id.rpartition("/")[2] == ID
    assert made.residue == ()
    speaks = patch.fields.keys() | {"merged_into"}
    assert speaks >= {name for name in shapes(TYPES[type]) if (type, name) not in LOST}
    return fold(type, None, unlinked(dict(patch.fields)))


@pytest.mark.parametrize("type", sorted(HELD))
@settings(deadline=None, max_examples=15)
@given(data=st.data())
def test_there_and_back_is_the_identity(type: str, data: st.DataObject) -> None:
    """Any record of a type that both sides know comes back equal, but for the fields of the committed table."""
    fields = worded(TYPES[type], data.draw(BY_TYPE[type]))
    fields = {name: one for name, one in fields.items() if (type, name) not in LOST}
    if fields.get("other_names") and not (fields.get("name") or {}).get("family"):
        fields["name"] = {"family": "Ngo"}  # a patient with former names and none of today is nobody
    wanted = fold(type, None, fields)
    assert plain(there_and_back(type, wanted)) == plain(wanted)


def _person(one: SyntheticPerson) -> dict[str, Any]:
    return {
        "name": {"given": one.given, "family": one.family},
        "contacts": [
            {"system": "phone", "value": one.phone, "use": "mobile"}, {"system": "email", "value": one.email},
        ],
    }  # fmt: skip


def test_the_synthetic_clinic_comes_back_whole() -> None:
    """Every place, person and visit of the made-up clinic is read back as it was shown."""
    clinic = synthetic_clinic()
    found: list[tuple[str, dict[str, Any]]] = [
        ("Location", {"name": one.name, "zone": one.zone, "address": {"lines": [one.street], "city": one.city}})
        for one in clinic.places
    ]
    found += [("Practitioner", _person(one) | {"npi": "1999999984"}) for one in clinic.therapists]
    for person in clinic.patients:
        where = {"lines": [person.street], "city": person.city, "state": person.state, "postal_code": "75001"}
        about = {"sex": person.sex, "birth_date": person.birth_date, "addresses": [where], "language": "es"}
        found.append(("Patient", _person(person) | about))
    for visit in clinic.visits:
        told = {
            "start": visit.start, "end": visit.end, "status": visit.outcome, "type": visit.kind, "patient": OTHER,
            "created_at": visit.booked_at, "cancel_reason": visit.cancel_reason or None, "zone": "America/Chicago",
        }  # fmt: skip
        found.append(("Appointment", told))
    assert len(found) > 180
    for type, fields in found:
        wanted = fold(type, None, fields)
        assert plain(there_and_back(type, wanted)) == plain(wanted)


def test_the_tables_name_real_fields_and_every_reference() -> None:
    """Both tables name fields that exist, and each reference of a travelling type has a type that is shown."""
    shown = {kind for kinds in RESOURCES.values() for kind in kinds}
    assert HELD.keys() == shown - {"Task"}
    for type, names in HELD.items():
        assert names <= shapes(TYPES[type]).keys(), type
    for (type, name), why in LOST.items():
        assert name in shapes(TYPES[type])
        assert why
    for type in HELD:
        for name, shape in shapes(TYPES[type]).items():
            assert shape.kind != "Reference" or (type, name) in LOST or REFERS[name] in shown, (type, name)


def test_an_extension_of_another_kind_is_refused_without_its_value() -> None:
    """A field of ours with the wrong value[x] goes to quarantine by its name."""
    made = resource("Appointment", ID, 1, AT, "n", {"start": AT, "status": "booked", "room": "Zq7"})
    broken = json.loads(encode(made))
    broken["extension"] = [{"url": "urn:emr-gateway:room", "valueBoolean": True}]
    with pytest.raises(InvalidContent) as caught:
        read(json.dumps(broken).encode(), b"")
    assert caught.value.where == "extension[room]"


def test_a_plain_server_cannot_set_what_only_a_gateway_says() -> None:
    """Without the profile our extensions are residue like anyone's, and mean nothing."""
    plainly = normalizer(FhirConfig(), Mapping.load(_adapter.mappings, None, _adapter.path).bind(zone="UTC"))
    made = plainly(encode(resource("Appointment", ID, 1, AT, "n", {"start": AT, "status": "booked", "room": "2"})), b"")
    assert "room" not in made.patches[0].fields
    assert "extension[urn:emr-gateway:room]" in made.residue
