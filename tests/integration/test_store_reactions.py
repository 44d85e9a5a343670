"""Statements about reactors go over groups of any size."""

from __future__ import annotations

from gateway.store import joining, reactions
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


def test_groups_with_a_record_in_common_are_settled_together(parts: Parts) -> None:
    """What is unread of one group's patient leaves the other unsettled, until the record that joins them is out."""
    parts.take(message(patient("p1", "Adams")))
    known, person = parts.record("Patient", "p1"), b"h" * 16
    first, second = b"a" * 16, b"b" * 16
    row = {"tenant": TENANT, "reactor": "r", "turn": 0, "due_at": 9, "derived_at": 0, "told": b"", "key_id": 1}
    rows = [row | {"group_id": one, "wrapped": b"", "box": b""} for one in (first, second)]
    links = [(first, person), (second, person)]

    def unsettled() -> bool:
        return parts.store.read_sync(lambda c: reactions.unsettled(c, TENANT, "r", first, 0, None))

    parts.store.write_sync(lambda c: reactions.register(c, TENANT, "r", b"1"))
    parts.store.write_sync(lambda c: reactions.add_groups(c, rows))
    parts.store.write_sync(lambda c: reactions.regroup(c, TENANT, "r", [(second, known)], ()))
    assert not unsettled()
    parts.store.write_sync(lambda c: joining.rejoin(c, TENANT, "r", links, ()))
    together = parts.store.read_sync(lambda c: joining.joined(c, TENANT, "r", [first, second]))
    assert (together, unsettled()) == ({first: {second}, second: {first}}, True)
    parts.store.write_sync(lambda c: joining.rejoin(c, TENANT, "r", (), links[1:]))
    assert parts.store.read_sync(lambda c: joining.joined(c, TENANT, "r", [first, second])) == {}
    assert not unsettled()
