"""Bytes of the API to typed records: pages into rows, and rows into resources.

A key that is absent is ``UNSET``, a JSON null is ``None``: the first changes nothing, the second deletes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from gateway.errors import InvalidContent, LimitExceeded
from gateway.model.exchange import Finding, Item

Text = str | None | UnsetType
Flag = bool | None | UnsetType
Code = int | None | UnsetType

_MOST_PAGE_BYTES = 16 * 1024 * 1024
_LAST_SEGMENT = re.compile(r"/([\w-]{1,64})(?:\?.*)?\Z", re.ASCII)
_WHERE = re.compile(r"at `\$\.?([a-z_0-9.\[\]]*)`\Z")


class Link(Struct, frozen=True):
    """A relationship, given as the address of its target."""

    links: dict[str, str | None]

    @property
    def id(self) -> str | None:
        """The target's id: the last segment of the address."""
        found = _LAST_SEGMENT.search(self.links.get("self") or "")
        return found[1] if found else None


Relation = Link | None | UnsetType


class Contact(Struct, frozen=True):
    """One way to reach someone; ``phone_type`` is Fax, Home, Mobile, Other or Work, and Email for an e-mail address."""

    number: Text = UNSET
    phone_type: Text = UNSET


class Resource(Struct, frozen=True, kw_only=True):
    """What every resource has."""

    id: str | int
    updated_at: Text = UNSET
    archived_at: Text = UNSET
    deleted_at: Text = UNSET


class Patient(Resource, frozen=True, kw_only=True):
    title: Text = UNSET
    first_name: Text = UNSET
    last_name: Text = UNSET
    preferred_first_name: Text = UNSET
    date_of_birth: Text = UNSET
    sex: Text = UNSET
    email: Text = UNSET
    patient_phone_numbers: list[Contact] | UnsetType | None = UNSET
    address_1: Text = UNSET
    address_2: Text = UNSET
    address_3: Text = UNSET
    city: Text = UNSET
    state: Text = UNSET
    post_code: Text = UNSET
    country_code: Text = UNSET
    emergency_contact: Text = UNSET
    old_reference_id: Text = UNSET
    merged_with_patient: Relation = UNSET

    @property
    def telecom(self) -> list[Contact]:
        """Telephone numbers in their order, then the e-mail address."""
        numbers = [number for number in self.patient_phone_numbers or () if number.number]
        return [*numbers, Contact(self.email, "Email")] if self.email else numbers

    @property
    def itself(self) -> list[Patient]:
        """The patient as the one place of what is a list in the model and single here: an address, an identifier."""
        return [self]


class Practitioner(Resource, frozen=True, kw_only=True):
    title: Text = UNSET
    first_name: Text = UNSET
    last_name: Text = UNSET
    display_name: Text = UNSET
    designation: Text = UNSET
    active: Flag = UNSET


class Business(Resource, frozen=True, kw_only=True):
    display_name: Text = UNSET
    business_name: Text = UNSET
    address_1: Text = UNSET
    address_2: Text = UNSET
    city: Text = UNSET
    state: Text = UNSET
    post_code: Text = UNSET
    country_code: Text = UNSET
    email_reply_to: Text = UNSET
    time_zone_identifier: Text = UNSET

    @property
    def telecom(self) -> list[Contact]:
        """The address for replies, where there is one."""
        return [Contact(self.email_reply_to, "Email")] if self.email_reply_to else []


class IndividualAppointment(Resource, frozen=True, kw_only=True):
    starts_at: Text = UNSET
    ends_at: Text = UNSET
    created_at: Text = UNSET
    cancelled_at: Text = UNSET
    cancellation_reason: Code = UNSET
    did_not_arrive: Flag = UNSET
    patient_arrived: Flag = UNSET
    patient: Relation = UNSET
    practitioner: Relation = UNSET
    business: Relation = UNSET


KINDS: dict[str, type[Resource]] = {
    "patients": Patient,
    "practitioners": Practitioner,
    "businesses": Business,
    "individual_appointments": IndividualAppointment,
}
_DECODERS = {name: msgspec.json.Decoder(kind).decode for name, kind in KINDS.items()}
keys = msgspec.json.Decoder(dict[str, Raw]).decode


