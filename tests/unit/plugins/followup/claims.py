"""One claim of two lines and two policies, what payers say of it, and what follows."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import msgspec

from gateway.model import fold
from gateway.model.claim import Claim, ClaimLine, ClaimStatus, ClaimStatusReport, Transmission
from gateway.model.coverage import Coverage
from gateway.model.exchange import Derivation, Snapshot
from gateway.model.patient import Patient, PersonName
from gateway.model.remittance import Adjustment, ClaimPayment, ServiceLine
from gateway.model.submission import Submission
from gateway_followup.config import FollowUpConfig
from gateway_followup.reactor import FollowUps

SENT = datetime(2026, 7, 1, 12, tzinfo=UTC)
FIRST = Coverage(member_id="M1", payer="payer-1", filing_indicator="MB", priority=1)
SECOND = Coverage(member_id="M2", payer="payer-2", priority=2)
LINES = (
    ClaimLine(procedure_code="97110", charge=Decimal("150.00"), line_control_number="C101"),
    ClaimLine(procedure_code="97140", charge=Decimal("100.00"), line_control_number="C102"),
)
DRAFT = Claim(control_number="C1", patient="patient-1", charge=Decimal("250.00"), lines=LINES, diagnoses=("M54.50",))
COPY = msgspec.structs.replace(
    DRAFT, patient="payer-patient", transmission=Transmission(interchange="000000007", group="7", transaction="0001")
)
SUBMISSION = Submission(
    kind="claim", control_number="C1", patient="patient-1", payer="payer-1", location="location-1",
    subject=Patient(name=PersonName(family="Test", given="Tina"), birth_date=date(1980, 1, 1)), policy=FIRST,
    other_policies=(SECOND,), claim=DRAFT,
)  # fmt: skip
REACTOR = FollowUps()


def snapshot(record, *, days: float = 0, number: int = 1, source: str = "x12") -> Snapshot:
    """A record as a reactor sees it, so many days after the claim was sent."""
    at = (SENT + timedelta(days=days)).isoformat()
    return Snapshot(
        type=type(record).__name__, record_id=f"{type(record).__name__}-{number}", source=source, version=1,
        removed=False, patient=getattr(record, "patient", None), at=at, observed_at=at, record=record,
    )  # fmt: skip


MADE = (snapshot(SUBMISSION, source="reactor.claims"), snapshot(COPY))


def report(outcome: str, *, days: float, number: int = 1, document: str = "277CA") -> Snapshot:
    """What a clearinghouse or payer says of the claim."""
    record = ClaimStatusReport(
        report=document, level="claim", outcome=outcome, control_number="C1",
        statuses=(ClaimStatus(category="A2", code="20"),), payer_claim_number="P77",
    )  # fmt: skip
    return snapshot(record, days=days, number=number)


def paid(*, days: float = 10, number: int = 1, **changed) -> Snapshot:
    """The first payer's decision; ``changed`` fields differ."""
    record = ClaimPayment(
        status="processed-primary", charge=Decimal("250.00"), paid=Decimal("120.00"), patient_control_number="C1",
        payer_claim_number="P77", paid_on=date(2026, 7, 11),
        lines=(
            ServiceLine(
                procedure_code="97110", charge=Decimal("150.00"), paid=Decimal("120.00"), line_control_number="C101",
                adjustments=(Adjustment(group="PR", reason="2", amount=Decimal("30.00")),),
            ),
            ServiceLine(
                procedure_code="97140", charge=Decimal("100.00"), paid=Decimal("0.00"), line_control_number="C102",
                adjustments=(Adjustment(group="CO", reason="45", amount=Decimal("100.00")),),
            ),
        ),
    )  # fmt: skip
    return snapshot(msgspec.structs.replace(record, **changed), days=days, number=number)


def derived(*members: Snapshot, days: float, key: str = "claim:C1", **settings) -> Derivation:
    """What follows so many days after the claim was sent; each record is a canonical one."""
    config = FollowUpConfig.model_validate(settings)
    derivation = REACTOR.derive(key, members, config, SENT + timedelta(days=days))
    for one in derivation.records:
        fold(one.type, None, msgspec.json.decode(msgspec.json.encode(one.fields)))
    return derivation


def of(derivation: Derivation, type_: str) -> list[dict]:
    """Fields of the records of one type."""
    return [one.fields for one in derivation.records if one.type == type_]
