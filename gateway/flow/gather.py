"""Gather: which groups a record belongs to, and the members of a group, opened under an access entry naming them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import structlog
from sqlalchemy import Connection

from gateway import model
from gateway.audit import AuditLog
from gateway.errors import AccessRefused, PageUnreadable, RejectMessage
from gateway.flow.clock import iso
from gateway.flow.derive import FAILED, Group, Known
from gateway.flow.derived import Made, Reaction
from gateway.flow.merge import open_body
from gateway.flow.places import change_place, change_row, group_place, group_row, record_bytes
from gateway.flow.taking import opened
from gateway.model.exchange import Snapshot
from gateway.model.identity import RecordId
from gateway.store import joining, reactions
from gateway.store.opening import Store
from gateway.store.rows import Found, RowExists
from gateway.store.unreadable import NONE_LOST, Lost, lost_changes, read_apart
from gateway.vault import Grant, Sealed, Vault

READ = 512
"""How many changes are looked at in one commit."""
READ_BYTES = 8 * 1024 * 1024
"""How much of them is open at a time."""
NEVER_DERIVED = b""

log = structlog.get_logger(__name__)


class Raced(Exception):
    """Another process was faster: look at the store again."""


class _Content(msgspec.Struct, frozen=True):
    """What is sealed of a group."""

    key: str
    made: tuple[Made, ...] = ()


class _Regrouped(NamedTuple):
    """What reading on came to."""

    keys: dict[bytes, str]
    """Key of each group that some record read now belongs to, by the group's id."""
    now: dict[bytes, set[bytes]]
    """Groups of each record that was read."""


_read_content = msgspec.json.Decoder(_Content).decode


