"""Bytes of the API to typed records: single rows, and rows that were joined because one alone says too little.

A key that is absent is ``UNSET``, a JSON null is ``None``: the first changes nothing, the second deletes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

import msgspec
from msgspec import UNSET, Raw, Struct, structs

from gateway.errors import InvalidContent
from gateway.wire.json_decoder import decoder
from gateway_cliniko.records_booking import (
    Attendance,
    Attendee,
    Communication,
    GroupAppointment,
    IndividualAppointment,
    Invoice,
    InvoiceItem,
    PatientCase,
    ReferralSource,
    ReferralSourceType,
    UnavailableBlock,
)
from gateway_cliniko.records_people import Business, Correspondent, Patient, Practitioner, ReferenceNumber, Resource

_WHERE = re.compile(r"at `\$\.?([a-z_0-9.\[\]]*)`\Z")

KINDS: dict[str, type[Resource]] = {
    "patients": Patient,
    "practitioners": Practitioner,
    "practitioner_with_numbers": Practitioner,
    "businesses": Business,
    "contacts": Correspondent,
    "individual_appointments": IndividualAppointment,
    "group_attendance": Attendance,
    "patient_cases": PatientCase,
    "invoices": Invoice,
    "invoice_with_items": Invoice,
    "referral_sources": ReferralSource,
    "referral_source_types": ReferralSourceType,
    "communications": Communication,
    "unavailable_blocks": UnavailableBlock,
}
"""Kinds of message and what each is read as."""
LISTED = tuple(kind for kind in KINDS if kind.endswith("s") and "_with_" not in kind)
"""Kinds that are rows of a list, so that a saved page of it can be imported."""
JOINED = {"practitioner_with_numbers": "numbers", "invoice_with_items": "items", "group_attendance": ""}
"""Kinds that are joined rows, and the field that holds the further rows; none where they complete the first."""
_DECODERS = {name: decoder(kind) for name, kind in KINDS.items()}
keys = decoder(dict[str, Raw])


class _Joined(Struct, frozen=True):
    of: Raw
    rows: list[Raw]


_joined = decoder(_Joined)
_group = decoder(GroupAppointment)
_attendee = decoder(Attendee)
_number = decoder(ReferenceNumber)
_invoice_item = decoder(InvoiceItem)


def join(of: bytes, rows: Sequence[bytes]) -> bytes:
    """The body of a joined message; the rows keep their exact bytes."""
    return b'{"of":' + of + b',"rows":[' + b",".join(rows) + b"]}"


def decode(kind: str, body: bytes) -> Resource:
    """The typed record of one message; raises ``InvalidContent`` that names the field and never its value."""
    try:
        return _TOGETHER[kind](_joined(body)) if kind in _TOGETHER else _DECODERS[kind](body)
    except KeyError:
        raise InvalidContent("unknown-kind", "No such resource is read from this API", where="kind") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        found = _WHERE.search(str(error))
        where = found[1] if found else "body"
        raise InvalidContent(
            "wrong-type", "The value is of another type than documented", where=where,
            fix="Ask the vendor whether the field has changed; release when the adapter reads it.",
        ) from None  # fmt: skip


def filled(kind: str, body: bytes) -> Iterator[tuple[str, bytes]]:
    """The message's own fields as sent, rows that were joined under the name of their field."""
    try:
        if kind not in JOINED:
            yield from ((name, bytes(value)) for name, value in keys(body).items())
            return
        parts, prefix = _joined(body), JOINED[kind]
        yield from ((name, bytes(value)) for name, value in keys(parts.of).items())
        for row in parts.rows:
            yield from ((f"{prefix}.{name}".lstrip("."), bytes(value)) for name, value in keys(row).items())
    except (msgspec.DecodeError, UnicodeDecodeError):  # in a part that the typed record has no field for
        raise InvalidContent(
            "not-text", "A part that nothing reads is not JSON in UTF-8", where="body", fix="Ask the vendor to mend it."
        ) from None


def _practitioner(parts: _Joined) -> Practitioner:
    practitioner = msgspec.json.decode(parts.of, type=Practitioner)
    numbers = [_number(row) for row in parts.rows]
    return structs.replace(practitioner, numbers=numbers, updated_at=_newest(practitioner, *numbers))


def _invoice(parts: _Joined) -> Invoice:
    invoice = msgspec.json.decode(parts.of, type=Invoice)
    items = [_invoice_item(row) for row in parts.rows]
    kept = [item for item in items if not item.archived_at and not item.deleted_at]
    return structs.replace(invoice, items=kept, updated_at=_newest(invoice, *items))


def _attendance(parts: _Joined) -> Attendance:
    """An attendee whose class is gone is gone."""
    if len(parts.rows) != 1:
        raise msgspec.ValidationError("one attendee belongs to one message")
    group, attendee = _group(parts.of), _attendee(parts.rows[0])
    own = {name: getattr(attendee, name) for name in attendee.__struct_fields__}
    own["archived_at"] = attendee.archived_at or group.archived_at
    own["deleted_at"] = attendee.deleted_at or group.deleted_at
    own["updated_at"] = _newest(group, attendee)
    times = {name: getattr(group, name) for name in ("starts_at", "ends_at", "practitioner", "business")}
    return Attendance(**own, **times)


def _newest(*rows: Resource) -> str:
    """The last change of any of them; the API writes all times in one form, so text compares as time does."""
    return max((str(row.updated_at) for row in rows if row.updated_at not in (UNSET, None)), default="")


_TOGETHER: dict[str, Callable[[_Joined], Resource]] = {
    "practitioner_with_numbers": _practitioner,
    "invoice_with_items": _invoice,
    "group_attendance": _attendance,
}
