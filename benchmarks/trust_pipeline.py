"""The pipeline sealed and audited, beside the same one with a null vault and a null audit log, in interleaved turns."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks import corpus, house
from benchmarks.null_trust import without_audit, without_trust
from benchmarks.report import Asked, Section
from benchmarks.timing import SideBySide, timed
from gateway.bootstrap import Gateway, bind_route, open_sink
from gateway.flow.deliver import Deliverer
from gateway.model.exchange import Item

MESSAGES = 2000
"""In one turn."""
ROUNDS = 5
AT_ONCE = 256
"""Messages in one commit of the intake."""
OURS, NOT_AUDITED, NULL = "sealed and audited", "sealed, null audit", "null vault, null audit"
LOST, SHARE = 0.25, 0.10


class Pipeline:
    """One gateway from intake to a file sink; each turn takes the next messages."""

    def __init__(self, gateway: Gateway, items: Sequence[Item], each: int) -> None:
        source = gateway.sources[house.TENANT, house.HOSPITAL]
        route = gateway.settings.routes[0]
        self._gateway = gateway
        self._receiver = gateway.receiver(source)
        self._normalizer = gateway.normalizer(lambda _: None)
        self._deliverer = Deliverer(
            bind_route(gateway, route), open_sink(gateway, route), gateway.store, gateway.vault, gateway.audit
        )
        self._turns: Iterator[Sequence[Item]] = (items[at : at + each] for at in range(0, len(items), each))
        self._loop = asyncio.Runner()
        self._loop.run(self._deliverer.recover())
        self.turn()

    def turn(self) -> int:
        """Receive, normalize, deliver, and number the audit rows; how many messages that was."""
        items = next(self._turns)
        for at in range(0, len(items), AT_ONCE):
            receipts = self._receiver.hand_in(items[at : at + AT_ONCE], lambda _: None).result(60)
            if any(receipt.repeat for receipt in receipts):
                raise RuntimeError("a message was not new")
            while self._normalizer.step(house.TENANT):
                pass
        sent = self._loop.run(self._deliver())
        self._gateway.sequence()
        if sent < len(items):
            raise RuntimeError("an appointment was not delivered")
        return len(items)

    async def _deliver(self) -> int:
        sent = 0
        while (more := await self._deliverer.step()) is not None:
            sent += more
        return sent

    def close(self) -> None:
        self._loop.run(self._deliverer.close())
        self._loop.close()


def measure(scale: float) -> Section:
    """All three take the same messages in turn; the first turn of each is not counted."""
    each = max(100, int(MESSAGES * scale))
    messages = corpus.schedule(each * (ROUNDS + 1))
    with house.scratch() as folder, ExitStack() as opened:
        ours = _opened(opened, folder / "ours", messages, each, lambda _: None)
        not_audited = _opened(opened, folder / "not-audited", messages, each, without_audit)
        null = _opened(opened, folder / "null", messages, each, without_trust)
        found = SideBySide(
            {OURS: timed(ours.turn), NOT_AUDITED: timed(not_audited.turn), NULL: timed(null.turn)}, ROUNDS
        )
    kept, audited = found.ratio(NULL), found.ratio(NOT_AUDITED)
    return Section(
        "trust-pipeline",
        "What sealing and auditing cost: receive, normalize, deliver to files, number and sign",
        [
            {"who": name, "messages/s": found.rate(name), "ours does": "" if name == OURS else f"{ratio:.0%}"}
            for name, ratio in ((OURS, 1.0), (NOT_AUDITED, audited), (NULL, kept))
        ],
        [
            Asked("sealed and audited, of the throughput without", f"at least {1 - LOST:.0%}", f"{kept:.0%}",
                  kept >= 1 - LOST),
            Asked("the audit log's share of the pipeline's time", f"under {SHARE:.0%}", f"{1 - audited:.1%}",
                  1 - audited < SHARE),
        ],
        [
            (
                f"Turns of {each:,} messages of {sum(map(len, messages)) / len(messages):,.0f} bytes, one gateway after"
                " another, by processor time of all threads; the database file is encrypted in all three."
            )
        ],
    )  # fmt: skip


def _opened(
    stack: ExitStack, folder: Path, messages: Sequence[bytes], each: int, change: Callable[[Gateway], None]
) -> Pipeline:
    gateway = stack.enter_context(house.opened(folder))
    change(gateway)
    source = gateway.sources[house.TENANT, house.HOSPITAL]
    items = [one for one in source.adapter.cut(messages, source.config) if isinstance(one, Item)]
    pipeline = Pipeline(gateway, items, each)
    stack.callback(pipeline.close)
    return pipeline
