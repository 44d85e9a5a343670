"""The oracle is not blind: each invariant is breached on purpose, and it says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace as altered
from sqlalchemy import delete, update

from gateway.store import schema
from gateway.store.schema_audit import audit_rows
from tests.faults.oracle import World, breaches
from tests.integration.parts import Parts, Place, Written, appointment, deliver_all, message, patient

PLANTED = b"Quaggaworth"


def _lived(folder: Path) -> tuple[Parts, World]:
    """A gateway that has stored, normalized and delivered."""
    parts = Place(folder, "embedded").open()
    sink = Written()
    items = [
        message(patient("p1", PLANTED.decode()), appointment("a1", "p1"), control="c1"),
        message(patient("p1", "Cole"), control="c2"), message(patient("p2", "Dole"), control="c3"),
    ]  # fmt: skip
    parts.take(*items)
    deliver_all(parts.delivering(sink))
    return parts, World({"c1", "c2", "c3"}, {"desk": sink}, (PLANTED,))


def _lose(parts: Parts, world: World) -> None:
    gone = delete(schema.messages).where(schema.messages.c.control_id == "c2")
    parts.store.write_sync(lambda connection: connection.execute(gone))


def _pass_over(parts: Parts, world: World) -> None:
    parts.store.write_sync(lambda connection: connection.execute(delete(schema.deliveries)))


def _invent(parts: Parts, world: World) -> None:
    parts.store.write_sync(lambda connection: connection.execute(delete(schema.changes)))


def _change_a_body(parts: Parts, world: World) -> None:
    dispatches = world.sinks["desk"].dispatches
    again = altered(dispatches[0].deliveries[0], body=b"{}")
    dispatches.append(altered(dispatches[0], deliveries=(again,)))


def _change_a_key(parts: Parts, world: World) -> None:
    dispatches = world.sinks["desk"].dispatches
    again = altered(dispatches[0].deliveries[0], key="00" * 16)
    dispatches.append(altered(dispatches[0], deliveries=(again,)))


def _overtake(parts: Parts, world: World) -> None:
    world.sinks["desk"].effects.reverse()


def _pretend(parts: Parts, world: World) -> None:
    world.sinks["desk"].effects.pop()


def _conceal(parts: Parts, world: World) -> None:
    parts.store.write_sync(lambda connection: connection.execute(update(schema.deliveries).values(recipient="")))


def _forge(parts: Parts, world: World) -> None:
    parts.sequence()
    forged = update(audit_rows).where(audit_rows.c.seq == 1).values(body=b"{}")
    parts.store.write_sync(lambda connection: connection.execute(forged))


def _leak(parts: Parts, world: World) -> None:
    (parts.place.folder / "leaked.tmp").write_bytes(b"name=" + PLANTED)


@pytest.mark.parametrize(
    ("breach", "name"),
    [
        (_lose, "I1"), (_pass_over, "I2"), (_invent, "I3"), (_change_a_body, "I4"), (_change_a_key, "I4"),
        (_overtake, "I5"), (_pretend, "I6"), (_conceal, "I6"), (_forge, "I6"), (_leak, "I8"),
    ],
)  # fmt: skip
def test_each_invariant_sees_its_breach(tmp_path: Path, breach: Callable[[Parts, World], None], name: str) -> None:
    """Nothing is said of a gateway in order, and a breach of an invariant is named as such."""
    parts, world = _lived(tmp_path)
    try:
        assert breaches(parts, world) == []
        breach(parts, world)
        assert name in {line.partition(" ")[0] for line in breaches(parts, world)}
    finally:
        parts.close()
