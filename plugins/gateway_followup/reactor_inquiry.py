"""One group for each patient: questions about claims that were made elsewhere, for which no answer came."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar, cast

from msgspec import Struct
from pydantic import BaseModel

from gateway.hookspecs import API_VERSION, Reactor, hookimpl
from gateway.model.claim import Claim
from gateway.model.claim_progress import ClaimProgress
from gateway.model.coverage import Coverage
from gateway.model.exchange import Derivation, Derived, ReactorInfo, Snapshot
from gateway.model.identity import RecordId
from gateway.model.patient import Patient
from gateway_followup.config import InquiryConfig
from gateway_followup.translate_inquiry import Asked, inquiries

T = TypeVar("T", bound=Struct)


class Inquiries:
    """Derives questions (276) about claims of which only a copy is known."""

    info = ReactorInfo(
        name="inquiries",
        version="1",
        api=API_VERSION,
        summary="Status questions about claims that were made elsewhere and are known as copies",
        docs="docs/how-to/follow-claims.md",
        reads=frozenset({"Patient", "Coverage", "Claim", "ClaimProgress"}),
        writes=frozenset({"FollowUp"}),
    )
    config: type[BaseModel] = InquiryConfig

    def groups(self, snapshot: Snapshot, config: BaseModel) -> Sequence[str]:
        """The patient; of claims only what travelled, and of progress only that of claims made elsewhere."""
        del config
        match snapshot.record:
            case Patient():
                return (f"patient:{snapshot.record_id}",)
            case Claim(transmission=None) | ClaimProgress(made_here=True):
                return ()
        patient = getattr(snapshot.record, "patient", None)
        return (f"patient:{patient}",) if patient else ()

    def derive(self, key: str, members: Sequence[Snapshot], config: BaseModel, now: datetime) -> Derivation:
        """The questions that were due until the payer answered."""
        settings = cast("InquiryConfig", config)
        there = sorted((one for one in members if not one.removed), key=lambda one: one.record_id)
        subject = next((one.record for one in there if isinstance(one.record, Patient)), None)
        if subject is None:
            return Derivation()
        patient = RecordId(key.partition(":")[2])
        claims, policies = _of(there, Claim), _of(there, Coverage)
        records: list[Derived] = []
        times: list[datetime] = []
        for progress in _of(there, ClaimProgress).values():
            claim = claims.get(progress.claim) if progress.claim else None
            policy = policies.get(claim.coverage) if claim and claim.coverage else None
            if claim is None or policy is None:
                continue
            asked = Asked(patient=patient, subject=subject, policy=policy, claim=claim, progress=progress)
            made, later = inquiries(asked, settings, now)
            records += made
            times += later
        return Derivation(records=tuple(records), again=min(times, default=None))


def _of(members: Sequence[Snapshot], kind: type[T]) -> dict[RecordId, T]:
    return {one.record_id: one.record for one in members if isinstance(one.record, kind)}


@hookimpl
def gateway_reactors() -> Sequence[Reactor]:
    """The reactor ``inquiries``: a plugin of its own, because plugins are loaded by the names that settings use."""
    return (Inquiries(),)
