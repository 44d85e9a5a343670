"""Normalize: turn stored messages into changes of records, in order, a batch at a time.

Theory of operation. One thread takes what waits (from memory, or from the store after a start or an overflow),
normalizes each message by its source's pure function, links references, opens the records concerned under a committed
access entry, folds, seals, and writes changes, heads, outcomes and one audit entry in a single unit of work. A message
that cannot be read is quarantined alone. When another writer was faster the unit is refused and the batch done again.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial

import structlog

from gateway.audit import AuditLog
from gateway.errors import GatewayError, InvalidContent, KeysUnavailable, RejectMessage, Shredded, StoreUnavailable
from gateway.flow.aliases import Linker, Waking
from gateway.flow.drift import Drift, restricted
from gateway.flow.handoff import Arrived, Handoff
from gateway.flow.link import LinkedPatch
from gateway.flow.merge import Current, Folded, fold_message, open_parts
from gateway.flow.normalize_write import BatchWriter, Conflict, Settled
from gateway.flow.places import change_place, change_row
from gateway.flow.rejection import CRASHED, DAMAGED, GONE, Rejection, defect
from gateway.flow.source import Origin, Source
from gateway.flow.taking import BATCH, Taker, opened
from gateway.flow.trials import Trials
from gateway.flow.words import SHREDDED, stored_word
from gateway.model.patch import Normalized
from gateway.store import journal, messages
from gateway.store.opening import Store
from gateway.store.unreadable import read_apart
from gateway.vault import Sealed, Vault

IDLE_SECONDS = 0.5
GATHER_SECONDS = 0.02
"""Pause after a batch that was not full: what arrives meanwhile shares the commits of the next one."""
PAUSE_SECONDS = 0.5
RACES = 50
"""How often another writer may be faster before this one lets it go first."""

log = structlog.get_logger(__name__)


class Normalizer:
    """Settles the messages of all tenants of this process."""

    def __init__(
        self,
        sources: Mapping[tuple[str, str], Origin],
        store: Store,
        vault: Vault,
        audit: AuditLog,
        handoff: Handoff,
        changed: Callable[[str], None],
    ) -> None:
        self._sources = sources
        self._tenants = sorted({tenant for tenant, _ in sources})
        self._store = store
        self._vault = vault
        self._audit = audit
        self._handoff = handoff
        self._changed = changed
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="normalizer", daemon=True)
        self._trials = Trials(store)
        self._taker = Taker(store, vault, audit, handoff, self._trials)
        self._drift = Drift(sources, store)
        self._linker = Linker(sources, store, vault)
        self._waking = Waking(store)

    def start(self) -> None:
        """Begin with what waits in the store."""
        for tenant in self._tenants:
            self._trials.begin(tenant)
            self._drift.load(tenant)
            self._handoff.recounted(tenant, self._store.read_sync(partial(messages.pending_count, tenant=tenant)))
        self._thread.start()

    def stop(self) -> None:
        """Finish the batch at hand."""
        self._stopping.set()
        self._handoff.arrived.set()
        self._thread.join()
        with suppress(StoreUnavailable):
            self._drift.save()
            for tenant in self._tenants:
                self._trials.end(tenant)
        self._trials.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._handoff.arrived.clear()
            try:
                settled = max((self.step(tenant) for tenant in self._tenants), default=0)
                if settled:
                    if settled < BATCH:
                        self._stopping.wait(GATHER_SECONDS)
                elif not self._handoff.arrived.wait(IDLE_SECONDS):
                    self._look()
            except (StoreUnavailable, KeysUnavailable) as error:
                log.warning("normalize-waits", error=error.code)
                self._taker.shrink()
                self._start_over()
            except Exception as error:  # noqa: BLE001 - a defect here must be heard of, and must not end all normalizing
                log.error("normalize-failed", error=type(error).__name__)  # noqa: TRY400 - a traceback may hold values
                self._start_over()

    def _start_over(self) -> None:
        """Let go of what is in memory and go back to the store, after a pause."""
        for tenant in self._tenants:
            self._handoff.fall_behind(tenant)
        self._stopping.wait(PAUSE_SECONDS)

    def _look(self) -> None:
        """After a quiet while, look whether another process (an import, a release) left something in the store."""
        for tenant in self._tenants:
            if self._store.read_sync(partial(messages.pending_count, tenant=tenant)):
                self._handoff.fall_behind(tenant)

    def step(self, tenant: str) -> int:
        """Settle one batch; how many messages it had, 0 when nothing waits."""
        batch = self._taker.take(tenant)
        if not batch:
            self._wake(tenant)
            return 0
        left: Sequence[Arrived] = batch
        for _ in range(RACES):
            try:
                if left:
                    self._settle(tenant, left)
            except Conflict as conflict:
                left = [message for message in left if message.message_id not in conflict.settled]
            else:
                break
        else:
            raise StoreUnavailable("Other writers were always faster", fix="Run fewer workers for this tenant.")
        self._handoff.settled(tenant, len(batch))
        self._taker.grow()
        self._changed(tenant)
        self._wake(tenant)
        return len(batch)

    def _wake(self, tenant: str) -> None:
        """Go back to the store for what is read again, because it named by another name what has come by now."""
        if self._waking.turn(tenant):
            self._handoff.fall_behind(tenant)

    # --- settling -----------------------------------------------------------------------------------------------

    def _settle(self, tenant: str, batch: Sequence[Arrived]) -> None:
        again = self._drift.begin(tenant, batch)
        read = [self._normalize(tenant, message) for message in batch]
        linked, names = self._linker.link(tenant, batch, read)
        touched = {patch.record_id for patches in linked for patch in patches}
        currents = self._currents(tenant, touched)
        expected = {record_id: current.version for record_id, current in currents.items()}
        settled = []
        unread: Counter[tuple[str, str, tuple[str, ...]]] = Counter()
        for message, result, patches in zip(batch, read, linked, strict=True):
            if isinstance(result, Normalized):
                unread[message.source, message.kind, tuple(result.residue)] += 1
            settled.append(self._fold(tenant, message, result, patches, currents, again.get(message.message_id)))
        named = [change.current.patient for one in settled for change in one.changes]
        named += [one.patient for one in settled]
        patients = {patient for patient in named if patient is not None}
        keys = self._vault.keystore.ensure_patients(tenant, patients) if patients else {}
        writer = BatchWriter(tenant, self._vault, self._audit, self._sources, keys)
        notes = self._drift.notes(tenant, read, linked, settled, again)
        also = (self._drift.writing(tenant, notes), names.writing(settled, linked, expected))
        self._store.write_sync(writer.unit(settled, expected, touched, _residue(unread), also))
        self._waking.note(names)
        if notes is not None and self._drift.written(tenant, notes):
            self._handoff.fall_behind(tenant)
        self._handoff.tell((one.message.message_id, one.fate) for one in settled)

    def _normalize(self, tenant: str, message: Arrived) -> Normalized | Rejection:
        if message.damaged:
            return GONE if message.gone else CRASHED if message.crashed else DAMAGED
        source = self._sources.get((tenant, message.source))
        if source is None:
            return Rejection("unknown-source", message.source, "Add the source to gateway.toml, then release.")
        try:
            watch = self._drift.of(tenant, message.source)
            return watch.normalize(message) if watch else source.normalize(message.body, message.context)
        except RejectMessage as error:
            return Rejection(error.reason, error.where, error.fix)
        except Exception as error:  # noqa: BLE001 - the seam to an adapter: its defect may cost this message only
            return defect(source.label, error)

    def _currents(self, tenant: str, touched: set[bytes]) -> dict[bytes, Current]:
        """The records concerned, opened under an access entry that was committed before."""
        if not touched:
            return {}
        heads = self._store.read_sync(lambda connection: journal.record_heads(connection, tenant, touched))
        if not heads:
            return {}
        entry = self._audit.entry(
            tenant, action="access", actor="gateway:normalize", purpose="merge",
            changes=[change_row(record_id, head.version) for record_id, head in heads.items()],
        )  # fmt: skip
        self._store.write_sync(lambda connection: self._audit.append(connection, entry))
        places = [(head.lane, head.position) for head in heads.values()]
        found, _ = read_apart(self._store, lambda c, some: journal.at_places(c, tenant, some), places)
        currents = {}
        with self._audit.grant(entry) as grant:
            for record_id, head in heads.items():
                change = found.get((head.lane, head.position))
                body = None
                if change is not None:
                    place = change_place(tenant, record_id, change.version)
                    with suppress(Shredded):  # whose it was is on the shred list, and nothing is folded onto it
                        body = opened(self._vault, grant, place, Sealed(change.key_id, change.wrapped, change.box))
                native_id, encoded = ("", None) if body is None else open_parts(body)
                currents[record_id] = Current(
                    type=head.type,
                    version=head.version,
                    content=bytes(head.content),
                    source_version=head.source_version,
                    patient=head.patient,
                    removed=head.removed,
                    native_id=native_id,
                    encoded=encoded,
                )
        return currents

    def _fold(
        self,
        tenant: str,
        message: Arrived,
        result: Normalized | Rejection,
        patches: Sequence[LinkedPatch],
        currents: dict[bytes, Current],
        only: Mapping[bytes, set[str]] | None,
    ) -> Settled:
        if isinstance(result, Rejection):
            return Settled(message, "quarantined", result.reason, result.place, result.fix)
        if result.suppressed is not None:
            return Settled(message, "suppressed", result.suppressed)
        if self._is_shredded(tenant, patches, currents):
            return Settled(message, "suppressed", SHREDDED)
        try:
            folding = patches if only is None else restricted(patches, only, currents)
            folded, moved = fold_message(folding, currents, lambda data: self._vault.digest(tenant, data))
        except InvalidContent as error:
            held = next((one for patch in result.patches for one in patch.held), None)
            if held is not None:  # what the record lacks is what could not be read
                return Settled(message, "quarantined", held.reason, held.place, held.fix)
            origin = self._sources[tenant, message.source]
            if isinstance(origin, Source):
                error = origin.refused(error, message.kind, message.body)
            return Settled(message, "quarantined", error.reason, error.where, error.fix)
        except GatewayError:
            raise
        except Exception as error:  # noqa: BLE001 - values of the wrong shape are the adapter's defect too
            fault = defect(message.source, error)
            return Settled(message, "quarantined", fault.reason, fault.place, fault.fix)
        currents.update(moved)
        whose = (patch.belongs_to(_before(patch, currents)) if patch.unowned else patch.patient for patch in patches)
        patients = [patient for patient in whose if patient is not None]
        return Settled(
            message, "normalized", _remark(folded), changes=folded.changes, patient=next(iter(patients), None),
            patients=frozenset(patients) | {patch.into for patch in patches if patch.into is not None},
            stale=folded.stale,
        )  # fmt: skip

    def _is_shredded(self, tenant: str, patches: Sequence[LinkedPatch], currents: Mapping[bytes, Current]) -> bool:
        """Whether a message tells of a patient who was shredded: nothing of it may be kept."""
        is_shredded = self._vault.keystore.is_shredded
        for patch in patches:
            current = currents.get(patch.record_id)
            patients = (patch.patient, None if current is None else current.patient)
            if any(patient is not None and is_shredded(tenant, patient) for patient in patients):
                return True
        return False


def _before(patch: LinkedPatch, currents: Mapping[bytes, Current]) -> bytes | None:
    current = currents.get(patch.record_id)
    return None if current is None else current.patient


def _residue(unread: Mapping[tuple[str, str, tuple[str, ...]], int]) -> Counter[tuple[str, str, str]]:
    """How often each (source, kind, path) held something that no rule reads; most messages of a kind have the same."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for (source, kind, paths), times in unread.items():
        word = stored_word(kind, 64)
        for path in paths:
            counts[source, word, stored_word(path, 120)] += times
    return counts


def _remark(folded: Folded) -> str:
    """Why a normalized message changed nothing, when it did not."""
    if folded.changes:
        return ""
    return "stale" if folded.stale else "unchanged"
