"""A made-up clinic, payer and patients, and what they send."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

from gateway.model.authorization import Authorization
from gateway.model.claim import Claim, ClaimLine
from gateway.model.coverage import Coverage
from gateway.model.location import Location
from gateway.model.organization import Organization, Payer
from gateway.model.patient import Address, Patient, PersonName
from gateway.model.practitioner import Practitioner
from gateway.model.submission import Submission
from gateway_clearinghouse.translate_parties import Parties, Submitter

AT = datetime(2026, 7, 14, 9, 30, tzinfo=UTC)
HOME = Address(lines=("9 Test Rd",), city="Springfield", state="IL", postal_code="62702-0002")
CLINIC = Address(lines=("1 Clinic St",), city="Springfield", state="IL", postal_code="627010001")
PARTIES = Parties(
    submitter=Submitter(
        id="SUBM001", name="Example Physical Therapy LLC", phone="(555) 555-0100", receiver_id="CH001",
        receiver_name="Sample Clearinghouse",
    ),
    payer=Payer(name="Sample Health Plan", payer_id="SHP01", kind="commercial"),
    billing=Organization(
        name="Example Physical Therapy LLC", npi="1234567893", tax_id="12-3456789", addresses=(CLINIC,)
    ),
    practitioner=Practitioner(
        name=PersonName(family="Therapist", given="Tina"), npi="1987654328", taxonomy="225100000X"
    ),
    supervisor=Practitioner(name=PersonName(family="Overseer", given="Otto"), npi="1003000126"),
    location=Location(name="Example West", npi="1245319599", address=CLINIC),
)  # fmt: skip
PATIENT = Patient(
    name=PersonName(family="Tëster", given="Alice"), birth_date=date(1980, 1, 1), sex="female", addresses=(HOME,)
)
SELF = Coverage(member_id="MBR0001", group_number="GRP100", relationship="self")
CHILD = Coverage(member_id="MBR0001", relationship="child", subscriber_name="Tester, Paul", plan_name="Gold")
CLAIM = Claim(
    control_number="PCN-1001",
    charge=Decimal("250.00"),
    diagnoses=("M54.50", "M25.561"),
    authorization_number="AUTH123456",
    lines=(
        ClaimLine(
            procedure_code="97110", modifiers=("GP",), units=Decimal(2), charge=Decimal("150.00"),
            service_date=date(2026, 7, 1), diagnoses=("M54.50", "M25.561"), line_control_number="L1001-1",
        ),
        ClaimLine(
            procedure_code="97140", modifiers=("GP", "59"), units=Decimal(1), charge=Decimal("100.00"),
            service_date=date(2026, 7, 1), diagnoses=("M54.50",), line_control_number="L1001-2",
        ),
    ),
)  # fmt: skip
REQUEST = Authorization(
    status="requested", service_type="PT", visits_approved=12, service_codes=("97110",), units_approved=Decimal(24),
    starts_on=date(2026, 7, 15), ends_on=date(2026, 10, 14),
)  # fmt: skip


def submission(kind: str = "claim", policy: Coverage = SELF, claim: Claim | None = CLAIM) -> Submission:
    return Submission(
        kind=kind, control_number="PCN-1001", subject=PATIENT, policy=policy, claim=claim, permission=REQUEST,
        service_type="PT", payer="payer-1", practitioner="therapist-1", location="location-1",
    )  # fmt: skip