class Gatherer:
    """Groups and members of one reactor."""

    def __init__(self, reaction: Reaction, store: Store, vault: Vault, audit: AuditLog) -> None:
        self._reaction = reaction
        self._tenant = reaction.tenant
        self._name = reaction.reactor_name
        self._store = store
        self._vault = vault
        self._audit = audit

    # --- reading on -------------------------------------------------------------------------------------------------

    def read_on(self, cursors: Mapping[int, int]) -> dict[int, int]:
        """Put what changed after ``cursors`` into its groups, and mark them; where that leaves each lane."""
        tenant, name, info = self._tenant, self._name, self._reaction.reactor.info
        rows, moved = self._changed(cursors)
        if not moved:
            return {}
        ids = {bytes(row.record_id) for row in rows}
        found = self._group(ids)
        before = self._store.read_sync(lambda c: reactions.groups_of(c, tenant, name, ids)) if ids else {}
        pairs = {(group, record) for record, groups in found.now.items() for group in groups}
        held = {(group, record) for record, groups in before.items() for group in groups}
        known = self._store.read_sync(lambda c: reactions.known_groups(c, tenant, name, found.keys)) if pairs else set()
        fresh = [self._new_group(group, key) for group, key in sorted(found.keys.items()) if group not in known]
        touched = {group for group, _ in pairs | held}
        marked = {group for group in touched if group not in found.keys or group in known} | self._near(touched)
        joins = {bytes(row.record_id) for row in rows if row.type in info.joins}
        came = {pair for pair in pairs - held if pair[1] in joins}
        left = {pair for pair in held - pairs if pair[1] in joins}

        def unit(connection: Connection) -> None:
            if not reactions.move_cursors(connection, tenant, name, cursors, moved):
                raise Raced
            try:
                reactions.add_groups(connection, fresh)
                reactions.regroup(connection, tenant, name, pairs - held, held - pairs)
                joining.rejoin(connection, tenant, name, came, left)
            except RowExists:
                raise Raced from None
            if not reactions.mark(connection, tenant, name, sorted(marked)):
                raise Raced

        self._store.write_sync(unit)
        return moved

    def _changed(self, cursors: Mapping[int, int]) -> tuple[list[Found], dict[int, int]]:
        """What changed next, and where that leaves each lane; a change that cannot be read is named all the same."""
        tenant, types = self._tenant, self._reaction.reactor.info.reads

        def look(lost: Lost) -> tuple[list[Found], dict[int, int]]:
            return self._store.read_sync(lambda c: reactions.read_on(c, tenant, cursors, types, READ, lost))

        try:
            return look(NONE_LOST)
        except PageUnreadable:
            return look(lost_changes(self._store, tenant, cursors))

    def _joined(self, groups: Iterable[bytes]) -> dict[bytes, set[bytes]]:
        """The other groups from whose members each of these is derived too; asked only where records can join any."""
        if not self._reaction.reactor.info.joins:
            return {}
        return self._store.read_sync(lambda c: joining.joined(c, self._tenant, self._name, groups))

    def _near(self, groups: Iterable[bytes]) -> set[bytes]:
        return {other for others in self._joined(groups).values() for other in others}

    def _group(self, ids: set[bytes]) -> _Regrouped:
        """The groups of these records; what cannot be read or grouped is in none, and is heard of."""
        keys: dict[bytes, str] = {}
        now: dict[bytes, set[bytes]] = {record: set() for record in ids}
        for record, snapshot in self._opened_in_parts(ids):
            if snapshot is None:
                continue
            try:
                named = [str(key) for key in self._reaction.reactor.groups(snapshot, self._reaction.config)]
            except Exception as error:  # noqa: BLE001 - the seam to a reactor: its defect may cost this record only
                log.error("reactor-cannot-group", reactor=self._name, type=snapshot.type, error=type(error).__name__)  # noqa: TRY400 - a traceback may hold values
                named = [FAILED + snapshot.record_id]
            for key in named:
                group = self._group_id(key)
                keys[group] = key
                now[record].add(group)
        return _Regrouped(keys, now)

    def _opened_in_parts(self, ids: set[bytes]) -> Iterator[tuple[bytes, Snapshot | None]]:
        """Records one after another, so many opened at a time as :data:`READ_BYTES` hold: reports may be large."""
        sizes, lost = read_apart(self._store, lambda c, some: reactions.sizes(c, self._tenant, some), ids)
        yield from ((record, None) for record in lost)
        part: set[bytes] = set()
        held = 0
        for record, size in sizes.items():
            if part and held + size > READ_BYTES:
                yield from self._open((), part)[1].items()
                part, held = set(), 0
            part.add(record)
            held += size
        yield from self._open((), part)[1].items()

    def _group_id(self, key: str) -> bytes:
        return self._vault.digest(self._tenant, f"{self._name}\0{key}".encode(errors="surrogatepass"))[:16]

    def _new_group(self, group: bytes, key: str) -> dict[str, Any]:
        return {
            "tenant": self._tenant, "reactor": self._name, "group_id": group, "turn": 0, "due_at": 0, "derived_at": 0,
            "told": NEVER_DERIVED,
        } | self._sealed(group, _Content(key))  # fmt: skip

    def _sealed(self, group: bytes, content: _Content) -> dict[str, Any]:
        place = group_place(self._tenant, self._name, group)
        box = self._vault.seal(self._vault.keystore.key(self._tenant, "tenant"), place, msgspec.json.encode(content))
        return {"key_id": box.key_id, "wrapped": box.wrapped, "box": box.box}

    # --- gathering --------------------------------------------------------------------------------------------------

    def gather(self, rows: Sequence[Found]) -> list[Known]:
        """These groups with all that is known of them: key, what they made, and their members."""
        ids = [bytes(row.group_id) for row in rows]
        near = self._joined(ids)
        every = {*ids, *(other for others in near.values() for other in others)}
        members = self._store.read_sync(lambda c: reactions.members_of(c, self._tenant, self._name, every))
        wanted = {record for records in members.values() for record in records}
        boxes, snapshots = self._open(rows, wanted)
        known = []
        for row, group in zip(rows, ids, strict=True):
            box = boxes[group]
            content = _Content("") if box is None else _read_content(box)
            together = {record for one in (group, *near.get(group, ())) for record in members.get(one, ())}
            held = [snapshots[record] for record in sorted(together) if record in snapshots]
            known.append(
                Known(
                    group_id=group, turn=row.turn, derived_at=row.derived_at, told=bytes(row.told), key=content.key,
                    made=content.made, members=tuple(one for one in held if one is not None),
                    damaged=None in held, unreadable=box is None,
                )
            )  # fmt: skip
        return known

    def records(self, made: Iterable[Made]) -> list[bytes]:
        """Record ids of what a group made."""
        origin = self._reaction.name
        return [record_bytes(self._vault.record_id(self._tenant, origin, one.type, one.native_id)) for one in made]

    def digest(self, content: bytes) -> bytes:
        """By which one derivation is told from another."""
        return self._vault.digest(self._tenant, content)[:16]

    def row(self, group: Group) -> dict[str, Any] | None:
        """What is kept of a group after it was derived; nothing when it has no members any more."""
        if group.empty:
            return None
        if group.unreadable:
            return {"due_at": None}
        return {
            "due_at": group.due_at, "derived_at": group.derived_at, "told": group.digest(self.digest),
        } | self._sealed(group.group_id, _Content(group.key, group.made))  # fmt: skip

    # --- opening ----------------------------------------------------------------------------------------------------

    def _open(
        self, groups: Sequence[Found], ids: set[bytes]
    ) -> tuple[dict[bytes, bytes | None], dict[bytes, Snapshot | None]]:
        """Boxes of groups, and the newest versions of records, after the access entry that names them was committed.

        What is damaged or cannot be read is None; a record whose key was destroyed on purpose is not there.
        """
        if not groups and not ids:
            return {}, {}
        tenant, name = self._tenant, self._name
        newest, lost = read_apart(self._store, lambda c, some: reactions.newest(c, tenant, some), ids)
        entry = self._audit.entry(
            tenant, action="access", actor=f"reactor:{name}", purpose="derive",
            changes=[change_row(record, row.version) for record, row in newest.items()],
            reactor_groups=[group_row(name, row.group_id) for row in groups],
        )  # fmt: skip
        self._store.write_sync(lambda connection: self._audit.append(connection, entry))
        with self._audit.grant(entry) as grant:
            boxes = {
                bytes(row.group_id): opened(
                    self._vault,
                    grant,
                    group_place(tenant, name, row.group_id),
                    Sealed(row.key_id, row.wrapped, row.box),
                )
                for row in groups
            }
            snapshots: dict[bytes, Snapshot | None] = dict.fromkeys(lost)
            for record, row in newest.items():
                with suppress(AccessRefused):
                    snapshots[record] = self._snapshot(grant, row)
            return boxes, snapshots

    def _snapshot(self, grant: Grant, row: Found) -> Snapshot | None:
        place = change_place(self._tenant, row.record_id, row.version)
        body = opened(self._vault, grant, place, Sealed(row.key_id, row.wrapped, row.box))
        if body is None:
            return None
        try:
            record = model.decode(row.type, open_body(body))
        except RejectMessage as error:
            log.error("record-not-canonical", type=row.type, error=error.reason)  # noqa: TRY400 - a traceback may hold values
            return None
        patient = None if row.patient is None else RecordId(str(UUID(bytes=row.patient)))
        return Snapshot(
            type=row.type, record_id=RecordId(str(UUID(bytes=row.record_id))), source=row.source, version=row.version,
            removed=row.removed, patient=patient, at=iso(row.at), observed_at=iso(row.observed_at), record=record,
        )  # fmt: skip
