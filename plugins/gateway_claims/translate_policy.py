"""Which of a patient's policies a claim is billed to, which pay after it, and which lack something. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date

from gateway.model.coverage import Coverage
from gateway.model.exchange import Derived
from gateway.model.identity import RecordId

Policies = Mapping[RecordId, Coverage]
_SECOND = 2


def billed_policy(policies: Policies, day: date | None) -> tuple[RecordId | None, Coverage | None]:
    """The first payer's policy on a day."""
    covering = [(one.priority or 1, id, one) for id, one in policies.items() if _covers(one, day)]
    if not covering:
        return None, None
    _, id, policy = min(covering, key=lambda each: each[:2])
    return id, policy


def further_policies(policies: Policies, day: date, first: RecordId) -> list[Coverage]:
    """Policies whose payers pay after the first one, in that order; one without a place in it cannot be billed so."""
    others = [(one.priority, id, one) for id, one in policies.items() if id != first and _covers(one, day)]
    return [one for place, _, one in sorted((p, id, one) for p, id, one in others if p is not None and p > 1)]


def incomplete(policies: Policies, patient: RecordId) -> Iterator[Derived]:
    """A task for each policy of a further payer that claims cannot list, nor be made for, as it stands."""
    for id, one in sorted(policies.items()):
        if one.active is False or one.priority is None or one.priority < _SECOND:
            continue
        lacking = [
            name
            for name, there in (
                ("the payer", one.payer is not None),
                ("the member id", one.member_id),
                ("the subscriber's name", one.relationship in (None, "self") or one.subscriber_name),
            )
            if not there
        ]
        if lacking:
            fields = {
                "title": "Complete the policy of the further payer.", "state": "open",
                "kind": "further-policy-incomplete",
                "reason": f"Claims do not name it to the first payer, nor go to it: it lacks {' and '.join(lacking)}.",
                "role": "biller", "about": id, "patient": patient,
            }  # fmt: skip
            yield Derived(type="Task", native_id=f"policy/{id}", fields=fields, patient=patient)


def _covers(one: Coverage, day: date | None) -> bool:
    begun = one.starts_on is None or day is None or one.starts_on <= day
    return one.active is not False and begun and (one.ends_on is None or day is None or day <= one.ends_on)
