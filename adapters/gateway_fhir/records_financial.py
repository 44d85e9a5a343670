"""Typed subsets of the resources about insurance, claims and payments, and of Consent."""

from __future__ import annotations

from decimal import Decimal

from gateway.model.identity import ALIAS
from gateway_fhir.records import (
    CodeableConcept,
    Coding,
    Element,
    Identifier,
    Marked,
    Money,
    Period,
    Quantity,
    Reference,
    Resource,
)
from gateway_fhir.records_reference import target


class CoverageClass(Element, frozen=True, kw_only=True, gc=False):
    type: CodeableConcept | None = None
    value: str | None = None
    name: str | None = None

    @property
    def type_code(self) -> str | None:
        """group, plan and so on."""
        return self.type.code if self.type else None


class Coverage(Resource, frozen=True, kw_only=True, gc=False):
    status: str | None = None
    subscriber_id: str | None = None
    beneficiary: Reference | None = None
    relationship: CodeableConcept | None = None
    period: Period | None = None
    payor: tuple[Reference, ...] = ()
    class_: tuple[CoverageClass, ...] = ()
    order: int | None = None
    subscriber: Reference | None = None


class BenefitAmount(Element, frozen=True, kw_only=True, gc=False):
    type: CodeableConcept | None = None
    allowed_unsigned_int: int | None = None
    allowed_string: str | None = None
    allowed_money: Money | None = None
    used_unsigned_int: int | None = None
    used_money: Money | None = None


class BenefitItem(Element, frozen=True, kw_only=True, gc=False):
    category: CodeableConcept | None = None
    network: CodeableConcept | None = None
    description: str | None = None
    excluded: bool | None = None
    benefit: tuple[BenefitAmount, ...] = ()
    authorization_required: bool | None = None


class EligibilityInsurance(Element, frozen=True, kw_only=True, gc=False):
    coverage: Reference | None = None
    inforce: bool | None = None
    item: tuple[BenefitItem, ...] = ()


class Fault(Element, frozen=True, kw_only=True, gc=False):
    code: CodeableConcept | None = None


class CoverageEligibilityResponse(Resource, frozen=True, kw_only=True, gc=False):
    status: str | None = None
    patient: Reference | None = None
    created: str | None = None
    outcome: str | None = None
    disposition: str | None = None
    insurance: tuple[EligibilityInsurance, ...] = ()
    error: tuple[Fault, ...] = ()


class Adjudication(Element, frozen=True, kw_only=True, gc=False):
    category: CodeableConcept | None = None
    reason: CodeableConcept | None = None
    amount: Money | None = None
    value: Decimal | None = None


class Diagnosis(Element, frozen=True, kw_only=True, gc=False):
    sequence: int | None = None
    diagnosis_codeable_concept: CodeableConcept | None = None


class CareTeamMember(Element, frozen=True, kw_only=True, gc=False):
    provider: Reference | None = None


class ClaimInsurance(Element, frozen=True, kw_only=True, gc=False):
    focal: bool | None = None
    coverage: Reference | None = None
    pre_auth_ref: tuple[str | None, ...] = ()


class ClaimItem(Element, frozen=True, kw_only=True, gc=False):
    """An item of a Claim, a ClaimResponse or an ExplanationOfBenefit, or an item that a payer added."""

    sequence: int | None = None
    item_sequence: int | tuple[int, ...] | None = None
    diagnosis_sequence: tuple[int, ...] = ()
    product_or_service: CodeableConcept | None = None
    modifier: tuple[CodeableConcept, ...] = ()
    serviced_date: str | None = None
    serviced_period: Period | None = None
    quantity: Quantity | None = None
    unit_price: Money | None = None
    factor: Decimal | None = None
    net: Money | None = None
    adjudication: tuple[Adjudication, ...] = ()
    detail: tuple[ClaimItem, ...] = ()


class RelatedClaim(Element, frozen=True, kw_only=True, gc=False):
    claim: Reference | None = None
    relationship: CodeableConcept | None = None
    reference: Identifier | None = None


class Claim(Marked, frozen=True, kw_only=True, gc=False):
    status: str | None = None
    use: str | None = None
    patient: Reference | None = None
    created: str | None = None
    insurer: Reference | None = None
    provider: Reference | None = None
    facility: Reference | None = None
    related: tuple[RelatedClaim, ...] = ()
    care_team: tuple[CareTeamMember, ...] = ()
    diagnosis: tuple[Diagnosis, ...] = ()
    insurance: tuple[ClaimInsurance, ...] = ()
    item: tuple[ClaimItem, ...] = ()
    total: Money | None = None


class Total(Element, frozen=True, kw_only=True, gc=False):
    category: CodeableConcept | None = None
    amount: Money | None = None


class Payment(Element, frozen=True, kw_only=True, gc=False):
    date: str | None = None
    amount: Money | None = None
    identifier: Identifier | None = None


class Answer(Marked, frozen=True, kw_only=True, gc=False):
    """What ClaimResponse and ExplanationOfBenefit have in common."""

    status: str | None = None
    use: str | None = None
    patient: Reference | None = None
    created: str | None = None
    insurer: Reference | None = None
    outcome: str | None = None
    disposition: str | None = None
    item: tuple[ClaimItem, ...] = ()
    add_item: tuple[ClaimItem, ...] = ()
    adjudication: tuple[Adjudication, ...] = ()
    total: tuple[Total, ...] = ()
    payment: Payment | None = None
    insurance: tuple[ClaimInsurance, ...] = ()
    error: tuple[Fault, ...] = ()


class ClaimResponse(Answer, frozen=True, kw_only=True, gc=False):
    request: Reference | None = None
    pre_auth_ref: str | None = None
    pre_auth_period: Period | None = None


class ExplanationOfBenefit(Answer, frozen=True, kw_only=True, gc=False):
    claim: Reference | None = None
    claim_response: Reference | None = None
    billable_period: Period | None = None
    pre_auth_ref: tuple[str | None, ...] = ()
    pre_auth_ref_period: tuple[Period, ...] = ()
    care_team: tuple[CareTeamMember, ...] = ()
    diagnosis: tuple[Diagnosis, ...] = ()

    @property
    def native_id(self) -> str:
        """That of the ClaimResponse it explains, where it names one: both tell of the same adjudication."""
        found = None if self.claim_response is None else target(self.claim_response)
        if found is None or found[0] != "ClaimResponse" or found[1].startswith(ALIAS):  # an alias is no record's id
            return f"{self.resource_type}/{self.id}"
        return found[1]


class PaymentDetail(Element, frozen=True, kw_only=True, gc=False):
    identifier: Identifier | None = None
    type: CodeableConcept | None = None
    request: Reference | None = None
    response: Reference | None = None
    amount: Money | None = None


class PaymentReconciliation(Resource, frozen=True, kw_only=True, gc=False):
    status: str | None = None
    period: Period | None = None
    payment_issuer: Reference | None = None
    payment_date: str | None = None
    payment_amount: Money | None = None
    payment_identifier: Identifier | None = None
    detail: tuple[PaymentDetail, ...] = ()


class Provision(Element, frozen=True, kw_only=True, gc=False):
    type: str | None = None
    period: Period | None = None
    purpose: tuple[Coding, ...] = ()
    code: tuple[CodeableConcept, ...] = ()


class Consent(Resource, frozen=True, kw_only=True, gc=False):
    status: str | None = None
    patient: Reference | None = None
    date_time: str | None = None
    source_reference: Reference | None = None
    provision: Provision | None = None
