"""Messages of a Twilio source taken apart: resources of the API as JSON, callbacks as forms, and what we know of them.

The context of each says which it is and what the reminder behind it was about: Twilio itself knows no patients.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from gateway.errors import InvalidConfiguration, InvalidContent
from gateway.model.exchange import Finding, Item
from gateway.wire.json_decoder import decoder

FIELDS = frozenset(
    {
        "sid", "channel", "number", "status", "failure", "occasion", "template", "text", "word",
        "opt_out", "digits", "at",
    }
)  # fmt: skip
"""What a mapping may read."""
KINDS = frozenset({"message", "call", "refusal", "status", "call-status", "inbound", "keys"})
OWNER = "owner"
"""Names the patient, by record id, in the addresses of callbacks."""
_VOICE = frozenset({"call", "call-status", "keys"})
_NO_NUMBER = "anonymous"


class Context(msgspec.Struct, frozen=True, omit_defaults=True):
    """What stands beside a message: its kind, and of one that we caused, the reminder's references."""

    kind: str
    at: str = ""
    channel: str = ""
    number: str = ""
    patient: str = ""
    about: str = ""
    occasion: str = ""
    template: str = ""
    key: str = ""


_context = decoder(Context)


def item(body: bytes, context: Context, control_id: str, number: str) -> Item:
    """One message, in order with the others of its number."""
    return Item(
        body=body, kind=context.kind, control_id=control_id, order_key=number or None,
        context=msgspec.json.encode(context),
    )  # fmt: skip


def form(body: bytes) -> dict[str, list[str]]:
    """The parameters of a form; ``ValueError`` for what is none."""
    found: dict[str, list[str]] = {}
    for name, value in parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=200):
        found.setdefault(name, []).append(value)
    return found


def read(body: bytes, context: bytes) -> tuple[str, dict[str, str]]:
    """Kind and fields of a message.

    Raises:
        InvalidContent: it is none of ours.
    """
    try:
        about = _context(context)
        if about.kind in ("message", "call", "refusal"):
            raw: dict[str, Any] = msgspec.json.decode(body, type=dict[str, Any])
        else:
            raw = {name: values[0] for name, values in form(body).items()}
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise InvalidContent("not-twilio", "The message is no resource or callback of Twilio", where="body") from None
    if about.kind not in KINDS:
        raise InvalidContent("unknown-kind", "The message is of a kind that is not known", where="context")
    return about.kind, {name: text for name, text in _fields(about, raw).items() if text}


def _fields(about: Context, raw: dict[str, Any]) -> dict[str, str]:
    def said(*names: str) -> str:
        return next((str(raw[name]) for name in names if raw.get(name)), "")

    inbound = about.kind in ("inbound", "keys")
    other = said("From") if about.kind == "inbound" else said("To", "to")
    status = said("status", "MessageStatus", "SmsStatus", "CallStatus")
    text = said("Body") if inbound else said("body")
    return {
        "sid": said("sid", "MessageSid", "SmsSid", "CallSid") or f"refused-{about.key}",
        "channel": about.channel or ("voice" if about.kind in _VOICE else "sms"),
        "number": about.number or other or _NO_NUMBER,
        "status": "failed" if about.kind == "refusal" else status,
        "failure": said("code", "error_code", "ErrorCode"),
        "patient": about.patient, "about": about.about, "occasion": about.occasion, "template": about.template,
        "text": text, "word": text.strip().split(maxsplit=1)[0].strip(".,!?").upper() if text.strip() else "",
        "opt_out": said("OptOutType"), "digits": said("Digits"), "at": about.at or _iso(said("date_created")),
    }  # fmt: skip


def _iso(text: str) -> str:
    """An RFC 2822 time in ISO 8601; nothing for what is none."""
    try:
        return parsedate_to_datetime(text).astimezone(UTC).isoformat() if text else ""
    except (ValueError, OverflowError):
        return ""


def path(text: str) -> Callable[[object], str | None]:
    """Compile the name of a field into a reader of :data:`FIELDS`."""
    if text not in FIELDS:
        raise InvalidConfiguration(
            "not a field of a Twilio message", where=text[:64], fix=f"use {', '.join(sorted(FIELDS))}"
        )

    def read_field(record: object) -> str | None:
        return record.get(text) if isinstance(record, dict) else None

    return read_field


def cut(chunks: Iterable[bytes]) -> Iterator[Item | Finding]:
    """Nothing of Twilio comes in files."""
    del chunks
    yield Finding(
        reason="not-a-file-source", what="Twilio's messages come by hooks and answers, not in files", where="byte 0",
        fix="Leave this source out of `gateway import`.",
    )  # fmt: skip
