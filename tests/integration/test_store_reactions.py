"""Statements about reactors go over groups of any size."""

from __future__ import annotations

from gateway.store import reactions
from tests.integration.parts import TENANT, Parts, message, patient

MANY = [number.to_bytes(16, "big") for number in range(70_000)]
"""More than either database takes in one statement."""


def test_a_group_of_very_many_records_is_read_like_a_small_one(parts: Parts) -> None:
    """Newest versions, makers, removals and the look whether a group is settled have no limit of records."""
    parts.take(message(patient("p1", "Adams")))
    known = parts.record("Patient", "p1")
    pairs = [(known, record) for record in [*MANY, known]]
    assert list(parts.store.read_sync(lambda c: reactions.newest(c, TENANT, [*MANY, known]))) == [known]
    parts.store.write_sync(lambda c: reactions.set_makers(c, TENANT, "r", {known: known}, MANY))
    assert parts.store.read_sync(lambda c: reactions.makers(c, TENANT, "r", [*MANY, known])) == {known: known}
    parts.store.write_sync(lambda c: reactions.register(c, TENANT, "r", b"1"))
    parts.store.write_sync(lambda c: reactions.regroup(c, TENANT, "r", pairs, ()))
    assert parts.store.read_sync(lambda c: reactions.unsettled(c, TENANT, "r", known, 0, None))
