"""Journals to ManualJournal objects, and answers to outcomes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.books import receipt
from gateway.chart import Dimension, Journal
from gateway.model.exchange import Ambiguous, Outcome, Rejected
from gateway.wire.json_decoder import decoder


class Told(msgspec.Struct, frozen=True):
    """One validation error."""

    message: str = msgspec.field(default="", name="Message")


class Manual(msgspec.Struct, frozen=True):
    """A manual journal as Xero tells of it."""

    id: str = msgspec.field(default="", name="ManualJournalID")
    narration: str = msgspec.field(default="", name="Narration")
    status: str = msgspec.field(default="", name="Status")
    errors: tuple[Told, ...] = msgspec.field(default=(), name="ValidationErrors")


class Reply(msgspec.Struct, frozen=True):
    """Any answer of the endpoint: journals, or the elements of a validation error."""

    journals: tuple[Manual, ...] = msgspec.field(default=(), name="ManualJournals")
    elements: tuple[Manual, ...] = msgspec.field(default=(), name="Elements")
    error: int = msgspec.field(default=0, name="ErrorNumber")


_read = decoder(Reply)
_encode = msgspec.json.Encoder(decimal_format="number").encode


def body(one: Journal, status: str, tracking: Mapping[Dimension, str]) -> bytes:
    """The body that creates one manual journal; debits are positive, and the narration begins with the number."""
    lines = []
    for each in one.lines:
        line: dict[str, Any] = {"LineAmount": each.amount, "AccountCode": each.account, "Description": one.memo}
        options = [
            {"Name": name, "Option": each.dimensions[dimension]}
            for dimension, name in tracking.items()
            if dimension in each.dimensions
        ]
        lines.append(line | ({"Tracking": options} if options else {}))
    told = {
        "Narration": f"{one.number} {one.memo}", "Date": one.day, "LineAmountTypes": "NoTax", "Status": status,
        "JournalLines": lines,
    }  # fmt: skip
    return _encode({"ManualJournals": [told]})


def reply(data: bytes) -> Reply | None:
    """An answer, or None when it is not of this API."""
    try:
        return _read(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def outcome(one: Journal, status: int, data: bytes, refusals: Mapping[str, str]) -> Outcome:
    """What became of a journal; validation errors come with 200 or with 400.

    ``refusals`` tells by a word in it what a validation message is about; the message itself may repeat what was sent.
    """
    told = reply(data)
    if told is None:
        return Ambiguous("answer-not-understood") if status < 400 else Rejected(f"http-{status}")
    found = next(iter((*told.journals, *told.elements)), None)
    if found is not None and found.errors:
        text = " ".join(each.message for each in found.errors).lower()
        return Rejected(next((reason for word, reason in refusals.items() if word in text), "validation-failed"))
    if status >= 400:
        return Rejected(f"error-{told.error}" if told.error else f"http-{status}")
    return receipt(one, found.id) if found is not None and found.id else Ambiguous("answer-not-understood")
