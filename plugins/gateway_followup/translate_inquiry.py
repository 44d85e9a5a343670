"""What a payer is asked about a claim that was made elsewhere: what its copy says of patient and policy. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from gateway.model.claim import Claim
from gateway.model.claim_progress import ClaimProgress
from gateway.model.coverage import Coverage
from gateway.model.exchange import Derived
from gateway.model.identity import RecordId
from gateway.model.patient import Patient
from gateway_followup.translate import answered_at, control_number
from gateway_followup.translate_wait import times_to_ask

if TYPE_CHECKING:
    from gateway_followup.config import InquiryConfig


class Asked(Struct, frozen=True, kw_only=True):
    """One claim that was made elsewhere, and whose it is."""

    patient: RecordId
    subject: Patient
    policy: Coverage
    claim: Claim
    progress: ClaimProgress


def inquiries(asked: Asked, settings: InquiryConfig, now: datetime) -> tuple[list[Derived], list[datetime]]:
    """The questions that were due until there was an answer, and when further ones are due."""
    sent, payer = asked.progress.sent_at, asked.claim.payer
    if sent is None or payer is None:
        return [], []
    answer = answered_at(asked.progress.history)
    until = min(now, answer) if answer else now
    times = times_to_ask(asked.policy, settings, sent)
    records = [_question(asked, turn) for turn, at in enumerate(times, 1) if at <= until]
    return records, [] if answer else [at for at in times if at > now]


def _question(asked: Asked, turn: int) -> Derived:
    claim, progress = asked.claim, asked.progress
    number = control_number("inquiry", progress.claim, turn)
    told = msgspec.structs.replace(claim, payer_claim_number=progress.payer_claim_number)
    subject = Patient(name=asked.subject.name, birth_date=asked.subject.birth_date, sex=asked.subject.sex)
    fields: dict[str, Any] = {
        "kind": "claim-status", "control_number": number, "patient": asked.patient, "about": progress.claim,
        "payer": claim.payer, "subject": msgspec.to_builtins(subject), "policy": msgspec.to_builtins(asked.policy),
        "claim": msgspec.to_builtins(told),
    }  # fmt: skip
    return Derived(type="FollowUp", native_id=f"inquiry/{number}", fields=fields, patient=asked.patient)
