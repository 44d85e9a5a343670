"""Journals to JournalEntry objects, and answers to outcomes. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from gateway.books import receipt
from gateway.chart import Journal, JournalLine
from gateway.model.exchange import Ambiguous, Outcome, Rejected, Retry
from gateway.model.ledger_entry import AccountRole
from gateway.wire.json_decoder import decoder

DUPLICATE = Rejected("duplicate-document-number")
_MAPPING = frozenset({"610", "2020", "2170", "2500"})
"""A required, unknown or inactive account, class, department or customer."""
_WAITS = {"120": "not-authorized", "3200": "not-authorized", "6190": "subscription-ended"}
_SEVERE = 10_000
_WAIT = 3600.0
_CODE = re.compile(r"\d{1,6}")


class Error(msgspec.Struct, frozen=True):
    """One error of a Fault."""

    code: str = ""


class Fault(msgspec.Struct, frozen=True):
    """Why something was not done; it may come with status 200."""

    type: str = ""
    errors: tuple[Error, ...] = msgspec.field(default=(), name="Error")


class Booked(msgspec.Struct, frozen=True):
    """A journal entry as QuickBooks tells of it."""

    id: str = msgspec.field(default="", name="Id")


class Item(msgspec.Struct, frozen=True):
    """One item of a batch."""

    bid: str = msgspec.field(default="", name="bId")
    entry: Booked | None = msgspec.field(default=None, name="JournalEntry")
    fault: Fault | None = msgspec.field(default=None, name="Fault")


class Found(msgspec.Struct, frozen=True):
    """Result of a query; without a hit the entity is left out."""

    entries: tuple[Booked, ...] = msgspec.field(default=(), name="JournalEntry")


class Reply(msgspec.Struct, frozen=True):
    """Any answer of the API."""

    entry: Booked | None = msgspec.field(default=None, name="JournalEntry")
    fault: Fault | None = msgspec.field(default=None, name="Fault")
    items: tuple[Item, ...] = msgspec.field(default=(), name="BatchItemResponse")
    found: Found | None = msgspec.field(default=None, name="QueryResponse")


_read = decoder(Reply)
_encode = msgspec.json.Encoder(decimal_format="number").encode


def entry(one: Journal, customers: Mapping[AccountRole, str]) -> dict[str, Any]:
    """The JournalEntry object of a journal."""
    return {
        "TxnDate": one.day, "DocNumber": one.number, "PrivateNote": one.memo,
        "Line": [_line(each, customers.get(each.role), one.memo) for each in one.lines],
    }  # fmt: skip


def _line(one: JournalLine, customer: str | None, memo: str) -> dict[str, Any]:
    detail: dict[str, Any] = {
        "PostingType": "Debit" if one.debit else "Credit", "AccountRef": {"value": one.account},
    }  # fmt: skip
    if customer is not None:
        detail["Entity"] = {"Type": "Customer", "EntityRef": {"value": customer}}
    if "class" in one.dimensions:
        detail["ClassRef"] = {"value": one.dimensions["class"]}
    department = one.dimensions.get("department") or one.dimensions.get("location")
    if department:
        detail["DepartmentRef"] = {"value": department}
    return {
        "Amount": abs(one.amount), "Description": memo, "DetailType": "JournalEntryLineDetail",
        "JournalEntryLineDetail": detail,
    }  # fmt: skip


def single(one: Journal, customers: Mapping[AccountRole, str]) -> bytes:
    """The body that creates one journal entry."""
    return _encode(entry(one, customers))


def batch(journals: Sequence[Journal], customers: Mapping[AccountRole, str]) -> bytes:
    """The body that creates several; ``bId`` is the place in the list."""
    items = [
        {"bId": str(place), "operation": "create", "JournalEntry": entry(one, customers)}
        for place, one in enumerate(journals)
    ]
    return _encode({"BatchItemRequest": items})


def reply(body: bytes) -> Reply | None:
    """An answer, or None when it is not of this API."""
    try:
        return _read(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def outcome(one: Journal, booked: Booked | None, fault: Fault | None, status: int = 200) -> Outcome:
    """What became of one journal."""
    if fault is not None:
        return _refused(fault)
    if booked is not None and booked.id:
        return receipt(one, booked.id)
    return Rejected(f"http-{status}") if status >= 400 else Ambiguous("answer-not-understood")


def _refused(fault: Fault) -> Outcome:
    """What a Fault means; a fault of the system itself says nothing about what was done."""
    code = next((each.code for each in fault.errors if _CODE.fullmatch(each.code)), "0")
    if code == "6140":
        return DUPLICATE
    if code == "6210":
        return Rejected("books-closed")
    if code in _WAITS or fault.type in ("AuthenticationFault", "AuthorizationFault"):
        return Retry(_WAITS.get(code, "not-authorized"), _WAIT)
    if fault.type == "SystemFault" or int(code) >= _SEVERE:
        return Ambiguous(f"fault-{code}")
    return Rejected(f"account-or-dimension-unknown-{code}" if code in _MAPPING else f"refused-{code}")
