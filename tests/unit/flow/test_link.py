"""Linking gives ids to records and to everything that refers to one."""

from __future__ import annotations

from uuid import UUID

from gateway.flow.link import link
from gateway.model.identity import RecordId, Ref
from gateway.model.patch import Patch


def ids(kind: str, native: str) -> RecordId:
    """An id that tells what it is of, in hexadecimal."""
    return RecordId(f"{kind}{native}".encode().hex())


def test_a_reference_of_a_field_is_resolved_whoever_made_it() -> None:
    """Also one that an adapter's own code put beside what its mapping said may refer."""
    patch = Patch(type="A", native_id="1", fields={"x": Ref("B", "2")}, references=frozenset({"y"}))
    assert link(patch, ids).fields == {"x": ids("B", "2")}


def test_references_inside_are_resolved_where_they_may_be() -> None:
    """In lists and objects of the fields that are named, and in all where none are."""
    inside = {"x": [{"of": Ref("B", "2")}, Ref("B", "3")], "y": {"z": "text"}}
    expected = {"x": [{"of": ids("B", "2")}, ids("B", "3")], "y": {"z": "text"}}
    for references in (None, frozenset({"x"})):
        assert link(Patch(type="A", native_id="1", fields=inside, references=references), ids).fields == expected


def test_the_patch_is_left_as_it_was() -> None:
    """Linking again, for another source, begins with the same patch."""
    patch = Patch(type="A", native_id="1", fields={"x": Ref("B", "2")})
    link(patch, ids)
    assert patch.fields == {"x": Ref("B", "2")}


OWNER = "0193c7a1-0000-8000-8000-000000000001"


def test_an_owner_takes_the_place_of_a_number() -> None:
    """A record of a number belongs to the patient who is named; who is not named leaves it with whom it has."""
    before, number = b"before", bytes.fromhex(ids("Patient", "+1555"))
    named, unnamed, plain = (
        link(Patch(type="A", native_id="1", patient="+1555", owner=owner), ids) for owner in (OWNER, "", None)
    )
    assert (named.patient, named.belongs_to(before)) == (UUID(OWNER).bytes, UUID(OWNER).bytes)
    assert (unnamed.belongs_to(None), unnamed.belongs_to(before)) == (number, before)
    assert (plain.belongs_to(None), plain.belongs_to(before)) == (number, number)
    nobody = link(Patch(type="A", native_id="1"), ids)
    assert (nobody.belongs_to(None), nobody.belongs_to(before)) == (None, before)
