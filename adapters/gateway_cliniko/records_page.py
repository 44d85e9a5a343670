"""Pages of the API's lists: taken apart into rows with their exact bytes, and cut from saved files."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Annotated

import msgspec
from msgspec import Meta, Raw, Struct

from gateway.errors import LimitExceeded
from gateway.model.exchange import Finding, Item
from gateway.wire.json_decoder import decoder
from gateway_cliniko.records import LISTED, keys
from gateway_cliniko.records_people import Link

_MOST_PAGE_BYTES = 16 * 1024 * 1024


class _Head(Struct, frozen=True):
    id: str | int
    updated_at: Annotated[datetime, Meta(tz=True)]
    patient: Link | None = None
    booking: Link | None = None
    invoice: Link | None = None
    practitioner: Link | None = None
    business: Link | None = None
    appointment_type: Link | None = None


class Row(Struct, frozen=True):
    """One item of a page: its exact bytes, and what is needed to order, name and join it."""

    body: bytes
    id: str
    updated_at: datetime
    patient: str | None
    links: dict[str, str]
    """Ids of what it points to, by the name of the relationship."""

    def item(self, kind: str, *, stream: str = "", context: bytes = b"") -> Item:
        """The message to store. A patient's id never becomes a control id: a digest of the bytes stands for it."""
        is_patient = kind == "patients"
        shown = hashlib.blake2b(self.body, digest_size=8).hexdigest() if is_patient else self.id
        control = f"{stream or kind}:{shown}:{stamp(self.updated_at)}"
        order_key = self.id if is_patient else self.patient
        return Item(
            body=self.body, kind=kind, control_id=control, order_key=order_key, context=context or kind.encode()
        )


class Page(Struct, frozen=True):
    """One page of a list; ``findings`` are rows that cannot be read, so that the others can go on."""

    rows: list[Row]
    findings: list[Finding]
    total: int
    next: str | None


_LINKS = tuple(name for name in _Head.__struct_fields__ if name not in {"id", "updated_at"})
_head = decoder(_Head)
_links = decoder(dict[str, str | None])
_list = decoder(list[Raw])
_total = decoder(Annotated[int, Meta(ge=0)])


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
        links = {name: link.id for name in _LINKS if (link := getattr(head, name)) is not None and link.id}
        at = head.updated_at.astimezone(UTC).replace(microsecond=0)
        rows.append(Row(item, str(head.id), at, links.get("patient"), links))
    return Page(rows, findings, _total(parts["total_entries"]), _links(parts.get("links", Raw(b"{}"))).get("next"))


def stamp(at: datetime) -> str:
    """A time as the API writes it: UTC, to the second."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


_FILE_HEAD = re.compile(rb'\s*\{\s*"(' + "|".join(LISTED).encode() + rb')"\s*:\s*\[')


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
