"""Aliases: references by another name than the id lead to their target, whichever of the two comes first.

Theory of operation. A name by itself leads to a record id of its own, at which there is no record. A batch that has
such references asks once, for all of them, which records have these names; what is found is linked instead. A message
whose name leads to nothing is read as it is and written down beside the name, in the unit that settles it. When a
record of that name comes, the message is read again, unless newer ones have told of its record since. That is done at
once by the process that wrote the record; whatever was missed by that (a crash between the two, two processes that
could not see each other's rows) is found by going through all that waits, at the start and every ten minutes.

Messages without such names cost nothing here.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from gateway.errors import GatewayError, RejectMessage
from gateway.flow.handoff import Arrived
from gateway.flow.link import LinkedPatch, RecordIds, link
from gateway.flow.normalize_write import Settled
from gateway.flow.places import record_bytes
from gateway.flow.quarantine import read_again
from gateway.flow.rejection import Rejection, defect
from gateway.flow.source import Origin
from gateway.flow.words import TARGET_ARRIVED
from gateway.model.identity import ALIAS, RecordId
from gateway.model.patch import Normalized, Patch
from gateway.store import aliases, messages
from gateway.store.opening import Store
from gateway.store.rows import Found, RowExists
from gateway.vault import Vault

PAGE = 256
"""Messages that are read again at a time: what arrives meanwhile is not held up by more."""
MOST_NAMES = 1000
"""Names in one question."""
SWEEP_SECONDS = 600.0
_START = (b"", b"")


class Names:
    """The names in one batch: which records have them, and which messages use them."""

    def __init__(self, tenant: str, vault: Vault) -> None:
        self.tenant = tenant
        self._vault = vault
        self._told: dict[int, dict[bytes, set[bytes]]] = defaultdict(dict)
        """By message, the records it names anew, and their names."""
        self._asked: dict[int, set[bytes]] = defaultdict(set)
        """By message, the names by which it refers."""
        self._known: dict[bytes, RecordId] = {}
        self.fresh: set[bytes] = set()
        """Names that no record had before the batch was written."""

    def ids(self, message: Arrived) -> RecordIds:
        """The record ids that one message's native references lead to."""
        tenant, source, make = self.tenant, message.source, self._vault.record_id

        def record_id(kind: str, native: str) -> RecordId:
            found = make(tenant, source, kind, native)
            if not native.startswith(ALIAS):
                return found
            name = record_bytes(found)
            self._asked[message.message_id].add(name)
            return self._known.get(name, found)

        return record_id

    def tell(self, message: Arrived, patches: Sequence[Patch], linked: Sequence[LinkedPatch]) -> None:
        """Take note of the names that a message gives to its records."""
        for patch, one in zip(patches, linked, strict=True):
            if patch.aliases is not None:
                self._told[message.message_id][one.record_id] = {
                    record_bytes(self._vault.record_id(self.tenant, message.source, patch.type, ALIAS + name))
                    for name in patch.aliases
                }

    def resolve(self, store: Store) -> frozenset[int]:
        """Find out whose the names are; the messages that must be linked again."""
        wanted = set().union(*self._asked.values())
        if not wanted:
            return frozenset()
        found = store.read_sync(partial(aliases.meant, tenant=self.tenant, names=wanted))
        told = {record: names for one in self._told.values() for record, names in one.items()}
        for name in wanted:
            having = {record for record in found.get(name, ()) if record not in told}
            having.update(record for record, names in told.items() if name in names)
            if len(having) == 1:
                self._known[name] = RecordId(str(UUID(bytes=having.pop())))
        return frozenset(message for message, names in self._asked.items() if not names.isdisjoint(self._known))

    def writing(
        self, settled: Sequence[Settled], linked: Sequence[Sequence[LinkedPatch]], expected: Mapping[bytes, int]
    ) -> Callable[[Connection], None] | None:
        """What a unit of work must write with the batch; None when it names nothing."""
        if not self._told and not self._asked:
            return None
        told: dict[bytes, set[bytes]] = {}
        waits: dict[tuple[bytes, bytes], dict[str, Any]] = {}
        for one, patches in zip(settled, linked, strict=True):
            if one.outcome != "normalized":
                continue
            message = one.message
            told |= {
                record: names
                for record, names in self._told.get(message.message_id, {}).items()
                if record not in one.stale
            }
            records = {patch.record_id for patch in patches} - one.stale
            for name in self._asked.get(message.message_id, set()) - self._known.keys():
                for record in records:
                    waits[name, record] = {
                        "tenant": self.tenant, "alias": name, "record_id": record,
                        "message_id": message.message_id, "received_at": message.received_at,
                    }  # fmt: skip

        def write(connection: Connection) -> None:
            self.fresh = aliases.put(connection, self.tenant, told, [one for one in told if one in expected])
            aliases.wait(connection, [waits[key] for key in sorted(waits)])

        return write


