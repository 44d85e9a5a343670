"""Bytes of the API to records: pages into items, and items into fields by the API's own names.

A key that is absent changes nothing, a JSON null deletes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw, Struct

from gateway.errors import InvalidContent, LimitExceeded
from gateway.model.exchange import Finding, Item
from gateway.wire.json_decoder import decoder

Record = dict[str, Any]
KINDS = ("locations", "staff_members", "patients", "appointments")
_MOST_BYTES = 16 * 1024 * 1024
_decode = decoder(Record)


class Context(Struct, frozen=True, omit_defaults=True):
    """What a message needs beside its bytes: its kind, and what the clinic says elsewhere."""

    kind: str
    type: str = ""
    """Name of the appointment's treatment."""
    zone: str = ""
    """The clinic's time zone."""
    staff: str = ""
    """Of an event of a feed: whose feed it is, and the name."""
    staff_name: str = ""
    zones: str = ""
    """Zones that the event's calendar describes itself."""


context = decoder(Context)


class _Head(Struct, frozen=True):
    id: Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[\w-]+$")]
    patient_id: str | None = None
    treatment_id: str | None = None
    state: str | None = None


class Page(Struct, frozen=True):
    """One page of a list; ``findings`` are items that cannot be read, so that the others can go on."""

    rows: list[Row]
    findings: list[Finding]
    after: str | None


class Row(Struct, frozen=True):
    """One item: its exact bytes, and what orders and completes it."""

    body: bytes
    id: str
    patient: str | None
    treatment: str | None
    archived: bool = False
    """An appointment that staff deleted."""

    @property
    def digest(self) -> str:
        """Tells one state of the item from the next: the API gives no version."""
        return hashlib.blake2b(self.body, digest_size=12).hexdigest()

    def item(self, told: Context, *, control: str = "", look: str = "") -> Item:
        """The message to store; ``look`` tells a return to an earlier state from a repeat of it."""
        order = self.id if told.kind == "patients" else self.patient
        shown = self.digest if told.kind == "patients" else f"{self.id}:{self.digest}"
        return Item(
            body=self.body, kind=told.kind, control_id=control or f"{told.kind}:{shown}:{look}", order_key=order,
            context=msgspec.json.encode(told),
        )  # fmt: skip


class _Links(Struct, frozen=True):
    after: str | None = None


class _List(Struct, frozen=True):
    items: list[Raw]
    links: _Links = _Links()
    more: bool = msgspec.field(name="hasNextPage", default=False)


_head = decoder(_Head)
_list = decoder(_List)


def read_page(body: bytes) -> Page:
    """Take a page apart; raises ``msgspec.DecodeError`` when it is cut, ``msgspec.ValidationError`` when it is none."""
    listed = _list(body)
    if listed.more and not listed.links.after:
        raise msgspec.ValidationError("a further page without a link to it")
    rows: list[Row] = []
    findings: list[Finding] = []
    for number, raw in enumerate(listed.items):
        try:
            rows.append(read_row(bytes(raw)))
        except msgspec.DecodeError:
            what = "An item has no usable id"
            findings.append(Finding(reason="unreadable-item", what=what, where=f"items[{number}]", body=bytes(raw)))
    return Page(rows, findings, listed.links.after if listed.more else None)


def read_row(body: bytes) -> Row:
    """One item by itself, as a single GET answers it."""
    head = _head(body)
    return Row(body, head.id, head.patient_id, head.treatment_id, head.state == "archived")


def decode(body: bytes) -> Record:
    """The fields of one item; raises ``InvalidContent`` that holds nothing of it."""
    try:
        return _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise InvalidContent(
            "wrong-type", "The item is not a JSON object", where="body", fix="Ask for it anew."
        ) from None


def whole(chunks: Iterable[bytes]) -> bytes:
    """A file that may be held whole because it is bounded."""
    body = bytearray()
    for chunk in chunks:
        body += chunk
        if len(body) > _MOST_BYTES:
            raise LimitExceeded("file-too-large", f"The file is longer than {_MOST_BYTES} bytes", where="file")
    return bytes(body)


def cut_page(chunks: Iterable[bytes]) -> Iterator[Item | Finding]:
    """The items of one saved page; its kind is told by the fields of the items."""
    body = whole(chunks)
    try:
        page = read_page(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        yield Finding(reason="unreadable-page", what="The file is not a whole page", where="file", body=body)
        return
    yield from page.findings
    for row in page.rows:
        try:
            fields = _decode(row.body)
        except msgspec.DecodeError:  # text that is not UTF-8 passes as long as it is only skipped
            yield Finding(reason="unreadable-item", what="An item cannot be read", where="file", body=row.body)
            continue
        kind = next((kind for kind, mark in _MARKS.items() if mark in fields), "")
        if kind:
            yield row.item(Context(kind))
        else:
            yield Finding(reason="unknown-kind", what="An item is of no kind read here", where="file", body=row.body)


_MARKS = {
    "appointments": "start_at",
    "patients": "date_of_birth",
    "locations": "street_address",
    "staff_members": "bio",
}
"""A field that only items of this kind have, asked in this order."""


def is_page(head: bytes) -> bool:
    """Whether a file begins like a saved page of these lists."""
    start = head.lstrip()
    return (
        start.startswith(b'{"items"') and b'"id"' in start and any(mark.encode() in start for mark in _MARKS.values())
    )
