"""Visits, policies and requests to submissions, with all that each must say of the patient. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from gateway.model.appointment import Appointment
from gateway.model.authorization import Authorization
from gateway.model.charge_item import ChargeItem
from gateway.model.coverage import Coverage
from gateway.model.exchange import Derived
from gateway.model.identity import RecordId
from gateway.model.patient import Patient
from gateway.model.values import ZERO, wall_day
from gateway.model.visit import Charge, Visit
from gateway_claims.translate_policy import covering, first_policies, further_policies, unbilled, undecided, unfinished
from gateway_claims.translate_scrub import Rules, Scrubbed, scrub

if TYPE_CHECKING:
    from gateway_claims.config import ClaimsConfig

_USABLE = frozenset({"approved", "modified", "exhausted"})


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one patient."""

    patient: RecordId
    subject: Patient
    policies: Mapping[RecordId, Coverage]
    permissions: Mapping[RecordId, Authorization]
    visits: Mapping[RecordId, Visit]
    charged_to: Mapping[RecordId, RecordId]
    """By visit, the one policy that its charges name."""
    again: Mapping[str, datetime] = {}
    """By claim number, after which word about it somebody had it sent once more."""


def charged_to(items: Mapping[RecordId, ChargeItem]) -> dict[RecordId, RecordId]:
    """By visit, the policy that its charges are charged to; none where they name several."""
    named: dict[RecordId, set[RecordId]] = {}
    for one in items.values():
        if one.visit is not None and one.coverage is not None and one.active is not False:
            named.setdefault(one.visit, set()).add(one.coverage)
    return {visit: next(iter(found)) for visit, found in named.items() if len(found) == 1}


def charged(visits: Mapping[RecordId, Visit], items: Mapping[RecordId, ChargeItem]) -> dict[RecordId, Visit]:
    """Visits with the charges that their source tells one by one; what a visit tells itself stands."""
    by_visit: dict[RecordId, list[Charge]] = {}
    for _, one in sorted(items.items()):
        if one.visit is not None and one.procedure_code and one.active is not False:
            charge = Charge(
                procedure_code=one.procedure_code, modifiers=one.modifiers, units=one.units, minutes=one.minutes,
                amount=one.amount, service_date=one.service_date,
            )  # fmt: skip
            by_visit.setdefault(one.visit, []).append(charge)
    return {
        id: msgspec.structs.replace(visit, charges=tuple(by_visit[id]))
        if id in by_visit and not visit.charges
        else visit
        for id, visit in visits.items()
    }


def control_number(kind: str, *parts: object) -> str:
    """Our number of a document: 17 characters that say nothing and are the same each time."""
    text = "/".join((kind, *map(str, parts)))
    return kind[0].upper() + hashlib.sha256(text.encode()).hexdigest()[:16].upper()


def claim_of(id: RecordId, visit: Visit, known: Known, settings: ClaimsConfig) -> Iterator[Derived]:
    """A claim and its submission, or a task that says what is wrong with the visit."""
    day = visit.service_date or (wall_day(visit.start, visit.zone or settings.zone) if visit.start else None)
    policies = covering(known.policies, day, settings.plan_order)
    firsts = first_policies(policies, known.charged_to.get(id))
    nobody = list(unbilled(day, firsts))
    if nobody or day is None:
        yield _held(id, known, nobody)
        return
    ((policy_id, policy),) = firsts
    permission_id, permission = _permission(known, visit, policy, day)
    scrubbed = scrub(
        visit, policy, _rules(policy, settings), authorized=permission is not None,
        charged_this_year=_charged_before(known, visit, day),
    )  # fmt: skip
    found = [*unfinished(policy), *scrubbed]
    if found:
        yield _held(id, known, found)
    if any(one.severity == "error" for one in found):
        return
    claim = _claim(id, visit, known, day, policy_id, policy, permission)
    yield Derived(type="Claim", native_id=claim["control_number"], fields=claim, patient=known.patient)
    fields = {
        **_common("claim", claim["control_number"], id, known, policy), "claim": claim,
        "practitioner": visit.practitioner, "supervisor": visit.supervisor, "location": visit.location,
        "other_policies": [msgspec.to_builtins(one) for one in further_policies(policies, policy_id)],
        "again": known.again.get(claim["control_number"]),
    }  # fmt: skip
    if permission_id is not None and permission is not None:
        fields["permission"] = msgspec.to_builtins(permission)
    yield _submission(fields, known)


def eligibility_of(
    id: RecordId, policy: Coverage, appointment: Appointment, known: Known, settings: ClaimsConfig
) -> Derived:
    """A question about a policy, for the first visit of a month."""
    number = control_number("eligibility", id, f"{appointment.start:%Y-%m}")
    fields = {
        **_common("eligibility", number, id, known, policy), "location": appointment.location,
        "due_at": appointment.start, "service_type": settings.service_type,
    }  # fmt: skip
    return _submission(fields, known)


