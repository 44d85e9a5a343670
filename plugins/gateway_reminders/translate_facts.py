"""What is known of one patient, sorted from the members of the group. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple

from msgspec import Struct

from gateway.model.appointment import Appointment
from gateway.model.authorization import Authorization, AuthorizationBalance
from gateway.model.communication import Communication
from gateway.model.consent import Consent
from gateway.model.episode import PlanOfCare
from gateway.model.exchange import Snapshot
from gateway.model.identity import RecordId
from gateway.model.patient import Patient
from gateway.model.person import Person
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
    others: Sequence[Facts] = ()
    """The same of each other patient record that is the same person; theirs are empty."""

    def unauthorized(self, one: Appointment, day: date) -> bool:
        """Whether what should allow a visit was refused or does not reach to its day."""
        named = one.authorization
        return named is not None and (named in self.refused or self.ends.get(named, day) < day)


def subjects(snapshot: Snapshot) -> Sequence[RecordId]:
    """The patients that a record is about: one, or all that are one person."""
    match snapshot.record:
        case Patient():
            return (snapshot.record_id,)
        case Person() as person:
            return tuple(link.patient for link in person.links)
    patient = getattr(snapshot.record, "patient", None) or snapshot.patient
    return (patient,) if patient else ()


def gather(id: RecordId, members: Iterable[Snapshot], now: datetime) -> Facts | None:
    """Sort what is there; None when nothing may be sent to this patient at all.

    A person who died is dead in every system, also in those that do not know it yet.
    """
    by_patient: dict[RecordId, dict[RecordId, Struct]] = defaultdict(dict)
    for one in sorted(members, key=lambda one: one.record_id):
        for patient in () if one.removed else subjects(one):
            by_patient[patient][one.record_id] = one.record
    mine = by_patient[id]
    same = {patient for one in mine.values() if isinstance(one, Person) for patient in _certain(one)} - {id}
    records = [by_patient[patient].get(patient) for patient in (id, *sorted(same))]
    if any(isinstance(one, Patient) and (one.deceased or one.deceased_at is not None) for one in records):
        return None
    facts = _facts(id, mine, now)
    others = [found for patient in sorted(same) if (found := _facts(patient, by_patient[patient], now)) is not None]
    return None if facts is None else facts._replace(others=others)


def _certain(person: Person) -> Iterator[RecordId]:
    return (link.patient for link in person.links if link.assurance == "certain")


def _facts(id: RecordId, there: Mapping[RecordId, Struct], now: datetime) -> Facts | None:
    """Of one patient record; None when it is not in use."""
    patient = there.get(id)
    if not isinstance(patient, Patient) or patient.active is False or patient.merged_into:
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
