"""Which of a patient's policies a claim is billed to, which pay after it, and which lack something. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date

from msgspec import structs

from gateway.model.coverage import Coverage
from gateway.model.exchange import Derived
from gateway.model.identity import RecordId
from gateway_claims.translate_scrub import Scrubbed

Policies = Mapping[RecordId, Coverage]
_SECOND = 2


def covering(policies: Policies, day: date | None, plan_order: Sequence[str]) -> dict[RecordId, Coverage]:
    """The policies that cover a day; where none says its place, and ``plan_order`` names each plan, with theirs."""
    there = {id: one for id, one in policies.items() if _covers(one, day)}
    ranks = {name.strip().casefold(): place for place, name in enumerate(plan_order)}
    named = {id: ranks.get((one.plan_name or "").strip().casefold()) for id, one in there.items()}
    stated = any(one.priority is not None for one in there.values())
    placed = sorted((rank, id) for id, rank in named.items() if rank is not None)
    if stated or len({rank for rank, _ in placed}) < len(there):
        return there
    return {id: structs.replace(there[id], priority=place) for place, (_, id) in enumerate(placed, 1)}


def first_policies(policies: Policies, charged: RecordId | None = None) -> list[tuple[RecordId, Coverage]]:
    """Whose payer comes first, of policies that cover a day: several where nothing says which of them does.

    ``charged`` is the policy that the charges name: it decides between those that would be first alike.
    """
    places = {id: (one.priority or 1, one.priority is None) for id, one in policies.items()}
    alike = [(id, policies[id]) for id, place in sorted(places.items()) if place == min(places.values())]
    return [(id, one) for id, one in alike if id == charged] or alike


def unbilled(day: date | None, firsts: Sequence[tuple[RecordId, Coverage]]) -> Iterator[Scrubbed]:
    """Why nobody can be billed for a visit, by its day and by the policies that come first on it."""
    if day is None:
        yield Scrubbed("no-day", None, "The visit has no day of treatment.", "Enter the day of treatment.")
    elif not firsts:
        fix = "Enter a policy that covers the day."
        yield Scrubbed("no-policy", None, "The visit has no policy that covers the day.", fix)
    elif len(firsts) > 1:
        why = "Several policies cover the day, and nothing says whose payer pays first."
        fix = "Enter their order, end those that are over, or name the plans in plan_order of the reactor claims."
        yield Scrubbed("first-policy-unknown", None, why, fix)


def unfinished(policy: Coverage) -> Iterator[Scrubbed]:
    """What keeps a claim from naming whoever holds the policy that it is billed to."""
    for name in lacking(policy):
        yield Scrubbed("policy-incomplete", None, f"The policy that is billed lacks {name}.", f"Enter {name}.")


def lacking(policy: Coverage) -> list[str]:
    """What a claim must say of whoever holds a policy, and the policy does not tell."""
    there = {
        "the member id": policy.member_id,
        "the subscriber's name": policy.relationship in (None, "self") or policy.subscriber_name,
    }
    return [name for name, told in there.items() if not told]


def further_policies(policies: Policies, first: RecordId) -> list[Coverage]:
    """Those whose payers pay after the first one on a day, in that order; one without a place is left out."""
    others = [(one.priority, id, one) for id, one in policies.items() if id != first]
    return [one for place, _, one in sorted((p, id, one) for p, id, one in others if p is not None and p > 1)]


def incomplete(policies: Policies, patient: RecordId) -> Iterator[Derived]:
    """A task for each policy of a further payer that claims cannot list, nor be made for, as it stands."""
    for id, one in sorted(policies.items()):
        if one.active is False or one.priority is None or one.priority < _SECOND:
            continue
        missing = [*(() if one.payer is not None else ("the payer",)), *lacking(one)]
        if missing:
            fields = {
                "title": "Complete the policy of the further payer.", "state": "open",
                "kind": "further-policy-incomplete",
                "reason": f"Claims do not name it to the first payer, nor go to it: it lacks {' and '.join(missing)}.",
                "role": "biller", "about": id, "patient": patient,
            }  # fmt: skip
            yield Derived(type="Task", native_id=f"policy/{id}", fields=fields, patient=patient)


def undecided(request: RecordId, patient: RecordId) -> Derived:
    """A task for a request that names no policy, of a patient with several."""
    fields = {
        "title": "Say which policy the authorization is asked of.", "state": "open", "kind": "request-held",
        "reason": "The request names no policy, several cover its first day, and nothing says whose payer pays first.",
        "role": "biller", "about": request, "patient": patient,
    }  # fmt: skip
    return Derived(type="Task", native_id=f"request/{request}", fields=fields, patient=patient)


def _covers(one: Coverage, day: date | None) -> bool:
    begun = one.starts_on is None or day is None or one.starts_on <= day
    return one.active is not False and begun and (one.ends_on is None or day is None or day <= one.ends_on)
