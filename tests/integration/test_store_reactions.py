"""Statements about reactors go over groups of any size."""

from __future__ import annotations

import pytest

from gateway.store import joining, reactions
from gateway.store.schema import LANES
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


def test_other_types_are_passed_by_in_long_steps(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """One look passes many changes that nobody wants, few that somebody does, and none twice."""
    parts.take(*(message(patient("p1", f"A{number}")) for number in range(8)), message(patient("p2", "B")))
    monkeypatch.setattr(reactions, "READ_PER_LANE", 4)
    zero = dict.fromkeys(range(LANES), 0)

    def look(cursors: dict[int, int], types: set[str], most: int) -> tuple[int, dict[int, int]]:
        rows, moved = parts.store.read_sync(lambda c: reactions.read_on(c, TENANT, cursors, types, most))
        return len(rows), moved

    assert sum(look(zero, {"Claim"}, 2)[1].values()) == 8  # 1, 2 and 4 of the long lane, 1 of the short one
    found, moved = look(zero, {"Patient"}, 2)
    assert (found, sum(moved.values())) == (1, 2)  # an older version is passed by, the newest is told
    found, moved = look(zero | moved, {"Patient"}, 100)
    assert (found, sum(moved.values())) == (1, 8)
