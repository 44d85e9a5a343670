"""A claim status submission to a 276 (005010X212): what became of a claim. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from gateway.errors import InvalidContent
from gateway.model.submission import Submission
from gateway.wire.x12_write import Body, number, period, plain
from gateway_clearinghouse.translate_parties import (
    Document,
    Parties,
    beginning,
    birth,
    clinic,
    held,
    is_subscriber,
    member_id,
    patient,
    payer,
    subscriber,
)


def claim_status(submission: Submission, parties: Parties, at: datetime) -> Document:
    """The 276 of one claim.

    Raises:
        InvalidContent: something the guide requires is missing.
    """
    return Document(
        id="276",
        version="005010X212",
        body=(
            beginning("0010", "13", submission.control_number, at),
            ("HL", "1", "", "20", "1"),
            payer(parties.payer),
            ("HL", "2", "1", "21", "1"),
            ("NM1", "41", "2", plain(parties.submitter.name, 60), "", "", "", "", "46", parties.submitter.id),
            ("HL", "3", "2", "19", "1"),
            clinic(parties),
            *_levels(submission),
        ),
    )


def _levels(submission: Submission) -> Iterator[Body]:
    subject, policy = held(submission)
    claim = submission.claim
    if claim is None:
        raise InvalidContent("incomplete-submission", "The question needs the claim it is about", where="TRN02")
    own = is_subscriber(policy)
    yield ("HL", "4", "3", "22", "0" if own else "1")
    if own:
        yield birth(subject)
        yield patient(subject, "IL", member_id(policy))
    else:
        yield subscriber(policy)
        yield ("HL", "5", "4", "23", "0")
        yield birth(subject)
        yield patient(subject, "QC")
    yield ("TRN", "1", claim.control_number)
    if claim.payer_claim_number:
        yield ("REF", "1K", claim.payer_claim_number)
    if claim.charge is not None:
        yield ("AMT", "T3", number(claim.charge))
    days = sorted(line.service_date for line in claim.lines if line.service_date)
    if days:
        yield ("DTP", "472", *period(days[0], days[-1]))
