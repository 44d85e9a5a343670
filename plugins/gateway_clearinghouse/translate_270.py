"""An eligibility submission to a 270 (005010X279A1): one patient, one payer, the service types asked about. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime

from gateway.model.submission import Submission
from gateway.wire.x12_write import Body, day
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


def eligibility(submission: Submission, parties: Parties, at: datetime) -> Document:
    """The 270 of one policy.

    Raises:
        InvalidContent: something the guide requires is missing.
    """
    on = submission.due_at.date() if submission.due_at else at.date()
    return Document(
        id="270",
        version="005010X279A1",
        body=(
            beginning("0022", "13", submission.control_number, at),
            ("HL", "1", "", "20", "1"),
            payer(parties.payer),
            ("HL", "2", "1", "21", "1"),
            clinic(parties),
            *_levels(submission, parties, on),
        ),
    )


def _levels(submission: Submission, parties: Parties, on: date) -> Iterator[Body]:
    subject, policy = held(submission)
    own = is_subscriber(policy)
    trace: Body = ("TRN", "1", submission.control_number[:50], f"9{parties.submitter.id}"[:10])
    yield ("HL", "3", "2", "22", "0" if own else "1")
    if own:
        yield trace
        yield patient(subject, "IL", member_id(policy))
    else:
        yield subscriber(policy)
        yield ("HL", "4", "3", "23", "0")
        yield trace
        yield patient(subject, "03")
    yield birth(subject)
    if not own:
        yield ("INS", "N", {"spouse": "01", "child": "19"}.get(policy.relationship or "", "34"))
    yield ("DTP", "291", "D8", day(on))
    yield ("EQ", submission.service_type or "30")
