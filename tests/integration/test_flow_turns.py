"""What happens now is normalized before the history that waits, whoever brought it, and never before its own elders."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

from gateway.flow.taking import BATCH
from gateway.model.exchange import Item, Receipt
from gateway.store import messages
from gateway.transport.history import bringing_history
from tests.integration.parts import TENANT, Parts, appointment, message, patient, told
from tests.waiting import PATIENCE

PATIENTS = 150


def history(parts: Parts, count: int) -> Sequence[Receipt]:
    """Store a back-fill of the source ``told``: the first states of its appointments, by all of its patients."""
    items = [
        message(appointment(f"a{number}", f"p{number % PATIENTS}", reason="then"), control=f"then-{number}")
        for number in range(count)
    ]
    receipts: list[Receipt] = []
    with bringing_history():
        for at in range(0, count, 500):
            receipts += asyncio.run(parts.accept(*items[at : at + 500]))
    return receipts


def now(parts: Parts, source: str, item: Item) -> Receipt:
    """Store what happens now at a source."""
    parts.sources.setdefault((TENANT, source), told(source))
    [receipt] = asyncio.run(parts.receiver(source).accept([item]))
    return receipt


def waits(parts: Parts) -> int:
    """How many messages are not normalized."""
    return parts.store.read_sync(lambda connection: messages.pending_count(connection, TENANT))


def test_a_live_message_overtakes_the_history_of_another_source(parts: Parts) -> None:
    """While 20,000 messages of one clinic wait, another's is in the next batch: in memory, from the store too."""
    count = 20_000
    history(parts, count)
    assert parts.normalizer.step(TENANT) == BATCH
    for turn, behind in enumerate((False, True, False)):
        if behind:
            parts.handoff.fall_behind(TENANT)
        live = now(parts, f"other-{turn}", message(patient("p", "Now"), control=f"now-{turn}"))
        parts.normalizer.step(TENANT)
        assert parts.outcomes(live.message_id) == [("normalized", "")]
    assert waits(parts) == count + 3 - 4 * BATCH


def test_a_live_message_overtakes_its_own_sources_history(parts: Parts, scale: Callable[[int], int]) -> None:
    """What happens now to one appointment waits for what was stored of it before, and not for all of the history."""
    count = scale(3_000)
    stored = history(parts, count)
    live = now(parts, "told", message(appointment("a7", "p7", reason="now"), control="now"))
    elder = stored[7].message_id
    steps = 0
    while not parts.outcomes(live.message_id):
        assert parts.normalizer.step(TENANT)
        steps += 1
    assert parts.outcomes(elder) == [("normalized", "")]
    assert waits(parts) >= count + 1 - steps * BATCH
    assert steps <= 1 + count // 16 // BATCH, "a sixteenth, where the lane holds a sixty-fourth on the average"
    parts.settle()
    assert parts.history("Appointment", "a7") == ["created", "updated"]


def test_a_start_after_a_crash_leaves_live_messages_in_front(parts: Parts) -> None:
    """What waited when the process was killed is tried in named batches, and what happens now is among the first."""
    count = 3 * BATCH
    parts.normalizer.start()  # leaves the mark of a run
    parts.normalizer._stopping.set()
    parts.handoff.arrived.set()
    parts.normalizer._thread.join(PATIENCE)
    history(parts, count)
    parts.handoff.fall_behind(TENANT)
    after = parts.normalizing()
    after._trials.begin(TENANT)
    live = now(parts, "other", message(patient("p", "Now")))
    assert after.step(TENANT) == BATCH
    assert parts.outcomes(live.message_id) == [("normalized", "")]
    while after.step(TENANT):
        pass
    assert (parts.ledger().normalized, parts.ledger().pending) == (count + 1, 0)


def test_a_polls_page_waits_for_room(parts: Parts) -> None:
    """A page that comes while too many messages wait is stored once there is room, and is not asked for again."""
    parts = replace(parts, most_unsettled=5)
    asyncio.run(parts.accept(*(message(patient(f"p{number}", "A")) for number in range(5))))

    async def page() -> Sequence[Receipt]:
        waiting = asyncio.create_task(parts.accept(message(patient("late", "B")), stream="people", cursor="2"))
        await asyncio.sleep(0)
        assert not waiting.done()
        await asyncio.to_thread(parts.settle)
        return await asyncio.wait_for(waiting, PATIENCE)

    [receipt] = asyncio.run(page())
    parts.settle()
    assert parts.outcomes(receipt.message_id) == [("normalized", "")]


def test_history_leaves_room_to_what_happens_now(parts: Parts) -> None:
    """A page of history waits where half of the room is used; what happens now is stored meanwhile."""
    parts = replace(parts, most_unsettled=6)
    asyncio.run(parts.accept(*(message(patient(f"p{number}", "A")) for number in range(3))))

    async def pages() -> Sequence[Receipt]:
        with bringing_history():
            old = asyncio.create_task(parts.accept(message(patient("old", "B")), stream="years", cursor="2"))
        new = await asyncio.wait_for(parts.accept(message(patient("new", "C")), stream="people", cursor="3"), PATIENCE)
        assert not old.done()
        await asyncio.to_thread(parts.settle)
        return [*new, *await asyncio.wait_for(old, PATIENCE)]

    assert len(asyncio.run(pages())) == 2
