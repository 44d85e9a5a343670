"""Bytes of the API to records: envelopes, calendar pages, cases with their insurance cards, authorizations, notices.

A key that is absent changes nothing, a JSON null deletes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from msgspec import Raw, Struct

from gateway.errors import InvalidContent, LimitExceeded, SourceUnavailable
from gateway.model.exchange import Finding, Item
from gateway.wire.json_decoder import decoder

Record = dict[str, Any]
APPOINTMENT, CASE, CARD, AUTHORIZATION = "appointment", "case", "insurance_card", "authorization"
UNLISTED = "unlisted"  # made here, of an appointment that no calendar lists any more
EVENTS = (
    "patient.created", "patient.updated", "appointment.created", "appointment.updated", "appointment.cancelled",
    "case.created", "case.updated",
)  # fmt: skip
KINDS = (APPOINTMENT, CASE, CARD, AUTHORIZATION, UNLISTED, *EVENTS)
SUCCESS, _MOST_BYTES = 2000, 16 * 1024 * 1024
_record = decoder(Record)


class Context(Struct, frozen=True, omit_defaults=True):
    """What a message needs beside its bytes."""

    kind: str
    status_field: str = "status"
    """Field of an appointment that holds its status."""
    patient: str = ""
    case: str = ""
    """Whose insurance card it is, and of which case."""


context = decoder(Context)


class _Envelope(Struct, frozen=True):
    code: int
    data: Raw = Raw(b"null")


class CalendarPage(Struct, frozen=True):
    """One page of one calendar; ``total`` counts the rows of all its pages."""

    content: tuple[Raw, ...]
    pages: int = 1
    total: int = 0


class Notice(Struct, frozen=True):
    """One webhook: ids and a status."""

    event_id: str
    event_type: str
    data: Record


class _Who(Struct, frozen=True):
    patient_id: str | int | None = None


class _Booked(Struct, frozen=True):
    appointment_id: str | int
    patient: _Who | None = None
    spry_case_id: str | None = None


class _Timed(_Booked, frozen=True):
    date_time: str | int | None = None


class _Case(Struct, frozen=True):
    spry_case_id: str
    patient_id: str | int | None = None
    insurance_card_list: tuple[Raw, ...] | None = None


class _Card(Struct, frozen=True):
    insurance_card_id: str | int


class _Permit(Struct, frozen=True):
    authorization_id: str | int
    patient_id: str | int | None = None


_envelope = decoder(_Envelope)
_calendar = decoder(CalendarPage)
_list = decoder(tuple[Raw, ...])
_notice = decoder(Notice)
_booked = decoder(_Booked)
_timed = decoder(_Timed)
_case = decoder(_Case)
_card = decoder(_Card)
_permit = decoder(_Permit)


def opened(body: bytes) -> bytes:
    """What an envelope holds.

    Raises:
        SourceUnavailable: its code is not success; the vendor sends such answers with HTTP 200 too.
        msgspec.DecodeError: it is cut, or of another shape.
    """
    envelope = _envelope(body)
    if envelope.code != SUCCESS:
        raise SourceUnavailable(f"The source answered error code {envelope.code}", where="code")
    return bytes(envelope.data)


def read_calendar(body: bytes) -> CalendarPage:
    """One page of a calendar, out of its envelope."""
    return _calendar(opened(body))


def read_list(body: bytes) -> tuple[Raw, ...]:
    """The rows of a plain list, out of its envelope."""
    return _list(opened(body))


def read_notice(body: bytes) -> Notice:
    """One webhook's body; raises ``msgspec.DecodeError`` when it is none."""
    return _notice(body)


def notice_item(notice: Notice, body: bytes) -> Item:
    """The message of a webhook; its event id is what makes a repeat one."""
    return _item(notice.event_type, body, _text(notice.data.get("patient_id")), notice.event_id[:64])


def appointment_item(row: bytes, status_field: str, look: str) -> tuple[Item, str, str]:
    """The message of a calendar's row, with the appointment's id and the case it names.

    ``look`` tells one reading from the next: the API shows no version, and a row may come back to an earlier state.
    """
    found = _booked(row)
    patient = _text(found.patient.patient_id) if found.patient else ""
    told = Context(APPOINTMENT, status_field)
    number = _text(found.appointment_id)
    return _item(APPOINTMENT, row, patient, f"{number}:{digest(row)}:{look}", told), number, found.spry_case_id or ""


