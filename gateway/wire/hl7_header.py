"""What an MLLP edge needs of HL7 v2: a look at the header that costs microseconds, and the bytes of the answer.

Nothing here decodes the message. Header values stay bytes-for-bytes (as Latin-1 text), because they are echoed in the
acknowledgement and compared, not shown.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from gateway.errors import GatewayError, MalformedEnvelope
from gateway.wire.hl7 import ABSENT, delimiters
from gateway.wire.hl7_charset import width

AckCode = Literal["AA", "AE", "AR", "CA", "CE", "CR"]
"""HL7 table 0008."""

_LEADING = b" \t\r\n\x0b"
_USUAL = rb"MSH|^~\&|"
_MOST_IDENTIFIERS = 100
"""Repetitions of PID-3 that are looked at before a message is stored: nobody has so many numbers."""
_PLACE = re.compile(r"([A-Z][A-Z0-9]{2})(?:\[(\d+)\])?-(\d+)(?:\[[^\]]*\])?(?:\.(\d+)(?:\.(\d+))?)?")
"""A path as errors name it, as far as ERR-2 can say the same."""
# HL7 table 0357, by the reason of the error; 207 (application internal error) for every other.
_CONDITIONS = {
    "no-header": "100",
    "several-messages": "100",
    "batch": "100",
    "unfinished": "100",
    "no-control-id": "101",
    "no-message-type": "101",
    "delimiters": "102",
}


class Header(NamedTuple):
    """The header of one message as its bytes say it."""

    control_id: str
    """MSH-10."""
    kind: str
    """MSH-9.1 and 9.2 joined by ``^``: ``SIU^S12``. 9.3 may be missing; a missing 9.2 is taken from EVN-1."""
    order_key: str | None
    """The patient's identifier and its assigning authority; None when the message names no patient."""
    fields: tuple[bytes, ...]
    """The header's fields; index n is MSH-n, 0 the segment name."""

    def field(self, number: int) -> bytes:
        """MSH-``number``; empty when the header ends before it."""
        return self.fields[number] if number < len(self.fields) else b""


def peek(message: bytes) -> Header:
    """Read what intake must know before a message is stored.

    Raises:
        MalformedEnvelope: the header alone shows that this cannot be read: ``no-header``, ``batch``, ``delimiters``,
            ``no-message-type``, ``no-control-id`` or ``several-messages``.
    """
    if not message.startswith(b"MSH"):
        message = _narrow(message)
        if not message.startswith(b"MSH"):
            if message[:3] in {b"FHS", b"BHS"}:
                raise MalformedEnvelope(
                    "batch", "A batch came where one message was expected.", where="MSH", fix="Send batches as files."
                )
            raise MalformedEnvelope("no-header", "The bytes do not begin with a header segment.", where="MSH")
    fields = _header_fields(message)
    separator = message[3:4]
    if message.startswith(_USUAL):
        component, repetition, subcomponent = b"^", b"~", b"&"
    else:
        component, repetition, subcomponent = _declared(fields)
    kind = b"^".join(fields[9].split(component, 2)[:2]) if len(fields) > 9 else b""
    if not kind.strip(b"^ "):
        raise MalformedEnvelope("no-message-type", "The header does not say what the message is.", where="MSH-9")
    if b"^" not in kind or kind.endswith(b"^"):
        kind = _with_event(message, separator, kind.rstrip(b"^"))
    control_id = fields[10].strip() if len(fields) > 10 else b""
    if not control_id:
        raise MalformedEnvelope("no-control-id", "The header has no message control id.", where="MSH-10")
    if message.find(b"\rMSH" + separator) >= 0 or message.find(b"\nMSH" + separator) >= 0:
        raise MalformedEnvelope(
            "several-messages",
            "The frame holds more than one message.",
            where="MSH",
            fix="Send one message in each frame.",
        )
    order_key = _order_key(message, separator, component, repetition, subcomponent)
    return Header(control_id.decode("latin-1"), kind.decode("latin-1"), order_key, tuple(fields))


def glance(message: bytes) -> Header:
    """Read as much of a refused message's header as there is, to answer it; never raises."""
    narrow = _narrow(message)
    fields = _header_fields(narrow) if narrow.startswith(b"MSH") and len(narrow) > 3 else [b"MSH"]
    try:
        _declared(fields)
    except MalformedEnvelope:
        # With delimiters that cannot be used, no field boundary can be trusted either.
        fields = [b"MSH"]
    control_id = fields[10].strip() if len(fields) > 10 else b""
    return Header(control_id.decode("latin-1"), "", None, tuple(fields))


