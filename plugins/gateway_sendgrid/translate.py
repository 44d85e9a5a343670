"""Reminders to requests, answers to outcomes. Pure: the time is handed in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.model.exchange import Ambiguous, Delivered, Delivery, Outcome, Rejected, Retry
from gateway.model.reminder import Reminder
from gateway.wire.mail import list_headers, told

UNAUTHORIZED_SECONDS = 300.0
"""Seconds after which it is tried again whether a person has mended the key."""
_FOOTERS = {"en": "\n\nNo more e-mails like this: ", "es": "\n\nNo recibir más: "}
_OFF = {"enable": False}


def request(
    delivery: Delivery, reminder: Reminder, *, sender: str, name: str, link: str, sandbox: bool
) -> dict[str, Any]:
    """The body of ``mail/send``."""
    footer = _FOOTERS.get(reminder.language or "en", _FOOTERS["en"]) + link if link else ""
    made: dict[str, Any] = {
        "personalizations": [{"to": [{"email": reminder.to}]}],
        "from": {"email": sender, **({"name": name} if name else {})},
        "subject": reminder.subject or name or sender,  # one without a subject is refused
        "content": [{"type": "text/plain", "value": (reminder.text or "") + footer}],
        "custom_args": {"delivery": delivery.key, "patient": reminder.patient or ""},
        "tracking_settings": {"click_tracking": _OFF, "open_tracking": _OFF, "subscription_tracking": _OFF},
    }
    if link:
        made["headers"] = list_headers(link)
    if sandbox:
        made["mail_settings"] = {"sandbox_mode": {"enable": True}}
    return made


def outcome(
    status: int, headers: Mapping[str, str], body: bytes, delivery: Delivery, reminder: Reminder, at: str
) -> Outcome:
    """What an answer means. A 400 about the recipient is told as a failed e-mail, so that another channel is used."""
    if status in (200, 202):
        id = headers.get("x-message-id", "")
        return Delivered(f"{status} {id}".strip()[:200], (told(delivery, reminder, at),))
    if status in (401, 403):
        return Retry(f"not-authorized-{status}", UNAUTHORIZED_SECONDS)
    if status == 429:
        after = headers.get("retry-after", "")
        return Retry("http-429", min(float(after), 86_400.0) if after.isascii() and after.isdecimal() else None)
    if status >= 500:
        return Ambiguous(f"http-{status}")
    if status == 400 and "personalizations" in _field(body):
        return Delivered("refused 400", (told(delivery, reminder, at, "invalid-address"),))
    return Rejected(f"http-{status}")


def _field(body: bytes) -> str:
    """Which part of the request the first error is about."""
    try:
        errors = msgspec.json.decode(body, type=dict[str, Any]).get("errors")
    except msgspec.DecodeError:
        return ""
    first = errors[0] if isinstance(errors, list) and errors else {}
    return str(first.get("field") or "") if isinstance(first, dict) else ""
