"""What goes out to a payer, with everything about the patient that it must say."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from gateway.model.acknowledgement import Acknowledgement
from gateway.model.authorization import Authorization
from gateway.model.claim import Claim
from gateway.model.coordination import PriorDecision
from gateway.model.coverage import Coverage
from gateway.model.identity import RecordId
from gateway.model.patient import Patient
from gateway.model.values import Instant

SubmissionKind = Literal["claim", "eligibility", "authorization", "claim-status", "acknowledgement"]


class Submission(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One document for a payer: a claim (837P), a question (270, 276, 278), or that its own came in (TA1, 999).

    A sink sees one record at a time, so this one carries copies of what the document says about the patient. Payers,
    practitioners and organizations are named by their ids: they are no patient's and travel as records of their own.
    """

    kind: SubmissionKind
    """Which document it becomes."""
    control_number: str
    """Our number of it, which every answer repeats (CLM01, TRN02): the same each time it is derived."""
    patient: RecordId | None = None
    """Whom it is about, a Patient."""
    about: RecordId | None = None
    """The record that asks for it: a Visit, a Coverage, an Authorization or a Claim."""
    payer: RecordId | None = None
    """Who gets it, a Payer."""
    practitioner: RecordId | None = None
    """Who treats, a Practitioner (NM101 82, SJ)."""
    supervisor: RecordId | None = None
    """Who supervised an assistant, a Practitioner (NM101 DQ)."""
    location: RecordId | None = None
    """Where, a Location."""
    subject: Patient | None = None
    """The patient as known when it was made."""
    policy: Coverage | None = None
    """The policy it is about."""
    other_policies: tuple[Coverage, ...] = ()
    """Further policies that cover the day, in the order their payers pay."""
    prior: PriorDecision | None = None
    """What the payer before this one decided of the claim."""
    before: tuple[PriorDecision, ...] = ()
    """What the payers before that one decided, in the order they pay."""
    claim: Claim | None = None
    """What is billed, or asked about."""
    permission: Authorization | None = None
    """What is requested, or what allowed the treatment."""
    service_type: str | None = None
    """Service type code it asks about: PT, AD, AF, 30 (EQ01, UM03)."""
    place_of_service: str | None = None
    """Place of service code: 11 office, 12 home, 02 telehealth (CLM05-1)."""
    acknowledgement: Acknowledgement | None = None
    """What is acknowledged."""
    again: Instant | None = None
    """The last word about this claim when somebody had it sent once more: after each it is another document."""
    due_at: Instant | None = None
    """When it is needed: an eligibility answer before the visit."""


class FollowUp(Submission, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A document that follows from a claim that was sent: a question about it (276), or the claim to the next payer.

    A type of its own, because a reactor that reads submissions makes it, and none writes what it reads.
    """