def request_of(id: RecordId, asked: Authorization, known: Known, settings: ClaimsConfig) -> Iterator[Derived]:
    """A request for an authorization that the clinic's system asks for."""
    named = known.policies.get(asked.coverage) if asked.coverage is not None else None
    firsts = first_policies(covering(known.policies, asked.starts_on, settings.plan_order))
    if named is None and len(firsts) > 1:
        yield undecided(id, known.patient)
    if named is None and len(firsts) != 1:
        return
    policy = named or firsts[0][1]
    fields = {
        **_common("authorization", control_number("authorization", id), id, known, policy),
        "permission": msgspec.to_builtins(asked), "location": asked.location,
        "service_type": asked.service_type or settings.service_type,
    }  # fmt: skip
    if asked.payer is not None:
        fields["payer"] = asked.payer
    yield _submission(fields, known)


def _common(kind: str, number: str, about: RecordId, known: Known, policy: Coverage) -> dict[str, Any]:
    return {
        "kind": kind, "control_number": number, "patient": known.patient, "about": about, "payer": policy.payer,
        "subject": msgspec.to_builtins(_spoken(known.subject)), "policy": msgspec.to_builtins(policy),
    }  # fmt: skip


def _spoken(subject: Patient) -> Patient:
    """What documents say of a patient: no telephone, contact or language travels along."""
    return Patient(
        name=subject.name, birth_date=subject.birth_date, sex=subject.sex, addresses=subject.addresses[:1],
    )  # fmt: skip


def _submission(fields: Mapping[str, Any], known: Known) -> Derived:
    kept = {name: value for name, value in fields.items() if value is not None}
    native = f"{kept['kind']}/{kept['control_number']}"
    return Derived(type="Submission", native_id=native, fields=kept, patient=known.patient)


def _claim(
    id: RecordId, visit: Visit, known: Known, day: date, policy_id: RecordId, policy: Coverage,
    permission: Authorization | None,
) -> dict[str, Any]:  # fmt: skip
    number = control_number("claim", id)
    lines = []
    for place, one in enumerate(visit.charges, 1):
        lines.append(
            {
                "procedure_code": one.procedure_code, "charge": one.amount, "modifiers": list(one.modifiers),
                "units": one.units if one.units is not None else Decimal(1), "service_date": day,
                "diagnoses": list(one.diagnoses or visit.diagnoses[:4]), "line_control_number": f"{number}{place:02d}",
            }
        )  # fmt: skip
    fields: dict[str, Any] = {
        "control_number": number, "patient": known.patient, "coverage": policy_id, "visits": [id],
        "charge": sum((one.amount or ZERO for one in visit.charges), ZERO), "frequency": "1",
        "diagnoses": list(visit.diagnoses[:12]), "lines": lines, "status": "draft",
    }  # fmt: skip
    if policy.payer is not None:
        fields["payer"] = policy.payer
    if permission is not None and permission.number:
        fields["authorization_number"] = permission.number
    return fields


def _permission(
    known: Known, visit: Visit, policy: Coverage, day: date
) -> tuple[RecordId | None, Authorization | None]:
    """The authorization that the visit names, else the one of its payer that covers the day."""
    if visit.authorization is not None and visit.authorization in known.permissions:
        return visit.authorization, known.permissions[visit.authorization]
    for id, one in known.permissions.items():
        open_ = (one.starts_on is None or one.starts_on <= day) and (one.ends_on is None or day <= one.ends_on)
        if one.status in _USABLE and open_ and (one.payer is None or one.payer == policy.payer):
            return id, one
    return None, None


def _rules(policy: Coverage, settings: ClaimsConfig) -> Rules:
    filing = policy.filing_indicator or ""
    return Rules(
        midpoint=filing in settings.midpoint, authorization_required=filing in settings.authorization_required,
        minutes_required=settings.minutes_required, pairs=filing not in settings.pairs_not_checked,
        extra_pairs=settings.extra_pairs,
    )  # fmt: skip


def _charged_before(known: Known, visit: Visit, day: date) -> Decimal:
    """Charges of the year's earlier visits under the same threshold: PT and speech together, OT apart."""
    occupational = _occupational(visit)
    earlier = (
        one
        for one in known.visits.values()
        if one.service_date and one.service_date.year == day.year and one.service_date < day
    )
    return sum(
        (one.amount or ZERO for each in earlier if _occupational(each) == occupational for one in each.charges), ZERO
    )


def _occupational(visit: Visit) -> bool:
    return any("GO" in one.modifiers for one in visit.charges)


def _held(id: RecordId, known: Known, found: list[Scrubbed]) -> Derived:
    """One task for all findings of a visit."""
    errors = [one for one in found if one.severity == "error"]
    told = [f"{f'Line {one.line}: ' if one.line else ''}{one.why} {one.fix} [{one.rule}]" for one in found]
    visit = known.visits[id]
    fields: dict[str, Any] = {
        "title": "Correct the visit before it can be billed." if errors else "Look at the visit's charges.",
        "state": "open", "kind": "claim-held" if errors else "claim-warning", "reason": " ".join(told)[:2000],
        "role": "biller", "about": id, "patient": known.patient,
        "money": sum((one.amount or ZERO for one in visit.charges), ZERO),
    }  # fmt: skip
    if visit.location is not None:
        fields["location"] = visit.location
    return Derived(type="Task", native_id=f"visit/{id}", fields=fields, patient=known.patient)
