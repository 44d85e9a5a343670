"""One group for each patient: visits become claims, appointments become questions about the policy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import TypeVar, cast

from pydantic import BaseModel

from gateway.hookspecs import API_VERSION
from gateway.model.appointment import Appointment
from gateway.model.authorization import Authorization
from gateway.model.charge_item import ChargeItem
from gateway.model.claim import ClaimDecision
from gateway.model.coverage import Coverage
from gateway.model.exchange import Derivation, Derived, ReactorInfo, Snapshot
from gateway.model.identity import RecordId
from gateway.model.patient import Patient
from gateway.model.values import wall_day
from gateway.model.visit import Visit
from gateway_claims.config import ClaimsConfig
from gateway_claims.translate import Known, charged, charged_to, claim_of, eligibility_of, request_of
from gateway_claims.translate_policy import incomplete

T = TypeVar("T")
_GONE = frozenset({"cancelled", "no-show"})


class Claims:
    """Derives Submissions and Claims, and Tasks for what cannot be billed yet."""

    info = ReactorInfo(
        name="claims",
        version="2",
        api=API_VERSION,
        summary="Claims of signed visits after a scrub, eligibility checks, requests for authorizations",
        reads=frozenset(
            {"Patient", "Coverage", "Visit", "ChargeItem", "Appointment", "Authorization", "ClaimDecision"}
        ),
        writes=frozenset({"Submission", "Claim", "Task"}),
    )
    config: type[BaseModel] = ClaimsConfig

    def groups(self, snapshot: Snapshot, config: BaseModel) -> Sequence[str]:
        """The patient."""
        del config
        if snapshot.type == "Patient":
            return (f"patient:{snapshot.record_id}",)
        patient = getattr(snapshot.record, "patient", None) or snapshot.patient
        return (f"patient:{patient}",) if patient else ()

    def derive(self, key: str, members: Sequence[Snapshot], config: BaseModel, now: datetime) -> Derivation:
        """Every document that the patient's records ask for."""
        settings = cast("ClaimsConfig", config)
        there = sorted((one for one in members if not one.removed), key=lambda one: one.record_id)
        patient = RecordId(key.partition(":")[2])
        subject = next((one.record for one in there if isinstance(one.record, Patient)), None)
        if subject is None:
            return Derivation()
        items = _of(there, ChargeItem)
        known = Known(
            patient=patient, subject=subject, policies=_of(there, Coverage), permissions=_of(there, Authorization),
            visits=charged(_of(there, Visit), items), charged_to=charged_to(items),
            again={one.control_number: one.after for one in _of(there, ClaimDecision).values()},
        )  # fmt: skip
        records: list[Derived] = []
        if "claim" in settings.documents:
            for id, visit in known.visits.items():
                unnamed = settings.without_status and visit.status is None and visit.charges
                if visit.status in settings.ready or unnamed:
                    records += claim_of(id, visit, known, settings)
            if any(one.type == "Submission" for one in records):
                records += incomplete(known.policies, patient)
        if "authorization" in settings.documents:
            for id, asked in known.permissions.items():
                if asked.status == "requested":
                    records += request_of(id, asked, known, settings)
        again = None
        if "eligibility" in settings.documents:
            checks, again = _checks(_of(there, Appointment), known, settings, now)
            records += checks
        return Derivation(records=tuple(records), again=again)


def _of(members: Sequence[Snapshot], kind: type[T]) -> dict[RecordId, T]:
    return {one.record_id: one.record for one in members if isinstance(one.record, kind)}


def _checks(
    appointments: dict[RecordId, Appointment], known: Known, settings: ClaimsConfig, now: datetime
) -> tuple[list[Derived], datetime | None]:
    """A question about each policy for the first visit of each month that is near, and when the next one is."""
    first: dict[date, Appointment] = {}
    for one in sorted(appointments.values(), key=lambda each: each.start):
        if one.status not in _GONE and one.start >= now - timedelta(days=31):
            first.setdefault(wall_day(one.start, one.zone or settings.zone).replace(day=1), one)
    ahead = timedelta(days=settings.eligibility_days)
    near = [one for one in first.values() if one.start - ahead <= now]
    later = [one.start - ahead for one in first.values() if one.start - ahead > now]
    return list(_asked(near, known, settings)), min(later, default=None)


def _asked(near: Sequence[Appointment], known: Known, settings: ClaimsConfig) -> Iterator[Derived]:
    for appointment in near:
        for id, policy in known.policies.items():
            if policy.active is not False and policy.member_id:
                yield eligibility_of(id, policy, appointment, known, settings)
