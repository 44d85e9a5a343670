"""React: run reactors. What follows from records is handed in as messages, like everything else the gateway hears.

Theory of operation. A reactor has a position in each lane, as a route has. It reads on from there: each record that
changed is put into its groups, and these groups are marked, in one commit with the new positions. A marked group, or
one whose time has come, is derived from the newest versions of all its members. The message with what follows, the
group's next time, and the list of what it made are one commit: a crash leaves all of it or nothing, and the group is
still due. The time a group is derived for never goes back, whatever the clock does, so what time has brought about is
not undone and brought about a second time.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

import structlog
from sqlalchemy import Connection

from gateway.errors import Backpressure, KeysUnavailable, StoreUnavailable
from gateway.flow.clock import micros
from gateway.flow.derive import Group, derive_group, released
from gateway.flow.derived import Reaction, derived_item
from gateway.flow.gather import Gatherer, Raced
from gateway.flow.receive import Receiver
from gateway.store import reactions
from gateway.store.opening import Store

IDLE_SECONDS = 0.5
PAUSE_SECONDS = 1.0
GROUPS = 64
"""How many groups are derived in one commit."""

log = structlog.get_logger(__name__)


class Deriver:
    """Runs one configured reactor."""

    def __init__(self, reaction: Reaction, gatherer: Gatherer, store: Store, receiver: Receiver) -> None:
        self.reaction = reaction
        self._gatherer = gatherer
        self._store = store
        self._receiver = receiver
        self._cursors: dict[int, int] | None = None
        self._catch_up: list[int] = []

    def step(self) -> bool:
        """Read on, or else derive what is due; whether there was anything to do."""
        try:
            if self._cursors is None:
                self._begin()
            return self._read_on() or self._derive()
        except Raced:
            self._cursors = None
            return True

    def start_over(self) -> None:
        """Believe nothing but the store any more."""
        self._cursors = None

    def _begin(self) -> None:
        tenant, name = self.reaction.tenant, self.reaction.reactor_name
        edition = self.reaction.mapping_hash
        self._store.write_sync(lambda connection: reactions.register(connection, tenant, name, edition))
        self._catch_up = self._store.read_sync(lambda connection: reactions.catch_up(connection, tenant, name))
        self._cursors = self._store.read_sync(lambda connection: reactions.cursors(connection, tenant, name))

    def _read_on(self) -> bool:
        cursors = self._cursors or {}
        moved = self._gatherer.read_on(cursors)
        cursors.update(moved)
        return bool(moved)

    def _derive(self) -> bool:
        """Derive the groups that are due, once everything has been read that was there when this edition began."""
        cursors, tenant, name = self._cursors or {}, self.reaction.tenant, self.reaction.reactor_name
        if any(cursors[lane] < position for lane, position in enumerate(self._catch_up)):
            return False
        now = micros()
        rows = self._store.read_sync(lambda connection: reactions.due(connection, tenant, name, now, GROUPS))
        if not rows:
            return False
        most = self._receiver.most_bytes // 2
        groups = [derive_group(self.reaction, known, now, most) for known in self._gatherer.gather(rows)]
        self._hand_in(groups)
        return True

    def _hand_in(self, groups: Sequence[Group]) -> None:
        """One commit: the messages of these groups, and where it leaves each group."""
        tenant, name = self.reaction.tenant, self.reaction.reactor_name
        made = {record: group.group_id for group in groups for record in self._gatherer.records(group.made)}
        before = {record for group in groups for record in self._gatherer.records(group.made_before)}
        makers = self._store.read_sync(
            lambda connection: reactions.makers(connection, tenant, name, before.difference(made))
        )
        kept = [released(group, self._gatherer.records, made, makers) for group in groups]
        telling = {group.group_id: group for group in kept if group.tells(self._gatherer.digest)}
        items = [derived_item(one.message, one.group_id.hex(), self._store.next_id()) for one in telling.values()]
        taken = {record: group for record, group in made.items() if group in telling}
        rows = [self._gatherer.row(group) for group in kept]
        gone = {record for group in kept for record in self._gatherer.records(group.message.removed)}

        def beside(connection: Connection) -> None:
            for group, row in zip(kept, rows, strict=True):
                if not reactions.keep_group(connection, tenant, name, group.group_id, group.turn, row):
                    raise Raced
            reactions.set_makers(connection, tenant, name, taken, gone)

        self._receiver.hand_in(items, beside).result()


class Reactors:
    """The thread in which the reactors of this process run, one after another."""

    def __init__(self, derivers: Sequence[Deriver]) -> None:
        self._derivers = derivers
        self._stopping = threading.Event()
        self._news = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reactors", daemon=True)

    def start(self) -> None:
        """Begin; without reactors there is nothing to run."""
        if self._derivers:
            self._thread.start()

    def wake(self) -> None:
        """Something was written to the journal."""
        self._news.set()

    def stop(self) -> None:
        """Finish the step at hand."""
        self._stopping.set()
        self._news.set()
        if self._derivers:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._news.clear()
            worked = [self._step(deriver) for deriver in self._derivers]
            if not any(worked):
                self._news.wait(IDLE_SECONDS)

    def _step(self, deriver: Deriver) -> bool:
        """One step, whose failure stops no other reactor."""
        name = deriver.reaction.reactor_name
        try:
            return deriver.step()
        except (StoreUnavailable, KeysUnavailable, Backpressure) as error:
            log.warning("reactor-waits", reactor=name, error=error.code)
        except Exception as error:  # noqa: BLE001 - a defect here must be heard of, and must not end all reacting
            log.error("reactor-failed", reactor=name, error=type(error).__name__)  # noqa: TRY400 - a traceback may hold values
        deriver.start_over()
        self._stopping.wait(PAUSE_SECONDS)
        return False


def settle(derivers: Sequence[Deriver]) -> bool:
    """Take steps until no reactor has anything to do now; whether there was anything."""
    return sum(1 for deriver in derivers for _ in iter(deriver.step, False)) > 0
