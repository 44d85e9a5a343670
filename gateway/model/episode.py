"""A course of treatment and the plan it follows."""

from __future__ import annotations

from datetime import date
from typing import Literal

from msgspec import Struct

from gateway.model.identity import RecordId


class EpisodeOfCare(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One course of therapy for one problem, from evaluation to discharge (FHIR EpisodeOfCare)."""

    patient: RecordId | None = None
    """Whom it treats, a Patient (EpisodeOfCare.patient)."""
    status: Literal["planned", "active", "on-hold", "finished", "cancelled"] | None = None
    """How far it got (EpisodeOfCare.status)."""
    title: str | None = None
    """What the clinic calls it: left knee, post-surgical (EpisodeOfCare.type)."""
    location: RecordId | None = None
    """Clinic, a Location (EpisodeOfCare.managingOrganization)."""
    practitioner: RecordId | None = None
    """Lead therapist, a Practitioner (EpisodeOfCare.careManager)."""
    referral: RecordId | None = None
    """What started it, a Referral (EpisodeOfCare.referralRequest)."""
    diagnoses: tuple[str, ...] = ()
    """ICD-10-CM codes, primary first (DG1-3, EpisodeOfCare.diagnosis)."""
    onset_on: date | None = None
    """Day the problem began (DTP01 431)."""
    started_on: date | None = None
    """Day of the initial evaluation (DTP01 454, EpisodeOfCare.period.start)."""
    discharged_on: date | None = None
    """Day of discharge (EpisodeOfCare.period.end)."""


class PlanOfCare(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A certified plan of treatment (FHIR CarePlan; Medicare plan of care)."""

    patient: RecordId | None = None
    """Whom it treats, a Patient (CarePlan.subject)."""
    episode: RecordId | None = None
    """The EpisodeOfCare it belongs to (CarePlan.supportingInfo)."""
    practitioner: RecordId | None = None
    """Therapist who wrote it, a Practitioner (CarePlan.author)."""
    certifier: RecordId | None = None
    """Physician who certifies it, a Practitioner (CarePlan.contributor)."""
    status: Literal["draft", "sent", "certified", "expired", "revoked", "completed"] | None = None
    """Where the certification stands (CarePlan.status)."""
    diagnoses: tuple[str, ...] = ()
    """ICD-10-CM codes it treats (CarePlan.addresses)."""
    certified_from: date | None = None
    """First day of the certification period (CarePlan.period.start)."""
    certified_to: date | None = None
    """Last day of the certification period, at most 90 days later for Medicare (CarePlan.period.end)."""
    certified_on: date | None = None
    """Day the certifier signed."""
    planned_visits: int | None = None
    """Number of visits planned (HSD02 with HSD01 VS)."""
    frequency: str | None = None
    """How often, as written: 2x/week for 6 weeks (HSD03 to HSD06, CarePlan.activity.detail.scheduled)."""
    goals_total: int | None = None
    """Number of goals set (CarePlan.goal)."""
    goals_met: int | None = None
    """Number of goals reached (Goal.achievementStatus)."""
    discharged_on: date | None = None
    """Day treatment under it ended."""
