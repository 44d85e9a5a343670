"""Explain: trace a value of a record back to the message, the place in it, and the rule and versions that made it."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

import msgspec

from gateway.audit import AuditLog
from gateway.diagnosis import nearest
from gateway.errors import InvalidConfiguration, Shredded
from gateway.flow.clock import iso
from gateway.flow.derived import Member, Reaction, members_named
from gateway.flow.drift_reading import tolerant
from gateway.flow.merge import open_stored
from gateway.flow.places import change_place, change_row, context_place, message_place
from gateway.flow.source import Origin, Source
from gateway.mapping import Mapping
from gateway.store import journal, messages
from gateway.store.opening import Store
from gateway.vault import Grant, Sealed, Vault


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Where one value came from. ``same_code`` is False when the adapter is not the one that made it."""

    record_id: str
    type: str
    field: str
    value: Any
    version: int
    message_id: int
    source: str
    control_id: str
    received_at: str
    adapter: str
    mapping: str
    same_code: bool
    steps: list[dict[str, Any]]
    derived_from: tuple[Member, ...] = ()
    """For what a reactor made: each record it followed from, as it was then."""


class Explainer:
    """Answers for one tenant; every value it opens is in the audit log first."""

    def __init__(
        self,
        tenant: str,
        store: Store,
        vault: Vault,
        audit: AuditLog,
        sources: dict[tuple[str, str], Origin],
        actor: str,
    ) -> None:
        self._tenant = tenant
        self._store = store
        self._vault = vault
        self._audit = audit
        self._sources = sources
        self._actor = actor

    def explain(self, record_id: str, field: str) -> Explanation:
        """The message and the rule that last set ``field`` (a name or a dotted path) of a record.

        Raises:
            InvalidConfiguration: there is no such record, or it never had such a field.
        """
        wanted = UUID(record_id).bytes
        rows = self._store.read_sync(lambda connection: journal.history(connection, self._tenant, wanted))
        if not rows:
            raise InvalidConfiguration("There is no such record", where=record_id, fix="See `gateway records`.")
        versions = self._open_versions(rows)
        change, value = _last_set(rows, versions, field)
        return self._retrace(change, field, value)

    def _open_versions(self, rows: Any) -> list[dict[str, Any] | None]:
        """The fields of each version; None where what opened it was destroyed."""
        entry = self._audit.entry(
            self._tenant, action="access", actor=self._actor, purpose="explain",
            changes=[change_row(row.record_id, row.version) for row in rows],
        )  # fmt: skip
        self._store.write_sync(lambda connection: self._audit.append(connection, entry))
        with self._audit.grant(entry) as grant:
            return [self._open_version(grant, row) for row in rows]

    def _open_version(self, grant: Grant, row: Any) -> dict[str, Any] | None:
        place = change_place(self._tenant, row.record_id, row.version)
        try:
            return open_stored(self._vault.open(grant, place, Sealed(row.key_id, row.wrapped, row.box)))[1]
        except Shredded:
            return None

    def _retrace(self, change: Any, field: str, value: Any) -> Explanation:
        message = self._store.read_sync(lambda connection: messages.one(connection, self._tenant, change.message_id))
        source = self._sources.get((self._tenant, change.source))
        if message is None or source is None:
            raise InvalidConfiguration(
                "The message or the source of this value is not there any more", where=change.source,
                fix="Add the source to gateway.toml again.",
            )  # fmt: skip
        body, context = self._open_message(message)
        members: tuple[Member, ...] = ()
        steps: list[dict[str, Any]] = []
        if isinstance(source, Reaction):
            members = members_named(body)
        elif isinstance(source, Source):
            steps = self._steps(change, source, field, body, context)
        return Explanation(
            record_id=str(UUID(bytes=change.record_id)),
            type=change.type,
            field=field,
            value=value,
            version=change.version,
            message_id=change.message_id,
            source=change.source,
            control_id=message.control_id,
            received_at=iso(message.received_at),
            adapter=change.adapter,
            mapping=change.mapping.hex() if change.mapping else "",
            same_code=change.adapter == source.label,
            steps=steps,
            derived_from=members,
        )

    def _steps(self, change: Any, source: Source, field: str, body: bytes, context: bytes) -> list[dict[str, Any]]:
        """What each mapping rule that touched the field read and made."""
        mapping = self._mapping(change, source).traced()
        if source.holding:
            mapping = mapping.holding()
            tolerant(source.adapter, source.config, mapping)(body, context)
        else:
            source.adapter.normalizer(source.config, mapping)(body, context)
        top = field.partition(".")[0]
        return [
            {
                "field": step.field,
                "path": step.path,
                "raw": None if step.raw is None else str(step.raw),
                "rule": f"{step.rule_file}: {step.rule_key}",
                "result": None if step.result is None else str(step.result),
            }
            for step in mapping.steps
            if step.record == change.type and re.split(r"[.\[]", step.field, maxsplit=1)[0] == top
        ]

    def _mapping(self, change: Any, source: Source) -> Mapping:
        """The mapping that made the change, from its kept text, even if the source has a newer one."""
        made_by = bytes(change.mapping or b"")
        if made_by == source.mapping_hash:
            return source.mapping
        text = self._store.read_sync(lambda connection: journal.text_of(connection, made_by))
        if text is None:
            raise InvalidConfiguration(
                "The mapping's text was not kept", where=made_by.hex(), fix="Run `gateway verify ledger`."
            )
        return Mapping.from_text(text, source.adapter.path).bind(zone=source.mapping.zone)

    def _open_message(self, message: Any) -> tuple[bytes, bytes]:
        tenant = self._tenant
        contexts = [] if message.context_id is None else [message.context_id]
        entry = self._audit.entry(
            tenant,
            action="access",
            actor=self._actor,
            purpose="explain",
            messages=[message.message_id],
            contexts=contexts,
        )
        self._store.write_sync(lambda connection: self._audit.append(connection, entry))
        outcomes = self._store.read_sync(
            lambda connection: messages.outcomes_of(connection, tenant, message.message_id)
        )
        envelopes = self._store.read_sync(lambda connection: messages.contexts_of(connection, tenant, contexts))
        key = next((row for row in reversed(outcomes) if row.wrapped is not None), None)
        if key is None:
            raise Shredded("The message was dropped: what opened it is gone", where=f"message {message.message_id}")
        with self._audit.grant(entry) as grant:
            place = message_place(tenant, message.message_id)
            body = self._vault.open(grant, place, Sealed(key.key_id, key.wrapped, message.box))
            context = b""
            for context_id, row in envelopes.items():
                context = self._vault.open(
                    grant, context_place(tenant, context_id), Sealed(row.key_id, row.wrapped, row.box)
                )
        return body, context


def _last_set(rows: Any, versions: list[dict[str, Any] | None], field: str) -> tuple[Any, Any]:
    """The change that gave the field its present value; ``Shredded`` when that may be a version that was dropped."""
    first = next((at + 1 for at in reversed(range(len(versions))) if versions[at] is None), 0)
    values = [_dig(version, field) for version in versions]
    dropped = Shredded("The version that set it was dropped, or the patient shredded", where=field[:80])
    if first == len(versions):
        raise dropped
    if all(value is None for value in values):
        if first:
            raise dropped
        known = sorted({name for version in versions for name in version or ()})
        fix = nearest(field, known) or f"It has: {', '.join(known)}."
        raise InvalidConfiguration("The record never had this field", where=field[:80], fix=fix)
    at = len(values) - 1
    while at > first and values[at - 1] == values[-1]:
        at -= 1
    if first and at == first:
        raise dropped
    return rows[at], values[-1]


def _dig(value: Any, field: str) -> Any:
    for part in field.split("."):
        if isinstance(value, list):
            value = value[int(part)] if part.isdigit() and int(part) < len(value) else None
        else:
            value = value.get(part) if isinstance(value, dict) else None
    return value
