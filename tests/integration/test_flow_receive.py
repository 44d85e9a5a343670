"""Receive: nobody hears of a receipt before the bytes are synced, and a repeat hears the first one."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import func, select, text

from gateway.errors import Backpressure, LimitExceeded, StoreUnavailable
from gateway.flow.handoff import Arrived
from gateway.model.exchange import Item, Receipt
from gateway.store import messages
from gateway.store.schema import contexts
from gateway.store.schema import messages as message_table
from tests.integration.parts import TENANT, Parts, Place, findings, message, patient
from tests.waiting import PATIENCE


def stored(parts: Parts) -> list[Any]:
    """Every message row, in order."""
    query = select(message_table).where(message_table.c.tenant == TENANT).order_by(message_table.c.message_id)
    return list(parts.store.read_sync(lambda connection: connection.execute(query).fetchall()))


def receipt(answer: Receipt | Exception) -> Receipt:
    """The answer, which must be a receipt."""
    assert isinstance(answer, Receipt), answer
    return answer


BIG = "x" * 300_000
"""More than the pages hold that a broken store has left."""


def break_store(parts: Parts) -> None:
    """Let the next unit meet a full disk, or a server that hung up."""
    store = parts.store
    if store.dialect == "postgresql":
        writer = store.write_sync(lambda c: c.execute(text("select pg_backend_pid()")).scalar_one())
        store.read_sync(lambda c: c.execute(text("select pg_terminate_backend(:pid, 5000)"), {"pid": writer}))
        return
    store.write_sync(lambda c: c.exec_driver_sql("PRAGMA max_page_count = 1"))


def test_a_receipt_means_stored(parts: Parts) -> None:
    """When a receipt is there, another connection sees the message's row, its inbox row and its sealed bytes."""
    item = message(patient("p1", "Quartermaine"), control="A1")

    async def run() -> None:
        receiver = parts.receiver()
        heard = asyncio.get_running_loop().create_future()

        def done(answer: Receipt | Exception) -> None:
            heard.set_result((receipt(answer), stored(parts)))

        receiver.submit(item, done)
        first, rows = await asyncio.wait_for(heard, PATIENCE)
        assert [row.message_id for row in rows] == [first.message_id]
        assert rows[0].control_id == "A1"
        assert rows[0].answer == "AA"
        assert item.body not in bytes(rows[0].box)

    asyncio.run(run())
    assert parts.store.read_sync(lambda c: messages.pending_count(c, TENANT)) == 1


def test_a_repeat_gets_the_first_answer(parts: Parts) -> None:
    """The same control id with the same bytes is stored once, even within one unit, and after a restart."""
    item = message(patient("p1", "A"), control="A1")
    answers = [receipt(answer) for answer in asyncio.run(parts.submit(item, item))]
    answers += asyncio.run(parts.accept(item))
    again = parts.reopen()
    try:
        answers += asyncio.run(again.accept(item))
        assert [answer.message_id for answer in answers] == [answers[0].message_id] * 4
        assert [answer.repeat for answer in answers] == [False, True, True, True]
        rows = stored(again)
        assert [row.repeat_of for row in rows] == [None, *[answers[0].message_id] * 3]
        assert [row.box is None for row in rows] == [False, True, True, True]
        assert again.ledger().problems == []
        assert again.ledger().suppressed == {"repeat": 3}
    finally:
        again.close()


def test_what_a_look_finds_again_leaves_no_row(parts: Parts) -> None:
    """A poll whose overlap shows known rows moves its cursor and stores nothing: rest costs no space for ever."""
    old, new = message(patient("p1", "A"), control="A1"), message(patient("p2", "B"), control="A2")

    async def looks() -> list[list[bool]]:
        receiver = parts.receiver()
        return [
            [one.repeat for one in await receiver.accept(items, stream="patients", cursor=cursor)]
            for cursor, items in (("1", [old]), ("2", [old, new]), ("3", [old, new, old]))
        ]

    assert asyncio.run(looks()) == [[False], [True, False], [True, True, True]]
    assert [row.control_id for row in stored(parts)] == ["A1", "A2"]
    assert asyncio.run(parts.receiver().cursor("patients")) == "3"
    assert parts.ledger().problems == []
    assert parts.ledger().suppressed == {}


