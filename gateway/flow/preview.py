"""Preview: what the messages of a file would become, without a store, keys or anything kept.

A traced preview also shows the message itself, every rule that fired and what each made: for those who write mappings.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from gateway.errors import InvalidConfiguration, InvalidContent, RejectMessage
from gateway.flow.link import link
from gateway.flow.merge import Current, NewVersion, fold_message
from gateway.flow.source import Source
from gateway.hookspecs import Adapter
from gateway.mapping import Mapping
from gateway.model.exchange import Finding, Item
from gateway.model.identity import RecordId, Ref
from gateway.model.patch import Normalized


class Preview:
    """Runs one source's files through normalize, link and merge in memory."""

    def __init__(self, source: Source, *, traced: bool = False) -> None:
        self._source = source
        self._traced = traced
        self._currents: dict[bytes, Current] = {}

    def lines(self, chunks: Iterable[bytes]) -> Iterator[dict[str, Any]]:
        """One object per message or finding, with its records or the reason why it has none."""
        for part in self._source.adapter.cut(chunks, self._source.config):
            yield self._finding(part) if isinstance(part, Finding) else self._message(part)

    def _finding(self, finding: Finding) -> dict[str, Any]:
        return {
            "source": self._source.name, "control_id": "", "quarantined": finding.reason, "where": finding.where,
            "what": finding.what, "fix": finding.fix,
        }  # fmt: skip

    def _message(self, item: Item) -> dict[str, Any]:
        line: dict[str, Any] = {"source": self._source.name, "control_id": item.control_id, "kind": item.kind}
        try:
            self._source.mapping.steps.clear()
            result = self._source.normalize(item.body, item.context)
            line |= self._trace(item)
            if result.suppressed is not None:
                return line | {"suppressed": result.suppressed}
            try:
                changes = self._fold(result)
            except InvalidContent as error:
                raise self._source.mapping.placed(error, item.kind) from None
        except RejectMessage as error:
            line |= self._trace(item)
            return line | {"quarantined": error.reason, "where": error.where, "what": error.what, "fix": error.fix}
        line["records"] = [_record(change) for change in changes]
        if result.residue:
            line["residue"] = list(result.residue)
        held = {one.place: one.reason for patch in result.patches for one in patch.held}
        if held:
            line["held"] = held
        for change in changes:
            if change.current.type == "Remittance":
                line |= transaction(change.current.fields or {})
        return line

    def _trace(self, item: Item) -> dict[str, Any]:
        """Of a traced preview: the message as sent, and each rule that read something or gave a constant."""
        if not self._traced:
            return {}
        return {
            "message": item.body.decode("utf-8", "replace"),
            "rules": [
                {
                    "record": step.record, "field": step.field, "path": step.path, "raw": _shown(step.raw),
                    "rule": f"{step.rule_file}: {step.rule_key}", "result": _shown(step.result),
                }
                for step in self._source.mapping.steps
                if step.raw is not None or step.result is not None
            ],
        }  # fmt: skip

    def _fold(self, result: Normalized) -> tuple[NewVersion, ...]:
        patches = [link(patch, _throwaway_id) for patch in result.patches]
        folded, moved = fold_message(patches, self._currents, lambda data: hashlib.sha256(data).digest())
        if all(patch.type == "Patient" for patch in patches):
            self._currents.update(moved)
        return folded.changes


def preview_source(
    adapter: Adapter, config: dict[str, Any], overlay: Path | None, zone: str, name: str, profile: str = "",
    *, traced: bool = False,
) -> Preview:  # fmt: skip
    """A preview with this adapter's mapping; ``InvalidConfiguration`` when its settings do not suffice."""
    try:
        settings = adapter.config.model_validate(config)
    except ValueError:
        raise InvalidConfiguration(
            "The adapter needs settings", where=name, fix="Name a source of gateway.toml with --source."
        ) from None
    mapping = Mapping.load(adapter.mappings, overlay, adapter.path, profile).bind(zone=zone)
    if traced:
        mapping = mapping.traced()
    return Preview(Source.bind("preview", name, adapter, settings, mapping), traced=traced)


def transaction(fields: dict[str, Any]) -> dict[str, Any]:
    """A remittance in the terms of its balance: paid total less provider adjustments against the amount."""
    adjustments = fields.get("provider_adjustments", [])
    return {
        "trace": fields.get("trace_number"),
        "amount": fields.get("amount"),
        "claims": fields.get("claim_count", 0),
        "charge": fields.get("charge_total", "0.00"),
        "paid": fields.get("paid_total", "0.00"),
        "plb": str(sum((Decimal(one["amount"]) for one in adjustments), Decimal("0.00"))),
        "balanced": fields.get("balanced", False),
        "difference": fields.get("difference", "0.00"),
    }


def _shown(value: Any) -> Any:
    """A traced value for people: plain JSON values as they are, records of a repetition as their number."""
    if value is None or isinstance(value, (str, int, bool)):
        return value
    if isinstance(value, Ref):
        return f"{value.type} {value.native_id}"
    return f"{len(value)} items" if isinstance(value, list) else str(value)


def _throwaway_id(kind: str, native_id: str) -> RecordId:
    """Equal ids within a preview, worthless outside it."""
    text = hashlib.sha256(f"{kind}\0{native_id}".encode()).hexdigest()
    return RecordId(f"{text[:8]}-{text[8:12]}-8{text[13:16]}-8{text[17:20]}-{text[20:32]}")


def _record(change: NewVersion) -> dict[str, Any]:
    current = change.current
    return {
        "type": current.type, "change": change.kind, "native_id": current.native_id,
        "fields": msgspec.to_builtins(current.fields),
    }  # fmt: skip
