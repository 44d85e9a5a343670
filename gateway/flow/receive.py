"""Receive: store what arrived, sealed and synced, before anybody is told that it was received.

Theory of operation. Messages handed in during one turn of the event loop, and while earlier ones are being committed,
become one unit of work: repeats are looked up, rows and one audit entry inserted. Only when that unit's commit was
synced are the receipts given out, and the messages, still in memory, offered to the normalizer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

import msgspec
from sqlalchemy import Connection

from gateway.audit import AuditLog
from gateway.errors import Backpressure, GatewayError, LimitExceeded, StoreUnavailable
from gateway.flow.clock import micros
from gateway.flow.evidence import EvidenceRoom, outcome_row
from gateway.flow.fate import awaited
from gateway.flow.handoff import Arrived, Handoff
from gateway.flow.lanes import intake_lane
from gateway.flow.places import context_place, message_place
from gateway.flow.source import Origin
from gateway.flow.words import REPEAT, stored_word
from gateway.model.exchange import Fate, Finding, Item, Receipt
from gateway.store import messages
from gateway.store.opening import Store
from gateway.transport.history import brings_history
from gateway.vault import Vault

Done = Callable[[Receipt | Exception], None]
IN_FLIGHT = 2
"""Units of one source on their way to the writer at a time: one being committed, one being gathered behind it."""
MOST_PER_UNIT = 512
ROOM_SECONDS = 300.0
"""Longest wait of a poll's page for room among what is to be normalized; then the stream fails and begins it anew."""


Contexts = dict[bytes, tuple[int, dict[str, Any]]]
"""By the bytes of an envelope: its number, and its row."""


def _at_once(function: Callable[..., object], *arguments: object) -> None:
    function(*arguments)


class Prepared(msgspec.Struct, frozen=True, gc=False):
    """A message with all that can be made of it before its transaction."""

    item: Item
    control_id: str
    message_id: int
    digest: bytes
    lane: int
    received_at: int
    context_id: int | None
    key_id: int
    wrapped: bytes
    box: bytes