def test_same_control_id_with_other_bytes_keeps_both(parts: Parts) -> None:
    """A control id used twice for different bytes is flagged; both are kept, and each one's repeat finds its own."""
    first, second = message(patient("p1", "A"), control="A1"), message(patient("p1", "B"), control="A1")
    one, two, three, four = asyncio.run(parts.accept(first, second, second, first))
    assert (one.repeat, one.conflict) == (False, False)
    assert (two.repeat, two.conflict) == (False, True)
    assert (three.message_id, three.repeat) == (two.message_id, True)
    assert (four.message_id, four.repeat) == (one.message_id, True)
    assert sum(row.box is not None for row in stored(parts)) == 2


def test_a_source_is_not_another_source(parts: Parts) -> None:
    """Control ids are a source's own: the same bytes from another source are another message."""
    from tests.integration.parts import told

    parts.sources[TENANT, "second"] = told("second")
    item = message(patient("p1", "A"), control="A1")
    first = asyncio.run(parts.accept(item))[0]
    second = asyncio.run(parts.receiver("second").accept([item]))[0]
    assert not second.repeat
    assert second.message_id != first.message_id


@pytest.mark.parametrize("control", ["x" * 900, "nul\x00inside", "\ud800lone", "tab\tand\nline", "\x85"])
def test_any_control_id_is_taken(parts: Parts, control: str) -> None:
    """A control id of any length and characters is stored, known again, and costs its neighbours nothing."""
    odd, other = message(patient("p1", "A"), control=control), message(patient("p2", "B"), control=control[:-1] + "y")
    one, two = asyncio.run(parts.accept(odd, other))
    assert one.message_id != two.message_id
    again, _ = asyncio.run(parts.accept(odd, other))
    assert (again.message_id, again.repeat, again.conflict) == (one.message_id, True, False)
    assert not two.conflict
    parts.settle()
    assert parts.ledger().problems == []


def test_cursor_and_evidence_are_in_the_same_commit(parts: Parts) -> None:
    """A page's messages, its unreadable parts and its cursor are stored together, or not at all."""

    async def run() -> None:
        receiver = parts.receiver()
        await receiver.accept(
            [message(patient("p1", "A"))], stream="patients", cursor="page 1", findings=list(findings("%%%"))
        )
        assert await receiver.cursor("patients") == "page 1"
        break_store(parts)
        with pytest.raises(StoreUnavailable):
            await receiver.accept(
                [message(patient("p2", BIG))], stream="patients", cursor="page 2", findings=list(findings("&&&"))
            )
        assert await receiver.cursor("patients") == "page 1"
        assert await receiver.cursor("appointments") is None

    asyncio.run(run())
    assert len(stored(parts)) == 2
    ledger = parts.ledger()
    assert ledger.problems == []
    assert ledger.quarantined == {"not-a-message": 1}


def test_nothing_is_receipted_when_the_commit_fails(parts: Parts) -> None:
    """Every sender of a failed commit hears the failure, nothing is stored or normalized, and the next try works."""
    items = [message(patient(f"p{number}", BIG[:20_000])) for number in range(20)]
    parts.settle()

    async def run() -> None:
        break_store(parts)
        answers = await parts.submit(*items)
        assert all(isinstance(answer, StoreUnavailable) for answer in answers)
        assert stored(parts) == []
        assert not parts.normalizer.step(TENANT)
        answers = await parts.submit(*items)
        assert all(isinstance(answer, Receipt) and not answer.repeat for answer in answers)

    asyncio.run(run())
    parts.settle()
    assert parts.ledger().normalized == 20
    assert parts.ledger().problems == []


