"""Drift: what sources show otherwise than before is held field by field, told, and read again once it is settled.

One object for the normalizer's thread. While nothing drifts it adds no statement to a batch, except that what was
learnt is written every few seconds; after a crash at most that much is learnt again, while alarms and held fields are
written in the unit of the batch that met them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import msgspec
from sqlalchemy import Connection

from gateway.flow.clock import micros
from gateway.flow.drift_release import release_all
from gateway.flow.drift_watch import Watch
from gateway.flow.handoff import Arrived
from gateway.flow.link import LinkedPatch
from gateway.flow.merge import Current
from gateway.flow.normalize_write import Conflict, Settled
from gateway.flow.source import Origin, Source
from gateway.flow.words import TARGET_ARRIVED, stored_word
from gateway.model.patch import Normalized
from gateway.store import drift, messages
from gateway.store.messages import Values
from gateway.store.opening import Store

HEED_SECONDS = 2.0
"""How often it is looked up what persons accepted."""
SAVE_SECONDS = 5.0
MOST_HELD = 100_000
"""Fields held in one tenant, counted every few seconds; with more, a message waits in quarantine as a whole."""


class Notes(msgspec.Struct, frozen=True):
    """What a batch adds to what is known of drift."""

    watches: tuple[Watch, ...]
    held: dict[tuple[bytes, str], Values]
    settled: tuple[tuple[bytes, str], ...]
    """Record and field of what need not be held any longer."""
    forms: tuple[Values, ...]
    again: Mapping[int, Mapping[bytes, set[str]]]
    """What messages were read again for."""


class Drift:
    """All watches of one process."""

    def __init__(self, sources: Mapping[tuple[str, str], Origin], store: Store) -> None:
        self._store = store
        self._watches: dict[tuple[str, str], Watch] = {
            key: Watch(source) for key, source in sources.items() if isinstance(source, Source) and source.holding
        }
        self._hashes = {key: source.mapping_hash for key, source in sources.items()}
        self._holds: dict[str, bool] = {}
        self._heeded: dict[str, float] = {}
        self._saved = time.monotonic()

    def load(self, tenant: str) -> None:
        """Take over what was kept, and release what is held for a mapping that has changed since."""
        for row in self._store.read_sync(partial(drift.alarms, tenant=tenant)):
            now = self._hashes.get((tenant, row.source))
            if now is not None and bytes(row.mapping) != now:
                state = "accepted" if row.state == "accepted" else "resolved"
                release_all(self._store, drift.row_key(row), state, now)
        rows = self._store.read_sync(partial(drift.alarms, tenant=tenant))
        for (of, name), watch in self._watches.items():
            if of == tenant:
                forms = self._store.read_sync(partial(drift.forms, tenant=tenant, source=name))
                watch.take_over(forms, [row for row in rows if row.source == name])
        self.heed(tenant)

    def of(self, tenant: str, source: str) -> Watch | None:
        """Who watches a source; nobody where drift is switched off."""
        return self._watches.get((tenant, source))

    def heed(self, tenant: str) -> None:
        """Look up what persons decided, and how much is held."""
        rows = self._store.read_sync(partial(drift.alarms, tenant=tenant))
        held = self._store.read_sync(partial(drift.held_count, tenant=tenant))
        for (of, name), watch in self._watches.items():
            if of == tenant:
                watch.heed(row for row in rows if row.source == name)
                watch.full = held >= MOST_HELD
        self._holds[tenant] = held > 0
        self._heeded[tenant] = time.monotonic()

    def begin(self, tenant: str, batch: Sequence[Arrived]) -> dict[int, dict[bytes, set[str]]]:
        """Before a batch is read: what messages that were folded before are read again for.

        Nothing is the answer for one whose held fields were all said anew meanwhile: all that it says is old. One that
        is read again because it names what has come by now is read whole.
        """
        for watch in self._watches.values():
            watch.held.clear()
        again = [message.message_id for message in batch if message.attempt]
        if tenant not in self._heeded:
            self.load(tenant)
        elif again or time.monotonic() - self._heeded[tenant] > HEED_SECONDS:
            self.heed(tenant)
        if not again:
            return {}
        before = partial(messages.normalized_before, tenant=tenant, ids=again, unless=TARGET_ARRIVED)
        folded = self._store.read_sync(before)
        released = self._store.read_sync(partial(drift.released_of, tenant=tenant, messages=folded)) if folded else {}
        return {message: released.get(message, {}) for message in folded}

    def notes(
        self, tenant: str, read: Sequence[object], linked: Sequence[Sequence[LinkedPatch]], settled: Sequence[Settled],
        again: Mapping[int, Mapping[bytes, set[str]]],
    ) -> Notes | None:  # fmt: skip
        """What the batch adds; None when it adds nothing, which is the rule."""
        watches = tuple(one for (of, _), one in self._watches.items() if of == tenant)
        held: dict[tuple[bytes, str], Values] = {}
        for result, patches, one in zip(read, linked, settled, strict=True):
            watch = self._watches.get((tenant, one.message.source))
            if watch and one.message.message_id in watch.held and one.outcome == "normalized":
                held |= _held(tenant, watch, one, result, patches, again.get(one.message.message_id))
        done = self._done(tenant, linked, settled, again) if self._holds.get(tenant) or again else ()
        forms: tuple[Values, ...] = ()
        if any(watch.learning for watch in watches) and time.monotonic() - self._saved > SAVE_SECONDS:
            forms = self._forms()
        if not (held or done or forms or again or any(watch.touched for watch in watches)):
            return None
        return Notes(watches, held, tuple(key for key in done if key not in held), forms, again)

    def _done(
        self, tenant: str, linked: Sequence[Sequence[LinkedPatch]], settled: Sequence[Settled],
        again: Mapping[int, Mapping[bytes, set[str]]],
    ) -> set[tuple[bytes, str]]:  # fmt: skip
        """What is held, and was said anew, or was read again, or is of a record that is gone."""
        touched = {patch.record_id for patches in linked for patch in patches}
        rows = self._store.read_sync(partial(drift.held_of, tenant=tenant, records=touched))
        waiting = {(bytes(row.record_id), row.field): row.message_id for row in rows}
        done: set[tuple[bytes, str]] = set()
        for patches, one in zip(linked, settled, strict=True):
            if one.outcome == "quarantined":
                continue  # what it was read again for stays held: it is released a second time
            records = again.get(one.message.message_id, {})
            done |= {(record, field) for record, names in records.items() for field in names}
            for patch in patches:
                if one.outcome != "normalized" or patch.record_id in one.stale:
                    continue
                for record, field in [key for key in waiting if key[0] == patch.record_id]:
                    says = field in patch.fields or patch.operation == "remove"
                    if says and one.message.message_id > waiting[record, field]:
                        done.add((record, field))
        return done

    def writing(self, tenant: str, notes: Notes | None) -> Callable[[Connection], None] | None:
        """What writes them in the unit of the batch that made them."""
        return None if notes is None else partial(self._write, tenant=tenant, notes=notes)

    def _write(self, connection: Connection, tenant: str, notes: Notes) -> None:
        if notes.again:
            released = drift.released_of(connection, tenant, notes.again)
            if released != {message: records for message, records in notes.again.items() if records}:
                raise Conflict  # more of a message was released while it was read again
        if any(watch.touched for watch in notes.watches):
            rows = drift.alarms(connection, tenant)
            for watch in notes.watches:
                watch.heed(row for row in rows if row.source == watch.name)
                drift.put_alarms(connection, watch.alarm_rows())
        drift.put_held(connection, list(notes.held.values()))
        drift.drop_held(connection, tenant, notes.settled)
        drift.put_forms(connection, notes.forms)

    def written(self, tenant: str, notes: Notes) -> bool:
        """After the unit: what settled itself is released; whether messages wait again for it."""
        released = 0
        self._holds[tenant] = self._holds.get(tenant, False) or bool(notes.held)
        for watch in notes.watches:
            returned = watch.written()
            for kind, place, what in returned:
                key = {"tenant": tenant, "source": watch.name, "kind": kind, "place": place, "what": what}
                released += release_all(self._store, key, "resolved")
        if notes.forms:
            self._saved = time.monotonic()
        return released > 0

    def save(self) -> None:
        """Write everything that was learnt."""
        if any(watch.learning for watch in self._watches.values()):
            rows = self._forms()
            self._store.write_sync(partial(drift.put_forms, rows=rows))

    def _forms(self) -> tuple[Values, ...]:
        now = micros()
        learning = [watch for watch in self._watches.values() if watch.learning]
        for watch in learning:
            watch.learning = False
        return tuple(row for watch in learning for row in watch.form_rows(now))


def restricted(
    patches: Sequence[LinkedPatch], wanted: Mapping[bytes, set[str]], currents: Mapping[bytes, Current]
) -> list[LinkedPatch]:
    """Only the fields for which a message is read again: the rest of it was folded when it came, and may be old.

    Whose the record is, and where, stays as it is now; a record that is gone meanwhile does not come back.
    """
    found = []
    for patch in patches:
        names, current = wanted.get(patch.record_id), currents.get(patch.record_id)
        if names and current is not None and not current.removed and patch.operation in ("upsert", "collect"):
            fields = {name: value for name, value in patch.fields.items() if name in names}
            here = patch.location if "location" in fields else None
            found.append(msgspec.structs.replace(patch, fields=fields, source_version="", patient=None, location=here))
    return found


def _held(
    tenant: str, watch: Watch, settled: Settled, result: object, patches: Sequence[LinkedPatch],
    only: Mapping[bytes, set[str]] | None,
) -> dict[tuple[bytes, str], Values]:  # fmt: skip
    """Rows of what one message holds.

    Nothing of a record that is newer than the message; of one that was read again, only what it was read again for:
    of the rest a newer message may have spoken since.
    """
    message = settled.message
    if not isinstance(result, Normalized):
        return {}
    ids = {(patch.type, patch.native_id): patch.record_id for patch in patches}
    rows: dict[tuple[bytes, str], Values] = {}
    for patch in result.patches:
        record = ids[patch.type, patch.native_id]
        if record in settled.stale:
            continue
        for one in patch.held:
            if only is not None and one.field not in only.get(record, ()):
                continue
            kind, place, what = watch.key(message, one)
            rows[record, one.field] = {
                "tenant": tenant, "record_id": record, "field": stored_word(one.field, 64), "source": watch.name,
                "kind": kind, "place": place, "what": what, "message_id": message.message_id, "released": 0,
            }  # fmt: skip
    return rows
