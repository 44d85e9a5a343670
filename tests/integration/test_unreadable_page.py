"""One page of the embedded file cannot be read: whose rows stand on it wait in quarantine, everybody else goes on.

The page is damaged on the disk, so the engine refuses it as it refuses one that the disk does not give back;
tests/faults/test_unreadable.py has the disk itself refuse, under a real process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select

from gateway.errors import PageUnreadable
from gateway.flow.quarantine import release_delivery, wait_again
from gateway.flow.react import settle
from gateway.store import deliveries, journal, messages
from gateway.store.schema import LANES, blocks, changes
from gateway.store.unreadable import read_apart
from tests.integration.counting import Counting
from tests.integration.parts import TENANT, Parts, Place, Written, appointment, deliver_all, merged, message, patient
from tests.pages import PAGE, damage, leaves, page_with

EVERYBODY = [f"p{number}" for number in range(24)]
"""So many that their rows fill a few pages."""
ONE = "p17"
LAST = 3
"""The newest version of anybody."""
LONG = "A" * 300
"""A family name, so that few rows fill a page."""


class Sick:
    """A gateway whose file has one page that cannot be read, until it is mended."""

    def __init__(self, folder: Path) -> None:
        self.place = Place(folder, "embedded")
        self.path = folder / "data" / "gateway.db"
        self.offset = 0
        self.parts = self.place.open()

    def sicken(self, *marks: bytes) -> bytes:
        """From the next start on the page with these bytes cannot be read; what stands on it."""
        key = self.parts.keystore.database_key()
        self.parts.close()
        self.offset = page_with(self.path, key, *marks)
        content = dict(leaves(self.path, key))[self.offset]
        damage(self.path, self.offset)
        self.parts = self.place.open()
        return content

    def mend(self) -> Parts:
        """As if the page had been restored."""
        self.parts.close()
        damage(self.path, self.offset)
        self.parts = self.place.open()
        return self.parts


def created(parts: Parts, name: str, kind: str = "Patient") -> bytes:
    """What stands in the row of the first change of a patient, or of another record of the same native id."""
    return b"created" + parts.record(kind, name) + kind.encode()


def seen(sink: Written, parts: Parts) -> set[str]:
    """Who was sent."""
    by_id = {parts.record("Patient", name): name for name in EVERYBODY}
    return {by_id[bytes.fromhex(one.record_id.replace("-", ""))] for one in sink.effects}


@pytest.fixture
def sick(tmp_path: Path) -> Sick:
    """A gateway that has taken everybody's messages."""
    made = Sick(tmp_path)
    made.parts.take(*(message(patient(name, LONG), control=name) for name in EVERYBODY))
    return made


def release_all(parts: Parts, route: str = "desk") -> None:
    """What a person does with what waits in quarantine, once the page is back."""
    held = parts.store.read_sync(lambda c: deliveries.quarantined(c, TENANT, route))
    for row in held:
        parts.store.write_sync(release_delivery(TENANT, f"d{route}/{row.lane}/{row.position}"))


def test_a_route_goes_on_beside_a_page_of_the_journal(sick: Sick) -> None:
    """Who stands on the page waits, with later changes too; the others are sent; released, all is sent once."""
    sick.parts.take(*(message(patient(name, LONG + "B"), control=f"{name}-2") for name in EVERYBODY))
    content = sick.sicken(created(sick.parts, ONE))
    parts, sink = sick.parts, Written()
    waiting = {name for name in EVERYBODY if created(parts, name) in content}
    deliver_all(parts.delivering(sink))
    assert 1 <= len(waiting) < len(EVERYBODY) // 2
    assert seen(sink, parts) == set(EVERYBODY) - waiting
    other = next(name for name in EVERYBODY if name not in waiting)
    parts.take(message(patient(other, "C"), control="last"))
    deliver_all(parts.delivering(sink))
    assert max(one.version for one in sink.effects) == LAST
    with pytest.raises(PageUnreadable):
        parts.ledger()
    parts = sick.mend()
    assert parts.ledger().routes[0].quarantined == {"damaged": len(waiting)}
    release_all(parts)
    deliver_all(parts.delivering(sink))
    assert sorted(len(one) for one in sink.by_order().values()) == [2] * (len(EVERYBODY) - 1) + [LAST]
    assert all(one == sorted(one) for one in sink.by_order().values())
    assert len({one.key for one in sink.effects}) == len(sink.effects)
    assert parts.ledger().problems == []


def test_a_claim_is_finished_beside_a_page_of_the_journal(sick: Sick) -> None:
    """What was claimed before the page went is sent, but for who stands on it, and what follows of them."""
    parts = sick.parts
    parts.take(*(message(patient(name, "B"), control=f"{name}-2") for name in EVERYBODY))
    heads = parts.store.read_sync(lambda c: journal.heads(c, TENANT))
    items = [(lane, position, 0) for lane, head in heads.items() for position in range(1, head + 1)]
    parts.store.write_sync(lambda c: deliveries.register(c, TENANT, "desk", "{}", 1, now=True))
    parts.store.write_sync(lambda c: deliveries.claim(c, TENANT, "desk", 7, items, 1))
    content = sick.sicken(created(parts, ONE))
    waiting = {name for name in EVERYBODY if created(sick.parts, name) in content}
    sink = Written()
    asyncio.run(sick.parts.delivering(sink).recover())
    assert seen(sink, sick.parts) == set(EVERYBODY) - waiting