def test_senders_hear_when_nothing_can_be_prepared(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure before the unit of work, such as keys or ids that are not to be had, is told to each sender."""

    def unavailable() -> int:
        raise StoreUnavailable("no ids")

    async def run() -> None:
        with monkeypatch.context() as patched:
            patched.setattr(parts.store, "next_id", unavailable)
            answers = await parts.submit(message(patient("p1", "A")), message(patient("p2", "B")))
        assert [type(answer) for answer in answers] == [StoreUnavailable, StoreUnavailable]
        assert receipt((await parts.submit(message(patient("p1", "A"))))[0])

    asyncio.run(run())


def test_refused_bytes_are_kept_as_evidence(parts: Parts) -> None:
    """Bytes answered with AR are stored sealed, counted as refused and not as accepted, and never normalized."""

    async def run() -> None:
        heard = asyncio.get_running_loop().create_future()
        parts.receiver().refuse(b"MSH|garbage", "AR", "no-control-id", "MSH-10", heard.set_result)
        assert await asyncio.wait_for(heard, PATIENCE) is None

    asyncio.run(run())
    (row,) = stored(parts)
    assert (row.answer, row.reason, row.place) == ("AR", "no-control-id", "MSH-10")
    assert b"garbage" not in bytes(row.box)
    ledger = parts.ledger()
    assert (ledger.accepted, ledger.refused, ledger.problems) == (0, 1, [])
    assert parts.outcomes(row.message_id) == [("refused", "no-control-id")]


def test_refusing_tells_when_the_evidence_is_not_stored(parts: Parts) -> None:
    """When evidence cannot be stored, the transport hears it and gives no answer."""

    async def run() -> None:
        heard = asyncio.get_running_loop().create_future()
        break_store(parts)
        parts.receiver().refuse(BIG.encode(), "AR", "no-control-id", "MSH-10", heard.set_result)
        assert isinstance(await asyncio.wait_for(heard, PATIENCE), StoreUnavailable)

    asyncio.run(run())
    assert stored(parts) == []


def test_a_context_is_sealed_once_per_commit(parts: Parts) -> None:
    """The envelope that the messages of one step share is one row, and normalize reads it from there."""
    envelope = b"ISA*00*"
    items = [message(patient(f"p{n}", "A"), told={"fault": "needs-context"}, context=envelope) for n in range(5)]
    first = asyncio.run(parts.accept(*items))
    rows = stored(parts)
    assert len({row.context_id for row in rows}) == 1
    assert parts.store.read_sync(lambda c: c.execute(select(func.count()).select_from(contexts)).scalar_one()) == 1
    again = parts.reopen()
    try:
        again.settle()
        assert [again.outcomes(one.message_id) for one in first] == [[("normalized", "")]] * 5
        assert again.ledger().problems == []
    finally:
        again.close()


def test_a_message_over_the_limit_is_refused(parts: Parts) -> None:
    """More bytes than the limit are refused before anything is stored."""

    async def run() -> None:
        heard = asyncio.get_running_loop().create_future()
        parts.receiver(most_bytes=100).submit(message(patient("p1", "A" * 200)), heard.set_result)
        refusal = await heard
        assert isinstance(refusal, LimitExceeded)
        assert "AAAA" not in str(refusal)

    asyncio.run(run())
    assert stored(parts) == []


def test_too_much_unsettled_work_pushes_back(place: Place) -> None:
    """When more messages wait than may, senders are told to wait, until some were normalized."""
    parts = place.open(most_unsettled=10)
    try:
        asyncio.run(parts.accept(*(message(patient(f"p{number}", "A")) for number in range(10))))
        answers = asyncio.run(parts.submit(message(patient("p11", "A"))))
        assert isinstance(answers[0], Backpressure)
        parts.settle()
        assert receipt(asyncio.run(parts.submit(message(patient("p11", "A"))))[0])
    finally:
        parts.close()


def offered(parts: Parts) -> list[Arrived]:
    """What normalize finds in memory."""
    return parts.handoff.take(TENANT, 10_000)


def test_memory_keeps_the_order_of_commits(parts: Parts) -> None:
    """Messages from a listener and from a poller of one source are offered in the order in which they were stored."""
    parts.settle()
    assert parts.handoff.is_live(TENANT)

    async def run() -> None:
        receiver = parts.receiver()
        number = 0

        def some(count: int) -> list[Item]:
            nonlocal number
            number += count
            return [message(patient("p1", f"V{at}")) for at in range(number - count, number)]

        pages = []
        for _ in range(20):
            pages.append(asyncio.ensure_future(receiver.accept(some(3))))
            await asyncio.sleep(0)
            for item in some(2):
                receiver.submit(item, lambda answer: None)
            await asyncio.sleep(0)
        await asyncio.gather(*pages)
        await parts.submit(*some(1))

    asyncio.run(run())
    arrived = [one.message_id for one in offered(parts)]
    assert len(arrived) == 101
    assert arrived == sorted(arrived)


def test_a_cancelled_poller_leaves_nothing_behind_in_memory(parts: Parts) -> None:
    """A page whose task is cancelled is stored and offered, or neither; later messages do not overtake it."""
    parts.settle()

    async def run() -> None:
        receiver = parts.receiver()
        for number in range(30):
            page = asyncio.ensure_future(receiver.accept([message(patient("p1", f"V{number}"))]))
            await asyncio.sleep(0.0004 * (number % 5))
            page.cancel()
        await parts.submit(message(patient("p1", "last")))

    asyncio.run(run())
    assert [one.message_id for one in offered(parts)] == [row.message_id for row in stored(parts)]