class Receiver:
    """The :class:`~gateway.model.exchange.Intake` of one source."""

    def __init__(
        self,
        source: Origin,
        store: Store,
        vault: Vault,
        audit: AuditLog,
        handoff: Handoff,
        *,
        most_bytes: int,
        most_unsettled: int,
    ) -> None:
        self._source = source
        self._store = store
        self._vault = vault
        self._audit = audit
        self._handoff = handoff
        self._evidence = EvidenceRoom(source, store, vault, audit)
        self.most_bytes = most_bytes
        self._most_unsettled = most_unsettled
        self._gathered: list[tuple[Item, Done]] = []
        self._in_flight = 0
        self._scheduled = False

    def submit(self, item: Item, done: Done) -> None:
        """Store one message; ``done`` hears of it once it is synced."""
        if (refusal := self.refusal(item)) is not None:
            done(refusal)
            return
        self._gathered.append((item, done))
        self._schedule()

    async def accept(
        self, items: Sequence[Item], *, stream: str = "", cursor: str | None = None, findings: Sequence[Finding] = ()
    ) -> Sequence[Receipt]:
        """Store the messages of one page or file step in one commit, with its findings and the stream's new cursor.

        What a cursor's look finds again, in the overlap of two looks, is nothing new: it leaves no row. Such a page
        waits, within bounds, while too many messages wait to be normalized: refused, it would be asked for again.
        History leaves half of that room to what happens now.
        """
        if cursor is not None:
            await _room(self._handoff, max(1, self._most_unsettled // 2) if brings_history() else self._most_unsettled)
        evidence = [self._evidence.seal(found.body, "AA", found.reason, found.where, found.fix) for found in findings]

        def beside(connection: Connection) -> None:
            self._evidence.keep(connection, evidence, "quarantined")
            if cursor is not None:
                messages.set_cursor(connection, self._source.tenant, self._source.name, stream, cursor, micros())

        call = asyncio.get_running_loop().call_soon_threadsafe
        return await asyncio.wrap_future(self.hand_in(items, beside, call, repeats=cursor is None))

    def hand_in(
        self, items: Sequence[Item], beside: Callable[[Connection], None], call: Callable[..., object] = _at_once,
        *, repeats: bool = True,
    ) -> Future[list[Receipt]]:  # fmt: skip
        """Store messages and run ``beside`` in one commit, from any thread; the future resolves once it is synced.

        ``call`` runs what offers the messages to the normalizer: at once on the writer's thread, or on a loop of which
        the source's other messages are offered. ``repeats`` says whether a repeat is a message too.
        """
        for item in items:
            if (refusal := self.refusal(item)) is not None:
                raise refusal
        contexts, behind = self._seal_contexts(items), brings_history()
        prepared = [self._prepare(item, contexts, behind=behind) for item in items]

        def unit(connection: Connection) -> list[Receipt]:
            receipts = self._insert(connection, prepared, contexts, repeats=repeats)
            beside(connection)
            return receipts

        future = self._store.submit(unit)
        future.add_done_callback(lambda ended: call(self._offer_stored, ended, prepared))
        return future

    async def fate(self, receipt: Receipt) -> Fate:
        """What became of a stored message; told by this process's normalizer, or read where another one settles it."""
        return await awaited(self._store, self._handoff, self._source.tenant, receipt)

    async def cursor(self, stream: str) -> str | None:
        """The cursor that was committed last for this stream."""
        return await self._store.read(lambda c: messages.cursor(c, self._source.tenant, self._source.name, stream))

    def refuse(
        self, frame: bytes, answer: str, reason: str, where: str, done: Callable[[Exception | None], None]
    ) -> None:
        """Keep the evidence of bytes answered with AE or AR; it is never released."""
        try:
            evidence = self._evidence.seal(frame[: self.most_bytes], answer, reason, where)
        except GatewayError as error:
            done(error)
            return
        loop = asyncio.get_running_loop()
        future = self._store.submit(lambda connection: self._evidence.keep(connection, [evidence], "refused"))
        future.add_done_callback(lambda ended: loop.call_soon_threadsafe(done, _told(ended)))

    def refusal(self, item: Item) -> Exception | None:
        """Why this message cannot be stored now, if so: it is too large, or too many wait."""
        if len(item.body) > self.most_bytes:
            return LimitExceeded(
                "message-too-large",
                f"The message is longer than {self.most_bytes} bytes",
                fix="Raise limits.message_bytes if such messages are expected.",
            )
        if self._handoff.unsettled >= self._most_unsettled:
            return _crowded()
        return None

    def _schedule(self) -> None:
        if not self._scheduled and self._in_flight < IN_FLIGHT and self._gathered:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._scheduled = False
        gathered = self._gathered[:MOST_PER_UNIT]
        del self._gathered[:MOST_PER_UNIT]
        try:
            contexts = self._seal_contexts([item for item, _ in gathered])
            prepared = [self._prepare(item, contexts) for item, _ in gathered]
        except Exception as error:  # noqa: BLE001 - whatever it was, the senders must hear of it
            for _, done in gathered:
                done(error)
            self._schedule()
            return

        def unit(connection: Connection) -> list[Receipt]:
            return self._insert(connection, prepared, contexts)

        self._in_flight += 1
        loop = asyncio.get_running_loop()
        future = self._store.submit(unit)
        future.add_done_callback(lambda ended: loop.call_soon_threadsafe(self._committed, ended, gathered, prepared))
        self._schedule()

    def _committed(
        self, ended: Future[list[Receipt]], gathered: list[tuple[Item, Done]], prepared: list[Prepared]
    ) -> None:
        self._in_flight -= 1
        error = ended.exception()
        if error is None:
            receipts = ended.result()
            for (_, done), receipt in zip(gathered, receipts, strict=True):
                done(receipt)
            self._offer(prepared, receipts)
        else:
            failure = _told(ended)
            for _, done in gathered:
                if failure is not None:
                    done(failure)
        self._schedule()

    def _offer_stored(self, ended: Future[list[Receipt]], prepared: Sequence[Prepared]) -> None:
        """In the order of commits, even when nobody waits for the receipts any more."""
        if not ended.cancelled() and ended.exception() is None:
            self._offer(prepared, ended.result())

    def _offer(self, prepared: Sequence[Prepared], receipts: Sequence[Receipt]) -> None:
        name = self._source.name
        self._handoff.offer(
            self._source.tenant,
            [
                Arrived(
                    p.message_id, name, p.item.kind, p.lane, p.item.body, p.item.context, p.key_id, p.wrapped,
                    p.received_at,
                )
                for p, receipt in zip(prepared, receipts, strict=True)
                if not receipt.repeat
            ],
        )  # fmt: skip

    def _seal_contexts(self, items: Sequence[Item]) -> Contexts:
        sealed: Contexts = {}
        tenant = self._source.tenant
        for context in dict.fromkeys(item.context for item in items if item.context):
            context_id = self._store.next_id()
            box = self._vault.seal(
                self._vault.keystore.key(tenant, "tenant"), context_place(tenant, context_id), context
            )
            row = {
                "tenant": tenant, "context_id": context_id,
                "key_id": box.key_id, "wrapped": box.wrapped, "box": box.box,
            }  # fmt: skip
            sealed[context] = (context_id, row)
        return sealed

    def _prepare(self, item: Item, contexts: Contexts, *, behind: bool = False) -> Prepared:
        tenant = self._source.tenant
        message_id = self._store.next_id()
        sealed = self._vault.seal(self._vault.intake_key(tenant), message_place(tenant, message_id), item.body)
        context = contexts.get(item.context)
        return Prepared(
            item,
            stored_word(item.control_id, 200),
            message_id,
            self._vault.digest(tenant, item.body),
            intake_lane(self._source.name, item.order_key, behind=behind),
            micros(),
            None if context is None else context[0],
            sealed.key_id,
            sealed.wrapped,
            sealed.box,
        )

    def _insert(
        self, connection: Connection, prepared: Sequence[Prepared], contexts: Contexts, *, repeats: bool = True
    ) -> list[Receipt]:
        """Tell repeats and conflicts from new messages, and insert rows and the audit entry for what is stored."""
        tenant, source = self._source.tenant, self._source.name
        known: dict[str, dict[bytes, int]] = {}
        found = messages.same_control(connection, tenant, source, {p.control_id for p in prepared})
        for row in found:
            known.setdefault(row.control_id, {}).setdefault(bytes(row.digest), row.repeat_of or row.message_id)
        receipts, rows, waiting, again = [], [], [], []
        for p in prepared:
            same = known.setdefault(p.control_id, {})
            first = same.get(p.digest)
            receipt = Receipt(p.message_id if first is None else first, first is not None, first is None and bool(same))
            receipts.append(receipt)
            if repeats or first is None:
                rows.append(self._row(p, receipt))
            if first is None:
                same[p.digest] = p.message_id
                place = {"tenant": tenant, "lane": p.lane, "message_id": p.message_id}
                waiting.append(place | {"key_id": p.key_id, "wrapped": p.wrapped})
            elif repeats:
                again.append(outcome_row(tenant, p.message_id, "suppressed", REPEAT, self._source.label))
        if rows:
            kept = {row["context_id"] for row in rows}
            messages.add_contexts(connection, [row for number, row in contexts.values() if number in kept])
            messages.add(connection, rows, waiting)
            messages.settle(connection, again)
            entry = self._audit.entry(
                tenant, action="receive", actor=f"source:{source}", purpose="intake",
                messages=[row["message_id"] for row in rows], outcome="stored",
            )  # fmt: skip
            self._audit.append(connection, entry)
        return receipts

    def _row(self, p: Prepared, receipt: Receipt) -> dict[str, Any]:
        return {
            "tenant": self._source.tenant, "message_id": p.message_id, "source": self._source.name,
            "kind": stored_word(p.item.kind, 64), "control_id": p.control_id, "digest": p.digest,
            "received_at": p.received_at, "lane": p.lane, "context_id": p.context_id,
            "repeat_of": receipt.message_id if receipt.repeat else None, "conflict": receipt.conflict,
            "answer": "AA", "place": "", "reason": "", "box": None if receipt.repeat else p.box,
        }  # fmt: skip


async def _room(handoff: Handoff, most: int) -> None:
    """Wait until fewer messages than this are unsettled; ``Backpressure`` after :data:`ROOM_SECONDS`."""
    end = time.monotonic() + ROOM_SECONDS
    while handoff.unsettled >= most:  # a thread settles
        if time.monotonic() >= end:
            raise _crowded()
        await asyncio.sleep(ROOM_SECONDS / 1000)


def _crowded() -> Backpressure:
    return Backpressure("Too many messages wait to be normalized", fix="The sender may try again shortly.")


def _told(ended: Future[Any]) -> Exception | None:
    """How a unit failed, if it did; what is no ordinary error is told as the store's."""
    error = ended.exception()
    if error is None or isinstance(error, Exception):
        return error
    return StoreUnavailable("The writer ended", fix="Start the gateway again.")
