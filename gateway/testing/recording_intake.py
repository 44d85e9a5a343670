"""An intake in memory, for those who test a transport: it keeps what the core would store."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gateway.errors import StoreUnavailable
from gateway.model.exchange import Fate, Finding, Item, Receipt


class RecordingIntake:
    """Stores in lists, commits items and cursor together, knows repeats; ``fail_next`` makes commits fail."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.findings: list[Finding] = []
        self.cursors: dict[str, str] = {}
        self.refused: list[tuple[bytes, str, str]] = []
        self.fates: dict[int, Fate] = {}
        self.fail_next = 0
        """So many of the next commits fail as a full disk would, and leave nothing."""

    def submit(self, item: Item, done: Callable[[Receipt | Exception], None]) -> None:
        """Store one message and say so at once."""
        try:
            self._commit()
        except StoreUnavailable as error:
            done(error)
        else:
            done(self._store(item))

    async def accept(
        self, items: Sequence[Item], *, name: str = "", stream: str = "", cursor: str | None = None,
        findings: Sequence[Finding] = (),
    ) -> Sequence[Receipt]:  # fmt: skip
        """Store all of it, or raise ``StoreUnavailable`` and store nothing."""
        del name  # where it came from is for the audit log
        self._commit()
        self.findings += findings
        if cursor is not None:
            self.cursors[stream] = cursor
        return [self._store(item) for item in items]

    async def fate(self, receipt: Receipt) -> Fate:
        """What the test planned for it; read without fault by default."""
        return self.fates.get(receipt.message_id, Fate(outcome="normalized"))

    async def cursor(self, stream: str) -> str | None:
        """The cursor committed last."""
        return self.cursors.get(stream)

    def refuse(
        self, frame: bytes, answer: str, reason: str, where: str, done: Callable[[Exception | None], None]
    ) -> None:
        """Keep the evidence."""
        del where  # the reason is enough to tell refusals apart
        try:
            self._commit()
        except StoreUnavailable as error:
            done(error)
        else:
            self.refused.append((frame, answer, reason))
            done(None)

    def _commit(self) -> None:
        if self.fail_next:
            self.fail_next -= 1
            raise StoreUnavailable("The store cannot commit")

    def _store(self, item: Item) -> Receipt:
        same = [number for number, kept in enumerate(self.items) if kept.control_id == item.control_id]
        repeat = next((number for number in same if self.items[number].body == item.body), None)
        if repeat is not None:
            return Receipt(repeat, repeat=True, conflict=False)
        self.items.append(item)
        return Receipt(len(self.items) - 1, repeat=False, conflict=bool(same))
