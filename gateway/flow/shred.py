"""Shred: destroy what opens everything of one patient, for good, in every copy there is or will be restored.

Theory of operation. The shred list outside is written first, then the patient's keys are destroyed in the keystore,
then the store is told: nothing finds the patient any more, what waits to be delivered ends as suppressed, and messages
that other patients share lose their bytes. Each step may be repeated. Every start compares the three lists (outside,
keystore, store) and does again what one of them lacks: so restoring an older copy of any one of them undoes nothing.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import msgspec
import structlog
from sqlalchemy import Connection

from gateway.audit import AuditLog
from gateway.errors import InvalidConfiguration
from gateway.flow.certificate import Certificate
from gateway.flow.quarantine import release_delivery
from gateway.store import aliases, deliveries, holds, retention, sealed, shreds
from gateway.store.opening import Store
from gateway.vault import Vault
from gateway.vault.keystore import PATIENT
from gateway.vault.rotation import Rotation
from gateway.vault.shred_list import ShredList

INTAKE_GRACE = timedelta(hours=1)
"""How long after its day an intake key may still be in the hands of a message under way."""

log = structlog.get_logger(__name__)


class Shredder:
    """Shreds patients, and sees that they stay shredded."""

    def __init__(self, store: Store, vault: Vault, audit: AuditLog, shred_list: ShredList) -> None:
        self._store = store
        self._vault = vault
        self._audit = audit
        self._list = shred_list

    def shred(
        self, tenant: str, patient: bytes, reason: str, actor: str, *, silent_since: int | None = None
    ) -> Certificate:
        """Destroy a patient's keys; asked again, or after a crash, the certificate names those that went before.

        Args:
            tenant: whose patient.
            patient: record id.
            reason: why, as a word; it stands in certificate and audit log.
            actor: who asked for it.
            silent_since: only if nothing was heard of the patient since, in microseconds.

        Raises:
            InvalidConfiguration: a legal hold keeps data of the patient, or of another whom one of the patient's
                messages tells of as well; nothing is known of the patient; or there was news since.
        """
        keystore = self._vault.keystore
        counts = self._store.read_sync(partial(shreds.counts, tenant=tenant, patient=patient))
        # What called the patient by another name, before it was known whose that is, lies under that name's own key.
        names = self._store.read_sync(partial(aliases.names_alone, tenant=tenant, record_id=patient))
        owners = (patient, *names)
        rows = [row for owner in owners for row in keystore.keys_of(tenant, owner)]
        gone = [one for owner in owners for one in keystore.file.destroyed(tenant, PATIENT, owner)]
        if not rows and not counts["changes"]:
            raise InvalidConfiguration("Nothing is known of this patient", fix="See `gateway patients find`.")
        under = partial(sealed.messages_under, tenant=tenant, keys=[row.key_id for row in rows])
        counts["messages"] = len(self._store.read_sync(under))
        counts["unattributed"] = self._store.read_sync(partial(shreds.unattributed, tenant=tenant))
        self._begin(tenant, patient, reason, actor, silent_since)
        counts["shared_messages"] = 0
        for owner in (*names, patient):
            self._list.add(tenant, owner)
            keystore.shred(tenant, owner)
            counts["shared_messages"] += self._tell_store(tenant, owner, reason, actor)
        keys = [{"key_id": key_id, "destroyed": since} for key_id, since in gone]
        keys += [{"key_id": row.key_id, "digest": hashlib.sha256(row.wrapped).hexdigest()} for row in rows]
        return self._certificate(tenant, patient, reason, actor, keys, counts)

    def _begin(self, tenant: str, patient: bytes, reason: str, actor: str, silent_since: int | None) -> None:
        """Write down what is intended, in the commit that finds no hold: one that begins later comes too late."""
        entry = self._audit.entry(
            tenant, action="shred", actor=actor, purpose=reason, patients=[str(UUID(bytes=patient))], outcome="begun"
        )

        def unit(connection: Connection) -> None:
            held = holds.on(connection, tenant, shreds.sharing(connection, tenant, patient) | {patient})
            if held:
                raise InvalidConfiguration(
                    "A legal hold keeps data of this patient, or of one who shares a message", where=held[0].hold,
                    fix="See `gateway hold list`.",
                )  # fmt: skip
            if silent_since is not None and retention.heard(connection, tenant, patient, silent_since):
                raise InvalidConfiguration("There is news of this patient", fix="Let retention run again later.")
            self._audit.append(connection, entry)

        self._store.write_sync(unit)

    def reconcile(self, tenant: str) -> int:
        """Shred again whom any of the three lists names and another lacks; how many that were."""
        keystore = self._vault.keystore
        outside = {patient for name, patient in self._list.entries() if name == tenant}
        inside = {patient for name, patient in keystore.shreds() if name == tenant}
        stored = self._store.read_sync(partial(shreds.known, tenant=tenant))
        everybody = outside | inside | stored
        lacking = (everybody - outside) | (everybody - inside) | (everybody - stored)
        for patient in sorted(lacking):
            if patient not in outside:
                self._list.add(tenant, patient)
            if patient not in inside:
                keystore.shred(tenant, patient)
            self._tell_store(tenant, patient, "shred-list", "gateway:shred")
        if lacking:
            log.warning("shredded-again", tenant=tenant, count=len(lacking))
        return len(lacking)

    def end_intake_keys(self, tenant: str) -> int:
        """Destroy the intake keys of past days on which nothing rests any more; how many."""
        keystore = self._vault.keystore
        day = (datetime.now(UTC) - INTAKE_GRACE).strftime("%Y-%m-%d").encode()
        past = keystore.retired_intake(tenant, day)
        if not past:
            return 0
        resting = self._store.read_sync(partial(sealed.resting, tenant=tenant))
        ended = [row.key_id for row in past if not resting[row.key_id]]
        if ended:
            entry = self._audit.entry(
                tenant, action="keys", actor="gateway:shred", purpose="retention", outcome="intake-keys-destroyed",
                counts={"keys": len(ended)},
            )  # fmt: skip
            self._store.write_sync(lambda connection: self._audit.append(connection, entry))
            Rotation(keystore).destroy(ended)
        return len(ended)

    def _tell_store(self, tenant: str, patient: bytes, reason: str, actor: str) -> int:
        """Let the store follow; how many messages shared with other patients lost their bytes."""

        def unit(connection: Connection) -> int:
            dropped = shreds.drop_messages(connection, tenant, shreds.messages_of(connection, tenant, patient))
            for row in deliveries.quarantined(connection, tenant):
                if row.patient is not None and bytes(row.patient) == patient:
                    release_delivery(tenant, f"d{row.route}/{row.lane}/{row.position}")(connection)
            shreds.forget(connection, tenant, patient)
            shreds.note(connection, tenant, patient)
            entry = self._audit.entry(
                tenant, action="shred", actor=actor, purpose=reason, patients=[str(UUID(bytes=patient))],
                counts={"messages": dropped}, outcome="shredded",
            )  # fmt: skip
            self._audit.append(connection, entry)
            return dropped

        return self._store.write_sync(unit)

    def _certificate(
        self,
        tenant: str,
        patient: bytes,
        reason: str,
        actor: str,
        keys: Sequence[dict[str, Any]],
        counts: dict[str, int],
    ) -> Certificate:
        key = self._vault.signing_key(tenant)
        one = Certificate(
            tenant=tenant, patient=str(UUID(bytes=patient)), reason=reason, actor=actor,
            at=datetime.now(UTC).isoformat(timespec="seconds"),
            keys=tuple(keys),
            counts=counts,
            intake_days_open=tuple(row.owner.decode() for row in self._vault.keystore.retired_intake(tenant, b"9")),
            public_key=base64.b64encode(key.public_key().public_bytes_raw()).decode(),
        )  # fmt: skip
        signature = base64.b64encode(key.sign(one.unsigned())).decode()
        return msgspec.structs.replace(one, signature=signature)
