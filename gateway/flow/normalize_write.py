"""The unit of work that ends normalization of a batch: changes, heads, outcomes and the audit entry, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection

from gateway.audit import AuditLog
from gateway.flow.clock import micros
from gateway.flow.handoff import Arrived
from gateway.flow.lanes import journal_lane
from gateway.flow.merge import NewVersion
from gateway.flow.patient_index import index_rows
from gateway.flow.places import change_place, message_place
from gateway.flow.source import Origin
from gateway.flow.words import SHREDDED, stored_word
from gateway.model.exchange import Fate
from gateway.store import journal, messages, patient_index, shreds
from gateway.store.rows import RowExists
from gateway.vault import Sealed, Vault

Outcome = Literal["normalized", "suppressed", "quarantined"]


class Conflict(Exception):
    """Another writer was faster: do the batch again, without the messages it has ``settled``."""

    def __init__(self, settled: frozenset[int] = frozenset()) -> None:
        super().__init__("another writer was faster")
        self.settled = settled


class Settled(msgspec.Struct, frozen=True):
    """What became of one message."""

    message: Arrived
    outcome: Outcome
    reason: str
    place: str = ""
    fix: str = ""
    changes: tuple[NewVersion, ...] = ()
    patient: bytes | None = None
    patients: frozenset[bytes] = frozenset()
    """Everybody of whom it tells."""
    stale: frozenset[bytes] = frozenset()
    """Records that are newer than what it says of them."""

    @property
    def fate(self) -> Fate:
        """What a transport may be told of it."""
        return Fate(outcome=self.outcome, reason=self.reason, place=self.place, fix=self.fix)


class BatchWriter:
    """Seals a batch once, and writes it as often as conflicts demand."""

    def __init__(
        self, tenant: str, vault: Vault, audit: AuditLog, sources: Mapping[tuple[str, str], Origin],
        patient_keys: Mapping[bytes, int],
    ) -> None:  # fmt: skip
        self._tenant = tenant
        self._vault = vault
        self._audit = audit
        self._sources = sources
        self._keys = patient_keys
        self._tenant_key = vault.keystore.key(tenant, "tenant")
        self._now = micros()

    def unit(
        self,
        settled: Sequence[Settled],
        expected: Mapping[bytes, int],
        touched: set[bytes],
        residue: Mapping[tuple[str, str, str], int],
        also: Sequence[Callable[[Connection], None] | None] = (),
    ) -> Callable[[Connection], None]:
        """The unit of work, with what ``also`` writes; raises :class:`Conflict` when a record has moved meanwhile."""
        sealed = [(one, self._sealed(one)) for one in settled]
        lanes = {row["lane"] for _, rows in sealed for row in rows}
        lanes |= {row["partner_lane"] for _, rows in sealed for row in rows if row["partner_lane"] is not None}
        done = [self._outcome(one) for one in settled]
        places = [(one.message.lane, one.message.message_id) for one in settled]
        found_by = self._found_by(settled)
        several = [(one.message.message_id, one.patients) for one in settled if len(one.patients) > 1]
        by = [row for rows in found_by.values() for row in rows]
        entry = self._audit.entry(
            self._tenant,
            action="normalize",
            actor="gateway:normalize",
            purpose="normalize",
            messages=[one.message.message_id for one in settled],
            counts={"changes": sum(len(one.changes) for one in settled)} | _tally(settled),
        )

        def write(connection: Connection) -> None:
            try:
                attempt(connection)
            except RowExists:
                raise Conflict from None

        def attempt(connection: Connection) -> None:
            heads = journal.lock_heads(connection, self._tenant, lanes) if lanes else {}
            gone = messages.leave_inbox(connection, self._tenant, places)
            if gone:
                raise Conflict(gone)
            if touched and journal.record_versions(connection, self._tenant, touched) != expected:
                raise Conflict
            rows, new, moved = self._place(sealed, heads, set(expected))
            journal.append(connection, self._tenant, rows, {lane: heads[lane] for lane in lanes})
            journal.put_records(connection, list(new.values()), list(moved.values()))
            patient_index.put(connection, self._tenant, [record for record in found_by if record in expected], by)
            messages.settle(connection, done)
            shreds.tell_of(connection, self._tenant, several)
            messages.count_residue(connection, self._tenant, residue)
            for further in also:
                if further is not None:
                    further(connection)
            self._audit.append(connection, entry)

        return write

    def _found_by(self, settled: Sequence[Settled]) -> dict[bytes, list[dict[str, Any]]]:
        """By what the patients of this batch that changed are found from now on; a removed one by nothing."""
        found: dict[bytes, list[dict[str, Any]]] = {}
        for change in (change for one in settled for change in one.changes):
            current = change.current
            if current.type != "Patient":
                continue
            gone = current.removed or current.encoded is None
            encoded = b"" if current.encoded is None else current.encoded
            found[change.record_id] = (
                [] if gone else index_rows(self._vault, self._tenant, change.record_id, current.native_id, encoded)
            )
        return found

    def _sealed(self, one: Settled) -> list[dict[str, Any]]:
        """Journal rows of one message, without their positions."""
        source = self._sources.get((self._tenant, one.message.source))
        rows = []
        for change in one.changes:
            current = change.current
            key = self._tenant_key if current.patient is None else self._keys[current.patient]
            place = change_place(self._tenant, change.record_id, current.version)
            box = self._vault.seal(key, place, change.body)
            row = self._row(one.message, source, change, box)
            rows.append(row)
            if change.into is not None:
                empty = dict.fromkeys(("box", "wrapped", "key_id", "location", "left_location"))
                twin = row | empty | {"kind": "barrier"}
                twin["partner_lane"] = journal_lane(one.message.source, change.into)
                twin["into"] = change.into
                rows.append(twin)
        return rows

    def _row(self, message: Arrived, source: Origin | None, change: NewVersion, box: Sealed) -> dict[str, Any]:
        current = change.current
        return {
            "tenant": self._tenant, "lane": journal_lane(message.source, current.patient), "position": 0,
            "kind": change.kind, "record_id": change.record_id, "type": current.type, "source": message.source,
            "version": current.version, "patient": current.patient, "location": change.location,
            "message_id": message.message_id, "mapping": None if source is None else source.mapping_hash,
            "adapter": "" if source is None else source.label, "at": self._now, "observed_at": message.received_at,
            "partner_lane": None, "partner_position": None, "left_location": change.left,
            "key_id": box.key_id, "wrapped": box.wrapped, "box": box.box, "current": current,
        }  # fmt: skip

    def _place(
        self, sealed: Sequence[tuple[Settled, list[dict[str, Any]]]], heads: dict[int, int], known: set[bytes]
    ) -> tuple[list[dict[str, Any]], dict[bytes, dict[str, Any]], dict[bytes, dict[str, Any]]]:
        """Give every row its position, barriers their twins, and derive the records' new heads.

        ``heads`` is advanced. Of several versions of one record in the batch, the last stands.
        """
        rows: list[dict[str, Any]] = []
        new: dict[bytes, dict[str, Any]] = {}
        moved: dict[bytes, dict[str, Any]] = {}
        for _, group in sealed:
            for template in group:
                row = dict(template)
                current = row.pop("current")
                into = row.pop("into", None)
                row["position"] = heads[row["lane"]] = heads[row["lane"]] + 1
                rows.append(row)
                if into is not None:
                    rows.extend(_twin(row, into, heads))
                    continue
                heads_of = moved if row["record_id"] in known else new
                heads_of[row["record_id"]] = self._head(row, current)
        return rows, new, moved

    def _head(self, row: Mapping[str, Any], current: Any) -> dict[str, Any]:
        return {
            "tenant": self._tenant, "record_id": row["record_id"], "type": row["type"], "source": row["source"],
            "version": current.version, "content": current.content, "source_version": current.source_version,
            "patient": current.patient, "lane": row["lane"], "position": row["position"], "removed": current.removed,
        }  # fmt: skip

    def _outcome(self, one: Settled) -> dict[str, Any]:
        """The outcome row takes over the message's data key, under the patient's key when there is one."""
        message = one.message
        source = self._sources.get((self._tenant, message.source))
        key_id: int | None = message.key_id
        wrapped: bytes | None = message.wrapped
        if one.reason == SHREDDED:
            key_id = wrapped = None  # what opened it stood in the inbox alone, and leaves with it
        elif one.outcome != "quarantined":
            target = self._keys.get(one.patient, self._tenant_key) if one.patient is not None else self._tenant_key
            place = message_place(self._tenant, message.message_id)
            key_id, wrapped = self._vault.rewrap((message.key_id, message.wrapped), place, target)
        return {
            "tenant": self._tenant, "message_id": message.message_id, "attempt": message.attempt,
            "outcome": one.outcome, "reason": stored_word(one.reason, 80), "place": stored_word(one.place, 120),
            "fix": one.fix, "at": self._now, "adapter": "" if source is None else source.label,
            "mapping": None if source is None else source.mapping_hash, "changes": len(one.changes),
            "key_id": key_id, "wrapped": wrapped,
        }  # fmt: skip


def _twin(row: dict[str, Any], into: bytes, heads: dict[int, int]) -> list[dict[str, Any]]:
    """Complete a barrier with its twin in the other patient's lane; one lane needs no second."""
    other = row["partner_lane"]
    if other == row["lane"]:
        row |= {"patient": into, "partner_lane": row["lane"], "partner_position": row["position"]}
        return []
    heads[other] += 1
    row["partner_position"] = heads[other]
    return [
        row
        | {
            "lane": other, "position": heads[other], "patient": into,
            "partner_lane": row["lane"], "partner_position": row["position"],
        }
    ]  # fmt: skip


def _tally(settled: Sequence[Settled]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for one in settled:
        counts[one.outcome] = counts.get(one.outcome, 0) + 1
    return counts
