"""Who is who in a document: the segments that name payer, clinic, therapist and patient, the same in every set."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from msgspec import Struct

from gateway.errors import InvalidContent
from gateway.model.coverage import Coverage
from gateway.model.location import Location
from gateway.model.organization import Organization, Payer
from gateway.model.patient import Address, Patient, PersonName
from gateway.model.practitioner import Practitioner
from gateway.model.submission import Submission
from gateway.wire.x12_write import Body, day, plain

_FILING = {"medicare": "MB", "medicaid": "MC", "workers-compensation": "WC", "auto": "AM", "commercial": "CI"}
"""Claim filing indicator by line of business, where the policy has none of its own (SBR09)."""


class Submitter(Struct, frozen=True, kw_only=True):
    """Who sends, as the clearinghouse knows us (loop 1000A), and whom it goes to (1000B)."""

    id: str
    name: str
    phone: str
    receiver_id: str
    receiver_name: str
    contact: str = "BILLING OFFICE"
    taxonomy: str = "261QP2000X"
    """Of the billing clinic (PRV03): physical therapy clinic unless it says otherwise."""


class Parties(Struct, frozen=True, kw_only=True):
    """The records that a submission names, as they stand when it is built."""

    submitter: Submitter
    payer: Payer
    billing: Organization
    practitioner: Practitioner | None = None
    supervisor: Practitioner | None = None
    location: Location | None = None
    prior_payers: tuple[Payer, ...] = ()
    """Who decided before, in that order, in a claim to a further payer."""
    later_payers: tuple[Payer | None, ...] = ()
    """Who pays after this payer: one for each further policy of the submission, None where it names no payer."""


class Document(Struct, frozen=True, kw_only=True):
    """What a builder makes of a submission: the body between ST and SE of one guide."""

    id: str
    version: str
    body: tuple[Body, ...]
    told: tuple[Body, ...] = ()
    """The part of the body by which it is known again, where that is not all of it but its own number and time."""

    @property
    def said(self) -> tuple[Body, ...]:
        """What must not change once it was sent."""
        return self.told or self.body[1:]


def need(value: str | None, place: str, what: str) -> str:
    """The value, or ``InvalidContent`` (reason ``incomplete-submission``) that says where it belongs and what it is."""
    if not value:
        raise InvalidContent(
            "incomplete-submission",
            f"The document needs {what}",
            where=place,
            fix="Enter it at its source; the document is built again by itself.",
        )
    return value


def beginning(structure: str, purpose: str, number: str, at: datetime, *more: str) -> Body:
    """BHT."""
    return ("BHT", structure, purpose, number[:50], f"{at:%Y%m%d}", f"{at:%H%M}", *more)


def payer(one: Payer, code: str = "PR") -> Body:
    """NM1 of a payer, by its electronic id."""
    name = need(plain(one.name, 60), f"NM1*{code}", "the payer's name")
    return ("NM1", code, "2", name, "", "", "", "", "PI", need(one.payer_id, f"NM1*{code}-09", "the payer's id"))


def clinic(parties: Parties, code: str = "1P") -> Body:
    """NM1 of the billing clinic, by its NPI."""
    one = parties.billing
    name = need(plain(one.name, 60), f"NM1*{code}", "the clinic's name")
    return ("NM1", code, "2", name, "", "", "", "", "XX", need(one.npi, f"NM1*{code}-09", "the clinic's NPI"))


def therapist(one: Practitioner, code: str) -> Iterator[Body]:
    """NM1 of a practitioner by NPI, and for who treats the taxonomy."""
    name = _name(one.name, f"NM1*{code}")
    yield ("NM1", code, "1", *name, "", "XX", need(one.npi, f"NM1*{code}-09", "the therapist's NPI"))
    if code == "82" and one.taxonomy:
        yield ("PRV", "PE", "PXC", one.taxonomy)


def patient(subject: Patient, code: str, member: str = "") -> Body:
    """NM1 of the patient: IL with the member id when it is the subscriber, QC or 03 without when it is a dependent."""
    end = ("", "MI", member) if member else ()
    return ("NM1", code, "1", *_name(subject.name, f"NM1*{code}"), *end)


def subscriber(policy: Coverage) -> Body:
    """NM1 of a subscriber who is not the patient, of whom the policy knows the name in one text."""
    text = need(policy.subscriber_name, "NM1*IL", "the subscriber's name")
    family, comma, given = text.partition(",")
    if not comma:
        given, _, family = text.rpartition(" ")
    name = plain(family, 60), plain(given, 35), "", ""
    return ("NM1", "IL", "1", *name, "", "MI", member_id(policy))


def member_id(policy: Coverage) -> str:
    """NM109 with NM108 MI."""
    return need(policy.member_id, "NM1*IL-09", "the member id of the policy")


def is_subscriber(policy: Coverage) -> bool:
    """Whether the patient holds the policy; a policy that says nothing is the patient's own."""
    return policy.relationship in (None, "self")


def birth(subject: Patient) -> Body:
    """DMG."""
    born = subject.birth_date
    sex = {"male": "M", "female": "F"}.get(subject.sex or "", "U")
    return ("DMG", "D8", need(day(born) if born else "", "DMG02", "the patient's date of birth"), sex)


def address(one: Address | None, place: str, *, full_zip: bool = False) -> Iterator[Body]:
    """N3 and N4."""
    if one is None or not one.lines:
        need("", place, "an address")
        return
    lines = [line for text in one.lines[:2] if (line := plain(text, 55))]
    city = need(plain(one.city, 30), f"{place} N401", "a city")
    code = "".join(sign for sign in one.postal_code or "" if sign.isdigit())
    code = code if len(code) in (5, 9) else ""
    if full_zip and len(code) == 5:
        code += "9998"  # what the guide's users write where the last four digits are not known
    state = need(plain(one.state, 2), f"{place} N402", "a state")
    yield ("N3", *lines)
    yield ("N4", city, state, need(code, f"{place} N403", "a ZIP code of five or nine digits"))


def filing(policy: Coverage, one: Payer) -> str:
    """SBR09: of the policy, else by the payer's line of business."""
    return policy.filing_indicator or _FILING.get(one.kind or "", "ZZ")


def held(submission: Submission) -> tuple[Patient, Coverage]:
    """The patient and the policy, which every document is about."""
    if submission.subject is None or submission.policy is None:
        raise InvalidContent("incomplete-submission", "The document needs a patient and a policy", where="loop 2000B")
    return submission.subject, submission.policy


def _name(name: PersonName | None, place: str) -> tuple[str, str, str, str]:
    """NM103 to NM106: family, given, middle, prefix (which the guides do not use)."""
    family = plain(name.family, 60) if name else ""
    given = plain(name.given, 35) if name else ""
    return need(family, f"{place}-03", "a family name"), given, plain(name.middle, 25) if name else "", ""
