"""Messages to patches: which reader, which mapping rules and which additions belong to a message."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from gateway.errors import InvalidContent
from gateway.model.patch import Normalized, Patch
from gateway.wire.x12 import text_of
from gateway.wire.x12_835_cut import CLAIM, REMITTANCE
from gateway.wire.x12_acknowledge import OWED
from gateway.wire.x12_cut import INTERCHANGE_ACKNOWLEDGEMENT
from gateway.wire.x12_header import ISA_LENGTH
from gateway.wire.x12_loop import Loop
from gateway_x12.records import Claim, read_claim, read_remittance
from gateway_x12.records_claim import Submitted, read_submitted
from gateway_x12.records_level import Message, read_above, read_answer, read_payer, read_review, read_status, read_whole
from gateway_x12.records_owed import read_owed
from gateway_x12.translate_benefit import add_benefits
from gateway_x12.translate_claim import add_claim
from gateway_x12.translate_owed import add_owed
from gateway_x12.translate_remit import add_payment, add_remittance
from gateway_x12.translate_review import add_review
from gateway_x12.translate_status import add_acknowledgement, add_status
from gateway_x12.translate_trace import Segments

if TYPE_CHECKING:
    from gateway.mapping import Mapping

_ENVELOPE = frozenset({"ISA", "GS", "ST", "SE", "BHT", "KEY", "SENT", "HL", "TRN", "ADDRESS"}) | {
    f"{id}[{whose}]" for id in ("NM1", "N3", "N4", "DMG") for whose in ("P", "IL", "QC")
}
_REMIT_ENVELOPE = frozenset({"KEY", "ORDINAL", "CORRECTS", "ISA", "GS", "ST", "BPR", "TRN", "N1[PR]", "N1[PE]"})
_PLACE = re.compile(r"(?:[A-Z][A-Z0-9]{1,2}|loop \d{4})(?:\[[A-Z0-9]{1,3}\])?(?:-\d\d)?")
_SEGMENT = re.compile(r"[A-Z][A-Z0-9]{1,2}(?=\W|$)")

_Add = Callable[[Any, Patch, set[str]], Any]
"""Completes the patch of the message's main record; may give more patches."""


class _Way(Struct, frozen=True):
    """How one kind of message is read and what it makes."""

    kind: str
    type: str
    """The record type that ``add`` completes."""
    read: Callable[[bytes, bytes], Any]
    add: _Add
    ours: frozenset[str] = _ENVELOPE
    """What is read, or belongs to the envelope, whatever the mapping says."""


_CLAIM = _Way(CLAIM, "ClaimPayment", read_claim, add_payment, _REMIT_ENVELOPE | {"CAS"})
_REMITTANCE = _Way(
    REMITTANCE, "Remittance", read_remittance, add_remittance,
    frozenset({"PLB", "TS2", "TS3", "KEY", "TOTALS", "ISA", "GS", "ST", "SE", "BPR", "TRN"}),
)  # fmt: skip
_WAYS = {
    "837": _Way("837 claim", "Claim", read_submitted, add_claim),
    "271": _Way("271 benefit", "Benefit", read_answer, add_benefits),
    "277": _Way("277 status", "ClaimStatusReport", read_status, add_status),
    "278": _Way("278 review", "Authorization", read_review, add_review),
}
_WHOLE = {
    "271": _Way("271 benefit", "Benefit", read_whole, add_benefits),
    "278": _Way("278 review", "Authorization", read_whole, add_review),
    "997": _Way("997 acknowledgement", "ClaimStatusReport", read_whole, add_acknowledgement),
    "999": _Way("999 acknowledgement", "ClaimStatusReport", read_whole, add_acknowledgement),
}
_PAYER = _Way("837 payer", "Payer", read_payer, lambda _read, _patch, _left: None)
_OWED = _Way(OWED, "Submission", read_owed, add_owed)
_TA1 = _Way(INTERCHANGE_ACKNOWLEDGEMENT, "ClaimStatusReport", read_whole, add_acknowledgement)


def _way(body: bytes, context: bytes) -> _Way | str:
    """How to read a message, by its bytes alone; a stable word when it makes no record."""
    if body.startswith(b"CLP"):
        return _CLAIM
    if body.startswith(b"TA1"):
        return _TA1
    if body.startswith(b"NM1"):
        return _PAYER
    if body.startswith(b"{"):
        return _OWED
    if not body.startswith(b"ST"):
        return _WAYS.get(read_above(context).set, "inquiry")
    id = body[3:6].decode("latin-1")
    if id == "835":
        return _REMITTANCE
    return _WHOLE.get(id, "no-patient")


def normalizer(mapping: Mapping) -> Callable[[bytes, bytes], Normalized]:
    """A pure function from a message and its context to patches."""
    ways = (_CLAIM, _REMITTANCE, _PAYER, _TA1, _OWED, *_WAYS.values(), *_WHOLE.values())
    known = {way.kind: way.ours | {path.partition("-")[0] for path in mapping.covered(way.kind)} for way in ways}

    traced = mapping.is_traced

    def normalize(body: bytes, context: bytes) -> Normalized:
        way = _way(body, context)
        if isinstance(way, str):
            return Normalized(suppressed=way)
        read = way.read(body, context)
        loop, unread, above = _parts(read)
        patches = mapping.patches(way.kind, loop)
        left = loop.segments.keys() - known[way.kind]
        if above:
            left -= above
        left.update(unread)
        more: list[Patch] = []
        for patch in patches:
            if patch.type == way.type:
                more += way.add(read, patch, left) or ()
        residue = _places(left, body, context) if left else ()
        made = (*patches, *more) if more else patches
        if traced and way is not _OWED:  # whose body is not X12
            mapping.note_added(way.kind, made, Segments.of(body, context))
        return Normalized(patches=made, residue=residue)

    return normalize


_NOTHING: frozenset[str] = frozenset()


def _parts(read: Claim | Submitted | Message) -> tuple[Loop, Any, Any]:
    """The loop that rules read, what was not read in it, and what of it stood above the message."""
    if isinstance(read, Claim):
        return read.loop, read.unread, _NOTHING
    message = read if isinstance(read, Message) else read.message
    return message.loop, message.unread, message.above.shared.keys()


def _places(left: set[str], body: bytes, context: bytes) -> tuple[str, ...]:
    """Names of places for the residue; never a text that a delimiter inside the data made look like one.

    Raises ``InvalidContent`` for a segment whose id is none, at its place in the message.
    """
    found = {_place(name) for name in left}
    if "" in found:
        raise InvalidContent(
            "malformed-segment",
            "a segment begins with something that is no segment id: a delimiter may stand inside the data",
            where=_where(body, context),
            fix="ask the sender to choose delimiters that its data does not hold, then bring the file in again",
        )
    return tuple(sorted(found))


@lru_cache(maxsize=1024)
def _place(name: str) -> str:
    """The name, or its segment id where the rest may be data; empty when it begins with no segment id."""
    if _PLACE.fullmatch(name):
        return name
    id = _SEGMENT.match(name)
    return id[0] if id else ""


def _where(body: bytes, context: bytes) -> str:
    """The first segment of a message that has no segment id."""
    offset = 0
    for number, piece in enumerate(body.split(context[ISA_LENGTH - 1 : ISA_LENGTH]), 1):
        text = piece.lstrip()
        if text and _SEGMENT.match(text_of(text)) is None:
            return f"segment {number} of the message, byte {offset + len(piece) - len(text)}"
        offset += len(piece) + 1
    return f"message of {len(body)} bytes"
