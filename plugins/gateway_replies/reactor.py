"""Groups by number or address, and by patient for what names its patient itself."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import cast

from pydantic import BaseModel

from gateway.hookspecs import API_VERSION
from gateway.model.communication import Communication
from gateway.model.exchange import Derivation, Derived, ReactorInfo, Snapshot
from gateway.model.patient import Patient
from gateway_replies.config import RepliesConfig
from gateway_replies.translate import Said, consents, tasks

_ADDRESS, _PATIENT = "address:", "patient:"


class Replies:
    """Derives consents and tasks from what patients answer."""

    info = ReactorInfo(
        name="replies",
        version="1",
        api=API_VERSION,
        summary="Opt-outs as consents, other answers as work for the front desk",
        reads=frozenset({"Patient", "Communication"}),
        writes=frozenset({"Consent", "Task"}),
    )
    config: type[BaseModel] = RepliesConfig

    def groups(self, snapshot: Snapshot, config: BaseModel) -> Sequence[str]:
        """A patient is in a group of its own and in those of its numbers; a communication in one of them."""
        del config
        match snapshot.record:
            case Patient(contacts=contacts):
                places = {_address(text) for one in contacts for text in (one.e164, one.value) if text}
                return (f"{_PATIENT}{snapshot.record_id}", *sorted(places))
            case Communication(address=str(address)):
                return (_address(address),)
            case Communication(patient=str(patient), direction="inbound"):
                return (f"{_PATIENT}{patient}",)
        return ()

    def derive(self, key: str, members: Sequence[Snapshot], config: BaseModel, now: datetime) -> Derivation:
        """Consents and tasks that follow from the answers of one group."""
        del now  # what was said stays said
        within = timedelta(days=cast("RepliesConfig", config).days)
        there = sorted((one for one in members if not one.removed), key=lambda one: one.record_id)
        patients = [one.record_id for one in there if isinstance(one.record, Patient) and not one.record.merged_into]
        said = sorted(_said(there), key=lambda one: (one.at, one.id))
        found: list[Derived] = list(consents(said, patients, "link" if key.startswith(_PATIENT) else "number"))
        if key.startswith(_ADDRESS):
            found += tasks(said, patients, within)
        return Derivation(records=tuple(found))


def _said(there: Sequence[Snapshot]) -> Iterator[Said]:
    for one in there:
        if isinstance(one.record, Communication):
            at = one.record.received_at or one.record.sent_at or datetime.fromisoformat(one.observed_at)
            yield Said(one.record_id, at, one.record)


def _address(text: str) -> str:
    """A group's key tells no number: keys are sealed for the tenant, not for a patient."""
    return _ADDRESS + hashlib.sha256(text.strip().lower().encode()).hexdigest()[:32]