def test_nobody_passes_a_barrier_that_cannot_be_read(tmp_path: Path) -> None:
    """Where nobody can tell whose change it is, because it may be a merge, the route waits and says why."""
    sick = Sick(tmp_path)
    sick.parts.take(message(patient("a", "A")), message(patient("b", "B")))
    sick.parts.take(message(merged("a", "b")))
    sick.sicken(b"barrier" + sick.parts.record("Patient", "a"))
    sink = Written()
    with pytest.raises(PageUnreadable, match="verify ledger"):
        deliver_all(sick.parts.delivering(sink))
    assert sink.dispatches == []


def test_messages_are_normalized_beside_a_page_of_theirs(tmp_path: Path) -> None:
    """After a start, what waits and cannot be read is quarantined with reason and key, the rest is normalized."""
    sick = Sick(tmp_path)
    items = [message(patient(name, LONG), control=f"control-{name}.") for name in EVERYBODY]
    asyncio.run(sick.parts.accept(*items))
    content = sick.sicken(f"control-{ONE}.".encode())
    parts = sick.parts
    waiting = {name for name in EVERYBODY if f"control-{name}.".encode() in content}
    parts.settle()
    assert {name for name in EVERYBODY if parts.history("Patient", name)} == set(EVERYBODY) - waiting
    parts = sick.mend()
    assert parts.ledger().quarantined == {"damaged": len(waiting)}
    held = parts.store.read_sync(lambda c: messages.latest(c, TENANT, outcome="quarantined"))

    def release(connection: object) -> None:
        for row in held:
            last = messages.outcomes_of(connection, TENANT, row.message_id)[-1]  # type: ignore[arg-type] # a unit's
            wait_again(connection, TENANT, messages.one(connection, TENANT, row.message_id), last)  # type: ignore[arg-type] # a unit's

    parts.store.write_sync(release)
    parts.settle()
    assert all(parts.history("Patient", name) == ["created"] for name in EVERYBODY)
    assert parts.ledger().problems == []


def test_new_messages_are_normalized_beside_a_page_of_records(sick: Sick) -> None:
    """A message for a record that cannot be read waits, and nobody's that came with it does."""
    content = sick.sicken(created(sick.parts, ONE))
    parts = sick.parts
    waiting = {name for name in EVERYBODY if created(parts, name) in content}
    parts.take(*(message(patient(name, "B"), control=f"{name}-2") for name in EVERYBODY))
    parts = sick.mend()
    assert {name for name in EVERYBODY if len(parts.history("Patient", name)) == 1} == waiting
    assert parts.ledger().quarantined == {"record-damaged": len(waiting)}
    assert parts.ledger().problems == []


def test_reactors_go_on_beside_a_page_of_the_journal(sick: Sick) -> None:
    """A reactor derives what follows for everybody else."""
    sick.parts.take(*(message(appointment(name, name, reason=LONG)) for name in EVERYBODY))
    content = sick.sicken(created(sick.parts, ONE, "Appointment"))
    parts = sick.parts
    waiting = {name for name in EVERYBODY if created(parts, name, "Appointment") in content}
    deriver = parts.reacting(Counting())
    while settle([deriver]):
        parts.settle()
    derived = parts.store.read_sync(lambda c: journal.recent_records(c, TENANT, "Task", None, None))
    ids = {parts.record("Patient", name): name for name in EVERYBODY}
    assert {ids[bytes(row.patient)] for row in derived} == set(EVERYBODY) - waiting


def test_a_page_that_cannot_be_read_costs_no_connection(sick: Sick) -> None:
    """However often it is asked for, every other question is answered, and the writer goes on for everybody else."""
    sick.sicken(created(sick.parts, ONE))
    store = sick.parts.store
    wrong = select(changes.c.box)

    async def both() -> list[object]:
        units: list[Callable[[object], object]] = [
            lambda c: c.execute(wrong).fetchall(),  # type: ignore[attr-defined] # a unit's connection
            lambda c: c.execute(blocks.insert().values(name="beside", next=1)),  # type: ignore[attr-defined] # the same
        ]
        return await asyncio.gather(*(store.write(unit) for unit in units), return_exceptions=True)  # type: ignore[arg-type] # the same

    for _ in range(6):
        with pytest.raises(PageUnreadable):
            store.read_sync(lambda c: c.execute(wrong).fetchall())
        assert store.read_sync(lambda c: journal.heads(c, TENANT))
    told, done = asyncio.run(both())
    assert isinstance(told, PageUnreadable)
    assert not isinstance(done, BaseException)
    assert store.healthy
    assert (
        store.read_sync(lambda c: c.execute(select(blocks.c.next).where(blocks.c.name == "beside")).scalar_one()) == 1
    )


def test_a_disk_that_gives_nothing_back_quarantines_nobody(sick: Sick) -> None:
    """Where nothing else can be read either, it is the store that is away: everything waits."""
    store = sick.parts.reopen().store
    places = [(lane, 1) for lane in range(LANES)]
    for offset in range(PAGE, sick.path.stat().st_size, PAGE):
        damage(sick.path, offset)
    with pytest.raises(PageUnreadable):
        read_apart(store, lambda c, some: journal.at_places(c, TENANT, some), places)