def coming(row: bytes) -> tuple[str, str, int]:
    """Of a calendar's row: the appointment's id, whose it is, and the seconds since 1970 at which it begins.

    Raises ``msgspec.DecodeError`` when the row does not tell.
    """
    found = _timed(row)
    begins = _text(found.date_time)
    if not (begins.isascii() and begins.isdecimal() and len(begins) < 12):
        raise msgspec.ValidationError("a row without a time")
    return _text(found.appointment_id), _text(found.patient.patient_id) if found.patient else "", int(begins)


def unlisted_item(number: str, patient: str, look: str) -> Item:
    """The message of an appointment that no calendar lists any more."""
    body = msgspec.json.encode({"appointment_id": number, "unlisted": True})
    return _item(UNLISTED, body, patient, f"{number}:{look}")


def case_items(body: bytes, look: str) -> Iterator[Item]:
    """A case, and each of its insurance cards, as messages of their own."""
    found = _case(body)
    patient = _text(found.patient_id)
    yield _item(CASE, body, patient, f"{found.spry_case_id}:{digest(body)}:{look}")
    for raw in found.insurance_card_list or ():
        card = bytes(raw)
        number = _text(_card(card).insurance_card_id)
        told = Context(CARD, patient=patient, case=found.spry_case_id)
        yield _item(CARD, card, patient, f"{found.spry_case_id}:{number}:{digest(card)}:{look}", told)


def authorization_item(body: bytes, look: str) -> Item:
    """The message of an authorization."""
    found = _permit(body)
    number = _text(found.authorization_id)
    return _item(AUTHORIZATION, body, _text(found.patient_id), f"{number}:{digest(body)}:{look}")


def unreadable(raw: bytes, where: str) -> Finding:
    """A row without a usable id, kept so that the others can go on."""
    return Finding(reason="unreadable-item", what="An item has no usable id", where=where, body=raw)


def digest(body: bytes) -> str:
    """Tells one state of a row from the next."""
    return hashlib.blake2b(body, digest_size=8).hexdigest()


def decode(body: bytes) -> Record:
    """The fields of one message; raises ``InvalidContent`` that holds nothing of it."""
    try:
        return _record(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise InvalidContent(
            "wrong-type", "The item is not a JSON object", where="body", fix="Let it be read anew."
        ) from None


def cut_answer(chunks: Iterable[bytes], status_field: str) -> Iterator[Item | Finding]:
    """The messages of one saved answer: a calendar page, a case, or authorizations."""
    body = bytearray()
    for chunk in chunks:
        body += chunk
        if len(body) > _MOST_BYTES:
            raise LimitExceeded("file-too-large", f"The file is longer than {_MOST_BYTES} bytes", where="file")
    try:
        yield from _items_of(opened(bytes(body)), status_field)
    except (SourceUnavailable, msgspec.DecodeError, UnicodeDecodeError):
        what = "The file is no whole, successful answer of this API"
        yield Finding(reason="unreadable-answer", what=what, where="file", body=bytes(body))


def _items_of(data: bytes, status_field: str) -> Iterator[Item | Finding]:
    if data.startswith(b"["):
        yield from (authorization_item(bytes(raw), "file") for raw in _list(data))
        return
    fields = _record(data)
    if "content" in fields:
        yield from (appointment_item(bytes(raw), status_field, "file")[0] for raw in _calendar(data).content)
    elif "authorization_id" in fields:
        yield authorization_item(data, "file")
    else:
        yield from case_items(data, "file")


def is_answer(head: bytes) -> bool:
    """Whether a file begins like a saved answer of this API."""
    start = head.lstrip()
    marks = (b'"appointment_id"', b'"spry_case_id"', b'"authorization_id"')
    return start.startswith(b'{"code"') and any(mark in start for mark in marks)


def _item(kind: str, body: bytes, patient: str, control: str, told: Context | None = None) -> Item:
    return Item(
        body=body, kind=kind, control_id=f"{kind}:{control}", order_key=patient or None,
        context=msgspec.json.encode(told or Context(kind)),
    )  # fmt: skip


def _text(value: object) -> str:
    return "" if value is None else str(value)
