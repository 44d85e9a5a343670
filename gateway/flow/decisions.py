"""Decisions: what a person decided, as a message of the gateway's own source, so that it is ledgered like any other."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from gateway.errors import InvalidContent
from gateway.model.exchange import Item
from gateway.model.patch import Normalized, Patch

NAME = "gateway.decisions"
"""No configured source can bear this name."""
KIND = "decision"
TEXT = "decisions 1: each message is one record, as it says"
DECIDED = frozenset({"PersonDecision", "DenialDecision", "ClaimDecision", "BankTransaction", "Task"})


class Decision(msgspec.Struct, frozen=True):
    """One record as a person wants it."""

    type: str
    native_id: str
    fields: dict[str, Any]
    patient: str | None = None
    removed: bool = False
    """Whether it is taken back."""


_read = msgspec.json.Decoder(Decision).decode
_write = msgspec.json.Encoder(order="deterministic").encode


@dataclass(frozen=True)
class Decisions:
    """The :class:`~gateway.flow.source.Origin` of what persons decided at one tenant."""

    tenant: str
    name: str = NAME
    label: str = "decisions/1"
    mapping_hash: bytes = hashlib.sha256(TEXT.encode()).digest()
    foreign: bool = False

    @property
    def normalize(self) -> Callable[[bytes, bytes], Normalized]:
        """Reads messages that :func:`decision_item` made."""
        return _normalize


def decision_item(decision: Decision, at: str) -> Item:
    """The message of one decision; ``at`` makes it one of its own though the same was decided before."""
    digest = hashlib.sha256(decision.native_id.encode()).hexdigest()[:24]
    return Item(body=_write(decision), kind=KIND, control_id=f"{digest}:{at}", order_key=digest)


def _normalize(body: bytes, _: bytes) -> Normalized:
    decision = _read(body)
    if decision.type not in DECIDED:
        raise InvalidContent("type-not-decided", "Records of this type are not made by decision", where=decision.type)
    patch = Patch(
        type=decision.type, native_id=decision.native_id, fields=decision.fields, patient=decision.patient,
        references=frozenset(), operation="remove" if decision.removed else "upsert",
    )  # fmt: skip
    return Normalized(patches=(patch,))
