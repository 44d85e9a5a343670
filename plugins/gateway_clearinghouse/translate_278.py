"""A request for an authorization to a 278 (005010X217): visits and units of therapy in a period. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from gateway.errors import InvalidContent
from gateway.model.authorization import Authorization
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
    therapist,
)


def authorization(submission: Submission, parties: Parties, at: datetime) -> Document:
    """The 278 of one requested authorization.

    Raises:
        InvalidContent: something the guide requires is missing.
    """
    asked = submission.permission
    if asked is None:
        raise InvalidContent("incomplete-submission", "The request needs what is requested", where="loop 2000E")
    levels = list(_levels(submission, parties))
    parent = sum(segment[0] == "HL" for segment in levels) + 2
    return Document(
        id="278",
        version="005010X217",
        body=(
            beginning("0007", "13", submission.control_number, at),
            ("HL", "1", "", "20", "1"),
            payer(parties.payer, "X3"),
            ("HL", "2", "1", "21", "1"),
            clinic(parties),
            ("PER", "IC", plain(parties.submitter.contact, 60), "TE", _digits(parties.submitter.phone)),
            *levels,
            *_event(submission, asked, parties, parent),
        ),
    )


def _digits(text: str) -> str:
    return "".join(sign for sign in text if sign.isdigit())


def _levels(submission: Submission, parties: Parties) -> Iterator[Body]:
    del parties  # the patient's levels name nobody else
    subject, policy = held(submission)
    yield ("HL", "3", "2", "22", "1")
    if is_subscriber(policy):
        yield patient(subject, "IL", member_id(policy))
    else:
        yield subscriber(policy)
        yield ("HL", "4", "3", "23", "1")
        yield patient(subject, "QC")
    yield birth(subject)


def _event(submission: Submission, asked: Authorization, parties: Parties, parent: int) -> Iterator[Body]:
    """The event (EV), and a service (SS) for each procedure that is named."""
    kind = asked.service_type or submission.service_type or "PT"
    place = (submission.place_of_service or "11", "B")
    event = parent + 1
    yield ("HL", str(event), str(parent), "EV", "1" if asked.service_codes else "0")
    yield ("TRN", "1", submission.control_number[:50], f"9{parties.submitter.id}"[:10])
    yield ("UM", "HS", "R" if asked.number else "I", kind, place)
    if asked.number:
        yield ("REF", "BB", asked.number)
    if asked.starts_on:
        yield ("DTP", "AAH", *period(asked.starts_on, asked.ends_on))
    diagnoses = submission.claim.diagnoses if submission.claim else ()
    if diagnoses:
        coded = (("ABK" if not at else "ABF", code.replace(".", "")) for at, code in enumerate(diagnoses[:12]))
        yield ("HI", *coded)
    if asked.visits_approved is not None:
        yield ("HSD", "VS", str(asked.visits_approved))
    if parties.practitioner:
        yield from therapist(parties.practitioner, "SJ")
    for at, code in enumerate(asked.service_codes, event + 1):
        yield ("HL", str(at), str(event), "SS", "0")
        yield ("UM", "HS", "R" if asked.number else "I", kind)
        if asked.starts_on:
            yield ("DTP", "472", *period(asked.starts_on, asked.ends_on))
        alone = len(asked.service_codes) == 1  # units are of the whole; the guide asks for them service by service
        units = ("UN", number(asked.units_approved)) if alone and asked.units_approved is not None else ()
        yield ("SV1", ("HC", code), "", *units)