def decode(kind: str, body: bytes) -> Resource:
    """The typed record of one API item; raises ``InvalidContent`` that names the field and never its value."""
    try:
        return _DECODERS[kind](body)
    except KeyError:
        raise InvalidContent("unknown-kind", "No such resource is read from this API", where="kind") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        found = _WHERE.search(str(error))
        where = found[1] if found else "body"
        raise InvalidContent("wrong-type", "The value is of another type than documented", where=where) from None


# --- pages -----------------------------------------------------------------------------------------------------------


class _Head(Struct, frozen=True):
    id: str | int
    updated_at: Annotated[datetime, Meta(tz=True)]
    patient: Link | None = None
    booking: Link | None = None


class Row(Struct, frozen=True):
    """One item of a page: its exact bytes, and what is needed to order and name it."""

    body: bytes
    id: str
    updated_at: datetime
    patient: str | None
    booking: str | None

    def item(self, kind: str, *, stream: str = "") -> Item:
        """The message to store. A patient's id never becomes a control id: a digest of the bytes stands for it."""
        is_patient = kind == "patients"
        shown = hashlib.blake2b(self.body, digest_size=8).hexdigest() if is_patient else self.id
        control = f"{stream or kind}:{shown}:{stamp(self.updated_at)}"
        order_key = self.id if is_patient else self.patient
        return Item(body=self.body, kind=kind, control_id=control, order_key=order_key, context=kind.encode())


class Page(Struct, frozen=True):
    """One page of a list; ``findings`` are rows that cannot be read, so that the others can go on."""

    rows: list[Row]
    findings: list[Finding]
    total: int
    next: str | None


_head = msgspec.json.Decoder(_Head).decode
_links = msgspec.json.Decoder(dict[str, str | None]).decode
_list = msgspec.json.Decoder(list[Raw]).decode
_total = msgspec.json.Decoder(Annotated[int, Meta(ge=0)]).decode


def read_page(body: bytes, collection: str) -> Page:
    """Take a page apart; raises ``msgspec.DecodeError`` when it is cut, ``msgspec.ValidationError`` when it is none."""
    parts = keys(body)
    if collection not in parts or "total_entries" not in parts:
        raise msgspec.ValidationError("not a page of the collection")
    rows: list[Row] = []
    findings: list[Finding] = []
    for number, raw in enumerate(_list(parts[collection])):
        item = bytes(raw)
        try:
            head = _head(item)
        except msgspec.DecodeError:
            what = "An item has no usable id or updated_at"
            findings.append(Finding(reason="unreadable-item", what=what, where=f"{collection}[{number}]", body=item))
            continue
        patient, booking = (link.id if link else None for link in (head.patient, head.booking))
        rows.append(Row(item, str(head.id), head.updated_at.astimezone(UTC).replace(microsecond=0), patient, booking))
    return Page(rows, findings, _total(parts["total_entries"]), _links(parts.get("links", Raw(b"{}"))).get("next"))


def stamp(at: datetime) -> str:
    """A time as the API writes it: UTC, to the second."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


_FILE_HEAD = re.compile(rb'\s*\{\s*"(' + "|".join(KINDS).encode() + rb')"\s*:\s*\[')


def is_page(head: bytes) -> bool:
    """Whether a file begins like a saved page of a list this adapter reads."""
    return _FILE_HEAD.match(head) is not None


def cut_page(chunks: Iterable[bytes]) -> Iterator[Item | Finding]:
    """Cut one saved page into messages; one page is bounded, so it may be held whole."""
    body = bytearray()
    for chunk in chunks:
        body += chunk
        if len(body) > _MOST_PAGE_BYTES:
            raise LimitExceeded("file-too-large", f"A saved page is longer than {_MOST_PAGE_BYTES} bytes", where="file")
    found = _FILE_HEAD.match(body)
    kind = found[1].decode() if found else ""
    try:
        page = read_page(bytes(body), kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        yield Finding(reason="unreadable-page", what="The file is not a whole page", where="file", body=bytes(body))
        return
    yield from page.findings
    yield from (row.item(kind) for row in page.rows)
