"""A payer's explanation of a payment, claim by claim, and whether its amounts add up.

The three balances of an 835 are one equation, see :func:`imbalance`: a line's and a claim's payment is its charge less
its adjustments, and the transaction's payment is the sum of its claims' payments less the provider adjustments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date
from decimal import Decimal
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from gateway.model.identity import RecordId
from gateway.model.values import ZERO, Money, check_money

T = TypeVar("T")


def imbalance(total: Decimal, adjustments: Iterable[Decimal], paid: Decimal) -> Decimal:
    """What was paid less what should have been: ``paid - (total - sum(adjustments))``, zero when it balances."""
    return paid - (total - sum(adjustments, ZERO))


class Adjustment(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Why a payment differs from a charge (X12 CAS, one of its triplets)."""

    group: str
    """Who owes it: CO contractual, PR patient, OA other, PI payer initiated (CAS01)."""
    reason: str
    """Claim adjustment reason code, CARC (CAS02, CAS05 and so on)."""
    amount: Money
    """US dollars; positive reduces the payment (CAS03)."""
    quantity: Decimal | None = None
    """Units adjusted (CAS04)."""

    def __post_init__(self) -> None:
        check_money(self, "amount")


class ProviderAdjustment(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A change to the payment that belongs to no claim of this transaction (X12 PLB)."""

    reason: str
    """Provider adjustment code: WO overpayment recovery, FB forwarding balance, L6 interest (PLB03-1)."""
    amount: Money
    """US dollars; positive reduces the payment (PLB04)."""
    provider_id: str | None = None
    """Provider concerned (PLB01)."""
    reference: str | None = None
    """What it refers to, often an earlier claim (PLB03-2)."""
    fiscal_period_end: date | None = None
    """Last day of the provider's fiscal year (PLB02)."""

    def __post_init__(self) -> None:
        check_money(self, "amount")


class Balance(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Whether a remittance balances at each of the three levels of the 835 guide."""

    line: bool
    """Every service line: SVC02 less its CAS is SVC03."""
    claim: bool
    """Every claim: CLP03 less all its CAS is CLP04."""
    transaction: bool
    """The sum of CLP04 less the sum of PLB is BPR02."""
    lines_off: int = 0
    """Number of service lines that do not balance."""
    claims_off: int = 0
    """Number of claims that do not balance."""


class StatedAmount(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A figure that a payer states beside the balance, by its place in the standard (MIA, MOA, TS2, TS3)."""

    place: str
    """Segment and element: MOA02 is what the fee schedule allows, MIA04 the DRG amount."""
    amount: Money
    """US dollars."""

    def __post_init__(self) -> None:
        check_money(self, "amount")


class ProviderSummary(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a remittance sums up for one provider and kind of claim (X12 835 loop 2000)."""

    provider_id: str
    """Provider concerned (TS301)."""
    facility: str | None = None
    """Place of service code, or type of bill (TS302)."""
    fiscal_period_end: date | None = None
    """Last day of the provider's fiscal year (TS303)."""
    claim_count: int | None = None
    """Claims of it (TS304)."""
    charge_total: Money | None = None
    """Sum of their charges, US dollars (TS305)."""
    amounts: tuple[StatedAmount, ...] = ()
    """Further sums (TS306 to TS324, TS201 to TS219)."""

    def __post_init__(self) -> None:
        check_money(self, "charge_total")


class Remittance(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One payment advice of a payer (X12 835 ST to SE, FHIR PaymentReconciliation)."""

    amount: Money
    """Total paid, US dollars; negative when BPR03 is D (BPR02)."""
    trace_number: str
    """Check or EFT number, which the bank repeats (TRN02)."""
    method: str | None = None
    """ACH, CHK, BOP, FWT or NON for no payment (BPR04)."""
    handling: str | None = None
    """I payment with advice, H notice only (BPR01)."""
    payment_date: date | None = None
    """Day the money moves (BPR16)."""
    production_date: date | None = None
    """Last day covered by the payer's run (DTM01 405)."""
    payer: RecordId | None = None
    """Who paid, a Payer."""
    payer_name: str | None = None
    """Its name as sent (N102 with N101 PR)."""
    payer_id: str | None = None
    """Its identifier as sent: 1 and the tax number (TRN03)."""
    payee_name: str | None = None
    """Who was paid (N102 with N101 PE)."""
    payee_id: str | None = None
    """NPI or tax number of the payee (N104)."""
    payee_id_type: str | None = None
    """XX for an NPI, FI for a tax number (N103)."""
    provider_adjustments: tuple[ProviderAdjustment, ...] = ()
    """Changes outside any claim (PLB)."""
    claim_count: int | None = None
    """Number of claim payments (CLP)."""
    charge_total: Money | None = None
    """Sum of their charges, US dollars (CLP03)."""
    paid_total: Money | None = None
    """Sum of their payments, US dollars (CLP04)."""
    balanced: bool | None = None
    """Whether the transaction balances: the difference is zero."""
    difference: Money | None = None
    """BPR02 less (sum of CLP04 less sum of PLB04), US dollars."""
    summaries: tuple[ProviderSummary, ...] = ()
    """What it sums up for each provider (TS3, TS2)."""
    balance: Balance | None = None
    """The verdict at each of the three levels."""

    def __post_init__(self) -> None:
        check_money(self, "amount", "charge_total", "paid_total", "difference")


class ServiceLine(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One adjudicated service (X12 835 loop 2110)."""

    procedure_code: str
    """CPT or HCPCS code paid (SVC01-2)."""
    charge: Money
    """Charged amount, US dollars (SVC02)."""
    paid: Money
    """Paid amount, US dollars (SVC03)."""
    qualifier: str | None = None
    """Code list of the procedure: HC for CPT and HCPCS (SVC01-1)."""
    modifiers: tuple[str, ...] = ()
    """Modifiers in order (SVC01-3 to SVC01-6)."""
    units: Decimal | None = None
    """Units paid (SVC05)."""
    submitted_code: str | None = None
    """Procedure code billed, when the payer changed it (SVC06-2)."""
    submitted_units: Decimal | None = None
    """Units billed, when the payer changed them (SVC07)."""
    starts_on: date | None = None
    """Day of service, or the first of several (DTM01 472 or 150)."""
    ends_on: date | None = None
    """Last day of service (DTM01 151)."""
    line_control_number: str | None = None
    """The biller's number of the line (REF01 6R)."""
    allowed: Money | None = None
    """Allowed amount, US dollars; not part of the balance (AMT01 B6)."""
    adjustments: tuple[Adjustment, ...] = ()
    """Why paid differs from charge (CAS)."""
    remarks: tuple[str, ...] = ()
    """Remittance advice remark codes, RARC (LQ02 with LQ01 HE)."""
    difference: Money | None = None
    """Paid less (charge less adjustments), US dollars; absent when zero."""

    def __post_init__(self) -> None:
        check_money(self, "charge", "paid", "allowed", "difference")


class ClaimPayment(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One claim's adjudication (X12 835 loop 2100, FHIR ClaimResponse)."""

    status: str
    """What the payer did, as a word of the claim status table: processed-primary, denied, reversal ... (CLP02)."""
    charge: Money
    """Total charged, US dollars (CLP03)."""
    paid: Money
    """Total paid, US dollars; negative in a reversal (CLP04)."""
    remittance: RecordId | None = None
    """The Remittance it belongs to."""
    patient: RecordId | None = None
    """Whose claim it is, a Patient."""
    claim: RecordId | None = None
    """What it answers, a Claim."""
    ordinal: int | None = None
    """Place within the transaction from 1, where the source tells it."""
    patient_control_number: str | None = None
    """The biller's number of the claim (CLP01)."""
    payer_claim_number: str | None = None
    """The payer's number of the claim (CLP07)."""
    patient_responsibility: Money | None = None
    """What the patient owes, US dollars; not part of the balance (CLP05)."""
    filing_indicator: str | None = None
    """Claim filing indicator: MB Medicare B, 12 PPO (CLP06)."""
    facility: str | None = None
    """Place of service code (CLP08)."""
    frequency: str | None = None
    """1 original, 7 replacement, 8 void (CLP09)."""
    patient_name: str | None = None
    """The patient's name as the payer wrote it (NM1 with NM101 QC)."""
    member_id: str | None = None
    """The patient's member number (NM109 with NM101 QC or IL)."""
    rendering_npi: str | None = None
    """NPI of the therapist (NM109 with NM101 82)."""
    authorization_number: str | None = None
    """Prior authorization number (REF01 G1)."""
    starts_on: date | None = None
    """First day of service (DTM01 232)."""
    ends_on: date | None = None
    """Last day of service (DTM01 233)."""
    paid_on: date | None = None
    """Day the remittance's money moves, which is when the claim was decided (BPR16)."""
    received_on: date | None = None
    """Day the payer received the claim (DTM01 050)."""
    allowed: Money | None = None
    """Coverage amount, US dollars (AMT01 AU)."""
    interest: Money | None = None
    """Interest paid, US dollars (AMT01 I)."""
    adjustments: tuple[Adjustment, ...] = ()
    """Adjustments of the claim as a whole (CAS of loop 2100)."""
    corrects: RecordId | None = None
    """The ClaimPayment of the same transaction that reversed an earlier one and that this one replaces (CLP02 22)."""
    corrected_name: str | None = None
    """The patient's or insured's name as the payer has it (NM103, NM104 with NM101 74)."""
    corrected_member_id: str | None = None
    """The member number as the payer has it (NM109 with NM101 74)."""
    forwarded_to: str | None = None
    """Payer that the claim was passed on to (NM103 with NM101 TT)."""
    forwarded_to_id: str | None = None
    """Its identifier (NM109 with NM101 TT)."""
    other_payer: str | None = None
    """Payer that should have been billed first (NM103 with NM101 PR)."""
    other_payer_id: str | None = None
    """Its identifier (NM109 with NM101 PR)."""
    group_number: str | None = None
    """Group or policy number (REF01 1L)."""
    original_claim_number: str | None = None
    """The payer's number of the claim that this one replaces (REF01 F8)."""
    coverage_ends_on: date | None = None
    """Day the cover ended (DTM01 036)."""
    patient_paid: Money | None = None
    """What the patient had paid, US dollars (AMT01 F5)."""
    discount: Money | None = None
    """Discount for prompt payment, US dollars (AMT01 D8)."""
    outpatient_rate: Decimal | None = None
    """Reimbursement rate of an outpatient claim as a fraction (MOA01)."""
    remarks: tuple[str, ...] = ()
    """Remark codes of the claim, RARC (MOA03 to MOA07, MIA05, MIA20 to MIA23)."""
    stated: tuple[StatedAmount, ...] = ()
    """Amounts that Medicare states beside the balance (MOA02, MOA08, MOA09, MIA04 and so on)."""
    lines: tuple[ServiceLine, ...] = ()
    """Services paid or denied (loop 2110)."""
    line_balanced: bool | None = None
    """Whether every service line balances."""
    claim_balanced: bool | None = None
    """Whether the claim balances: the difference is zero."""
    difference: Money | None = None
    """CLP04 less (CLP03 less every CAS of claim and lines), US dollars."""

    def __post_init__(self) -> None:
        check_money(self, "charge", "paid", "patient_responsibility", "allowed", "interest", "difference")
        check_money(self, "patient_paid", "discount")


def counted_once(payments: Iterable[T], record_of: Callable[[T], ClaimPayment]) -> list[T]:
    """Claim payments without those that another remittance of the same day tells in the same words.

    That is one 835 that came by two channels; two equal claims of one remittance are two.
    """
    first: dict[ClaimPayment, RecordId | None] = {}
    kept: list[T] = []
    for one in payments:
        record = record_of(one)
        said = replace(record, remittance=None, claim=None, patient=None, corrects=None, ordinal=None)
        if record.paid_on is None or first.setdefault(said, record.remittance) == record.remittance:
            kept.append(one)
    return kept
