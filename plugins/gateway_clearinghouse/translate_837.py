"""A claim submission to an 837P (005010X222A1). Pure: the time is handed in.

Every claim lists the other payers of the day (loops 2320, 2330). One to a further payer tells every decision before
(also in 2430); without them it is refused rather than sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

from gateway.errors import InvalidContent
from gateway.model.claim import Claim, ClaimLine
from gateway.model.submission import Submission
from gateway.wire.x12_write import Body, day, number, plain
from gateway_clearinghouse.translate_coordination import decided_line, later_payers, other_payers, turn
from gateway_clearinghouse.translate_parties import (
    Document,
    Parties,
    address,
    beginning,
    birth,
    clinic,
    filing,
    held,
    is_subscriber,
    member_id,
    need,
    patient,
    payer,
    subscriber,
    therapist,
)

MAX_LINES = 50
MAX_DIAGNOSES = 12
_PAT = {"spouse": "01", "child": "19", "other": "G8"}
"""The patient's relationship to the subscriber (PAT01)."""


def claim(submission: Submission, parties: Parties, at: datetime) -> Document:
    """The 837P of one claim.

    Raises:
        InvalidContent: something the guide requires is missing, or the amounts do not add up.
    """
    one = submission.claim
    if one is None or not 0 < len(one.lines) <= MAX_LINES or not 0 < len(one.diagnoses) <= MAX_DIAGNOSES:
        raise InvalidContent(
            "incomplete-submission",
            f"A claim needs 1 to {MAX_LINES} lines and 1 to {MAX_DIAGNOSES} diagnoses",
            where="loop 2300",
        )
    charge = sum((line.charge for line in one.lines), Decimal("0.00"))
    if one.charge is not None and one.charge != charge:
        raise InvalidContent("unbalanced-claim", "The lines do not add up to the claim's charge", where="CLM02")
    start = beginning("0019", "00", submission.control_number, at, "CH")
    head = (
        *_envelope(parties),
        *_billing(parties),
        *_insured(submission, parties),
        *_claim(submission, one, parties, charge),
        *other_payers(submission, parties),
    )
    lines = tuple(
        segment
        for place, line in enumerate(one.lines, 1)
        for segment in (*_line(one, line, place), *decided_line(submission, parties, place))
    )
    # A policy that is entered after the claim went out changes nothing that was billed.
    body = (start, *head, *later_payers(submission, parties), *lines)
    return Document(id="837", version="005010X222A1", body=body, told=(*head, *lines))


def _envelope(parties: Parties) -> Iterator[Body]:
    sender = parties.submitter
    yield ("NM1", "41", "2", plain(sender.name, 60), "", "", "", "", "46", sender.id)
    yield ("PER", "IC", plain(sender.contact, 60), "TE", "".join(sign for sign in sender.phone if sign.isdigit()))
    yield ("NM1", "40", "2", plain(sender.receiver_name, 60), "", "", "", "", "46", sender.receiver_id)


def _billing(parties: Parties) -> Iterator[Body]:
    one = parties.billing
    yield ("HL", "1", "", "20", "1")
    yield ("PRV", "BI", "PXC", parties.submitter.taxonomy)
    yield clinic(parties, "85")
    yield from address(one.addresses[0] if one.addresses else None, "loop 2010AA", full_zip=True)
    tax = need(one.tax_id, "REF*EI", "the clinic's tax number")
    yield ("REF", "EI", tax.replace("-", ""))


def _insured(submission: Submission, parties: Parties) -> Iterator[Body]:
    """Loops 2000B and, when the patient is a dependent, 2000C."""
    subject, policy = held(submission)
    if (policy.priority or 1) != 1 and submission.prior is None:
        raise InvalidContent(
            "secondary-claim",
            "A claim to a further payer needs the decisions before, which are not there",
            where="SBR01",
            fix="Let the reactor followup make it, or let the first payer pass it on.",
        )
    own = is_subscriber(policy)
    home = subject.addresses[0] if subject.addresses else None
    yield ("HL", "2", "1", "22", "0" if own else "1")
    group = plain(policy.group_number, 50)
    plan = "" if group else plain(policy.plan_name, 60)
    relation = "18" if own else ""
    yield ("SBR", turn(submission), relation, group, plan, "", "", "", "", filing(policy, parties.payer))
    yield patient(subject, "IL", member_id(policy)) if own else subscriber(policy)
    if own:
        yield from address(home, "loop 2010BA")
        yield birth(subject)
    yield payer(parties.payer)
    if not own:
        yield ("HL", "3", "2", "23", "0")
        yield ("PAT", _PAT[policy.relationship or "other"])
        yield patient(subject, "QC")
        yield from address(home, "loop 2010CA")
        yield birth(subject)


def _claim(submission: Submission, one: Claim, parties: Parties, charge: Decimal) -> Iterator[Body]:
    """Loop 2300 with its providers."""
    place = submission.place_of_service or "11"
    frequency = one.frequency or "1"
    yield ("CLM", _control(one.control_number), number(charge), "", "", (place, "B", frequency), "Y", "A", "Y", "Y")
    if one.authorization_number:
        yield ("REF", "G1", one.authorization_number)
    if frequency in ("7", "8"):
        yield ("REF", "F8", need(one.payer_claim_number, "REF*F8", "the payer's number of the claim it replaces"))
    codes = (code.replace(".", "") for code in one.diagnoses)
    yield ("HI", *(("ABK" if first else "ABF", code) for first, code in zip(_first(), codes, strict=False)))
    if parties.practitioner:
        yield from therapist(parties.practitioner, "82")
    site = parties.location
    if site and site.npi and site.npi != parties.billing.npi and site.address:
        yield ("NM1", "77", "2", plain(site.name, 60), "", "", "", "", "XX", site.npi)
        yield from address(site.address, "loop 2310C", full_zip=True)
    if parties.supervisor:
        yield from therapist(parties.supervisor, "DQ")


def _first() -> Iterator[bool]:
    yield True
    while True:
        yield False


def _control(text: str) -> str:
    if not 0 < len(text) <= 20:  # payers keep no more, and the answer would not be found again
        raise InvalidContent("not-writable", "A claim's control number has 1 to 20 characters", where="CLM01")
    return text


def _line(one: Claim, line: ClaimLine, place: int) -> Iterator[Body]:
    """Loop 2400."""
    pointers = tuple(str(one.diagnoses.index(code) + 1) for code in line.diagnoses[:4] if code in one.diagnoses)
    yield ("LX", str(place))
    procedure = ("HC", line.procedure_code, *line.modifiers[:4])
    units = number(line.units if line.units is not None else 1)
    yield ("SV1", procedure, number(line.charge), "UN", units, "", "", pointers or ("1",))
    treated = line.service_date
    yield ("DTP", "472", "D8", need(day(treated) if treated else "", "DTP*472", "the day of treatment"))
    if line.line_control_number:
        yield ("REF", "6R", line.line_control_number)
