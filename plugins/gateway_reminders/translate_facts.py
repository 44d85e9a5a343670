"""What is known of one patient, sorted from the members of the group. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple

from gateway.model.appointment import Appointment
from gateway.model.authorization import Authorization, AuthorizationBalance
from gateway.model.communication import Communication
from gateway.model.consent import Consent
from gateway.model.episode import PlanOfCare
from gateway.model.exchange import Snapshot
from gateway.model.identity import RecordId
from gateway.model.patient import Patient
from gateway.model.task import Task

REPLY = "reply-"
"""Tasks of this kind are what the patient answered."""
_REFUSED = frozenset({"denied", "cancelled", "expired", "exhausted", "rejected"})


class Sent(NamedTuple):
    """One message that went out, or tried to."""

    id: RecordId
    channel: str
    failed: bool
    at: datetime | None


class Facts(NamedTuple):
    """Of one patient."""

    id: RecordId
    patient: Patient
    appointments: Mapping[RecordId, Appointment]
    consents: Mapping[RecordId, Consent]
    sent: Mapping[str, Sequence[Sent]]
    """By occasion without its channel."""
    replies: Mapping[RecordId, str]
    """What the patient answered, by appointment."""
    refused: frozenset[RecordId]
    """Authorizations under which nothing may take place."""
    ends: Mapping[RecordId, date]
    left: Mapping[RecordId, int]
    """Visits left by authorization."""
    planned: bool
    """Whether a plan of care is under way."""

    def unauthorized(self, one: Appointment, day: date) -> bool:
        """Whether what should allow a visit was refused or does not reach to its day."""
        named = one.authorization
        return named is not None and (named in self.refused or self.ends.get(named, day) < day)


def subject(snapshot: Snapshot) -> RecordId | None:
    """The patient that a record is about."""
    if isinstance(snapshot.record, Patient):
        return snapshot.record_id
    return getattr(snapshot.record, "patient", None) or snapshot.patient


def gather(id: RecordId, members: Iterable[Snapshot], now: datetime) -> Facts | None:
    """Sort what is there; None when nothing may be sent to this patient at all."""
    there = {one.record_id: one.record for one in sorted(members, key=lambda one: one.record_id) if not one.removed}
    patient = there.get(id)
    if not isinstance(patient, Patient) or patient.deceased or patient.active is False or patient.merged_into:
        return None
    if patient.deceased_at is not None:
        return None
    sent: dict[str, list[Sent]] = defaultdict(list)
    for key, one in there.items():
        if isinstance(one, Communication) and one.direction == "outbound" and one.occasion:
            sent[one.occasion.rpartition("/")[0]].append(Sent(key, one.channel, one.status == "failed", one.sent_at))
    authorizations = {key: one for key, one in there.items() if isinstance(one, Authorization)}
    left = {key: one.visits_remaining for key, one in authorizations.items() if one.visits_remaining is not None}
    left |= {
        one.authorization: one.visits_remaining
        for one in there.values()
        if isinstance(one, AuthorizationBalance) and one.authorization and one.visits_remaining is not None
    }
    refused = frozenset(key for key, one in authorizations.items() if one.status in _REFUSED)
    return Facts(
        id=id, patient=patient, sent=sent, refused=refused,
        appointments={key: one for key, one in there.items() if isinstance(one, Appointment)},
        consents={key: one for key, one in there.items() if isinstance(one, Consent)},
        replies={
            one.about: one.kind.removeprefix(REPLY)
            for one in there.values()
            if isinstance(one, Task) and one.about and one.kind and one.kind.startswith(REPLY)
        },
        ends={key: one.ends_on for key, one in authorizations.items() if one.ends_on is not None},
        left={key: count for key, count in left.items() if key not in refused},
        planned=any(isinstance(one, PlanOfCare) and _under_way(one, now) for one in there.values()),
    )  # fmt: skip


def _under_way(plan: PlanOfCare, now: datetime) -> bool:
    over = plan.status in ("expired", "revoked", "completed") or plan.discharged_on is not None
    return not over and (plan.certified_to is None or plan.certified_to >= now.date())