def acknowledge(header: Header, code: AckCode, own_id: str, error: GatewayError | None = None) -> bytes:
    """The acknowledgement of a message, in the message's own delimiters, with sender and receiver swapped.

    MSH-7 repeats the message's own time, so the answer to a repeat is the first answer byte for byte.

    Args:
        header: the message's header.
        code: what MSA-1 says.
        own_id: the acknowledgement's control id.
        error: why the code is not AA; told in ERR by place, table code and words, without any value.
    """
    f = header.field
    separator, encoding = f(1) or b"|", f(2) or rb"^~\&"
    component = encoding[:1]
    event = header.kind.partition("^")[2].encode("latin-1")
    kind = component.join((b"ACK", event, b"ACK")) if event else b"ACK"
    # A line end inside a header field is impossible, so what is echoed here cannot forge a segment.
    msh = separator.join(
        (
            b"MSH",
            encoding,
            f(5),
            f(6),
            f(3),
            f(4),
            f(7),
            b"",
            kind,
            own_id.encode("latin-1"),
            f(11) or b"P",
            f(12) or b"2.5.1",
        )
    )
    msa = separator.join((b"MSA", code.encode("ascii"), f(10).strip()))
    if error is None:
        return msh + b"\r" + msa + b"\r"
    return msh + b"\r" + msa + b"\r" + _err(separator, encoding, error) + b"\r"


def _err(separator: bytes, encoding: bytes, error: GatewayError) -> bytes:
    component = encoding[:1]
    found = _PLACE.match(error.where)
    # Segment, its occurrence, field, repetition, component and subcomponent (data type ERL).
    parts = (found[1], found[2] or "1", found[3], "1", found[4], found[5]) if found else ()
    filled = parts if found and found[4] else parts[:3]
    location = component.join((part or "").encode("ascii") for part in filled).rstrip(component)
    code = _CONDITIONS.get(getattr(error, "reason", ""), "207").encode("ascii")
    unsafe = set(separator + encoding)
    words = bytes(32 if byte in unsafe else byte for byte in error.what.encode("ascii", "replace"))
    condition = component.join((code, error.code.encode("ascii"), b"HL70357"))
    return separator.join((b"ERR", b"", location, condition, b"E", b"", b"", b"", words))


def _narrow(message: bytes) -> bytes:
    """The message from its header on, in a charset that contains ASCII."""
    wide = width(message)
    if wide is not None:
        start, name = wide
        message = message[start:]
        if name != "utf-8":
            message = message.decode(name, "replace").encode("utf-8")
    return message.lstrip(_LEADING)


def _header_fields(message: bytes) -> list[bytes]:
    end = message.find(b"\r")
    head = message if end < 0 else message[:end]
    line = head.find(b"\n")
    if line >= 0:
        head = head[:line]
    separator = head[3:4]
    if not separator:
        return [b"MSH"]
    fields = head.split(separator, 22)
    fields.insert(1, separator)
    return fields


def _declared(fields: list[bytes]) -> tuple[bytes, bytes, bytes]:
    """Component, repetition and subcomponent delimiters of an unusual header, as bytes that may match nothing."""
    if len(fields) < 3:
        raise MalformedEnvelope("delimiters", "The header ends before its delimiters do.", where="MSH-2")
    if len(fields[2]) > 5:
        raise MalformedEnvelope("delimiters", "MSH-2 is longer than its five characters.", where="MSH-2")
    declared = delimiters(fields[1].decode("latin-1"), fields[2].decode("latin-1"))
    # A line end is in no segment, so it can stand for a delimiter that is not used.
    component, repetition, subcomponent = (
        b"\r" if character == ABSENT else character.encode("latin-1")
        for character in (declared.component, declared.repetition, declared.subcomponent)
    )
    return component, repetition, subcomponent


def _segment(message: bytes, name: bytes) -> bytes:
    """The first segment that begins with ``name`` (which includes the field separator); empty when there is none."""
    at = message.find(b"\r" + name)
    if at < 0:
        at = message.find(b"\n" + name)
        if at < 0:
            return b""
    at += 1
    end = message.find(b"\r", at)
    return message[at:] if end < 0 else message[at:end]


def _with_event(message: bytes, separator: bytes, kind: bytes) -> bytes:
    event = _segment(message, b"EVN" + separator).split(separator, 2)
    return kind + b"^" + event[1].strip() if len(event) > 1 and event[1].strip() else kind


def _order_key(
    message: bytes, separator: bytes, component: bytes, repetition: bytes, subcomponent: bytes
) -> str | None:
    fields = _segment(message, b"PID" + separator).split(separator, 4)
    if len(fields) < 4 or not fields[3]:
        return None
    identifiers = fields[3].split(repetition, _MOST_IDENTIFIERS)
    parts = chosen = identifiers[0].split(component, 5)
    if len(identifiers) > 1 and (len(parts) < 5 or parts[4] != b"MR"):
        for identifier in identifiers:
            parts = identifier.split(component, 5)
            if len(parts) > 4 and parts[4] == b"MR":
                chosen = parts
                break
    native_id = chosen[0].strip()
    if not native_id or native_id == b'""':
        return None
    authority = chosen[3].split(subcomponent, 1)[0] if len(chosen) > 3 else b""
    return (native_id + b"^" + authority).decode("latin-1")