class Linker:
    """Links the patches of a batch."""

    def __init__(self, sources: Mapping[tuple[str, str], Origin], store: Store, vault: Vault) -> None:
        self._sources = sources
        self._store = store
        self._vault = vault

    def link(
        self, tenant: str, batch: Sequence[Arrived], read: list[Normalized | Rejection]
    ) -> tuple[list[list[LinkedPatch]], Names]:
        """The linked patches of each message; what cannot be linked is rejected in ``read``."""
        names = Names(tenant, self._vault)
        linked = [self._one(names, message, read, at) for at, message in enumerate(batch)]
        again = names.resolve(self._store)
        for at, message in enumerate(batch) if again else ():
            if message.message_id in again:
                linked[at] = self._one(names, message, read, at)
        return linked, names

    def _one(self, names: Names, message: Arrived, read: list[Normalized | Rejection], at: int) -> list[LinkedPatch]:
        result = read[at]
        if isinstance(result, Rejection):
            return []
        foreign, ids = self._sources[names.tenant, message.source].foreign, names.ids(message)
        try:
            linked = [link(patch, ids, foreign=foreign) for patch in result.patches]
            names.tell(message, result.patches, linked)
        except RejectMessage as error:
            read[at] = Rejection(error.reason, error.where, error.fix)
        except GatewayError:
            raise
        except Exception as error:  # noqa: BLE001 - patches of the wrong shape are the adapter's defect too
            read[at] = defect(message.source, error)
        else:
            return linked
        return []


class Late(msgspec.Struct):
    """What is to be read again for one tenant."""

    due: set[bytes] = msgspec.field(default_factory=set)
    """Names that records have got."""
    after: tuple[bytes, bytes] = _START
    sweep_at: float = 0.0


class Waking:
    """Lets messages wait to be read again once a name of theirs means a record; on the normalizer's thread."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._late: dict[str, Late] = defaultdict(Late)

    def note(self, names: Names) -> None:
        """Names that records have got by what was just committed."""
        if names.fresh:
            self._late[names.tenant].due |= names.fresh

    def turn(self, tenant: str) -> int:
        """Let at most a page of messages wait again; how many, 0 while there is nothing to do."""
        late = self._late[tenant]
        while late.due:
            names = set(islice(late.due, MOST_NAMES))
            rows = self._store.read_sync(partial(aliases.waiting_for, tenant=tenant, names=names, most=PAGE))
            if rows and (count := self._wake(tenant, rows)):
                return count
            late.due -= names  # nothing waits for them, several claim them, or what waited is gone
        if time.monotonic() < late.sweep_at:
            return 0
        rows = self._store.read_sync(partial(aliases.waits_after, tenant=tenant, after=late.after, most=PAGE))
        if len(rows) < PAGE:
            late.after, late.sweep_at = _START, time.monotonic() + SWEEP_SECONDS
        else:
            late.after = (bytes(rows[-1].alias), bytes(rows[-1].record_id))
        return self._wake(tenant, rows) if rows else 0

    def _wake(self, tenant: str, rows: Sequence[Found]) -> int:
        with suppress(RowExists):  # another process does the same at this moment
            return self._store.write_sync(partial(_wake, tenant=tenant, rows=rows))
        return 0


def _wake(connection: Connection, tenant: str, rows: Sequence[Found]) -> int:
    found = aliases.meant(connection, tenant, {bytes(row.alias) for row in rows})
    ready = [row for row in rows if len(found.get(bytes(row.alias), ())) == 1]
    if not ready:
        return 0
    under_way = {row.message_id for row in messages.pending(connection, tenant, {row.message_id for row in ready})}
    ready = [row for row in ready if row.message_id not in under_way]  # for another reason: looked at again later
    newest = aliases.last_told(connection, tenant, {bytes(row.record_id) for row in ready})
    wanted = {
        row.message_id for row in ready if newest.get(bytes(row.record_id), (0, 0)) <= (row.received_at, row.message_id)
    }
    aliases.drop_waits(connection, tenant, ready)
    return sum(read_again(connection, tenant, message_id, TARGET_ARRIVED) for message_id in sorted(wanted))
