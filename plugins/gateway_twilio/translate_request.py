"""Reminders to requests, answers to outcomes. Pure: the time is handed in."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from html import escape
from typing import Any
from urllib.parse import urlencode

import msgspec

from gateway.model.exchange import Ambiguous, Delivered, Delivery, Outcome, Rejected, Retry
from gateway.model.reminder import Reminder
from gateway_twilio.config_codes import CONFIGURATION, RECIPIENT, RETRY_SECONDS
from gateway_twilio.records import OWNER, Context, item

LONGEST_QUEUE = 36_000
"""Seconds: the most that ValidityPeriod may say."""
_VOICES = {"es": "es-MX", "en": "en-US"}


def context(kind: str, delivery: Delivery, reminder: Reminder) -> Context:
    """What is kept beside an answer, so that it is known whose it is."""
    return Context(
        kind=kind, channel=reminder.channel, number=reminder.to or "", patient=reminder.patient or "",
        about=reminder.appointment or "", occasion=reminder.occasion or "", template=reminder.step or "",
        key=delivery.key,
    )  # fmt: skip


def text_form(reminder: Reminder, sender: Mapping[str, str], hook: str, now: datetime) -> dict[str, str]:
    """Parameters of a text message; it expires in Twilio's queue when it is too late."""
    form = {"To": reminder.to or "", "Body": reminder.text or "", **sender}
    ends = [end for end in (reminder.until, reminder.start) if end is not None]
    if ends:
        form["ValidityPeriod"] = str(max(1, min(LONGEST_QUEUE, int((min(ends) - now).total_seconds()))))
    if hook:
        form["StatusCallback"] = callback(hook, "status", reminder)
    return form


def call_form(reminder: Reminder, number: str, hook: str) -> dict[str, str]:
    """Parameters of a call that reads the text and takes one key."""
    voice = _VOICES.get(reminder.language or "en", "en-US")
    say = f'<Say language="{voice}">{escape(reminder.text or "")}</Say>'
    if hook:
        action = escape(callback(hook, "keys", reminder))
        say = f'<Gather input="dtmf" numDigits="1" action="{action}" method="POST">{say}</Gather>'
    form = {"To": reminder.to or "", "From": number, "Twiml": f"<Response>{say}<Hangup/></Response>"}
    return {**form, "StatusCallback": callback(hook, "call-status", reminder)} if hook else form


def callback(hook: str, path: str, reminder: Reminder) -> str:
    """Where Twilio tells what became of it; the address says whose it is by record id, which tells nobody who that is.

    So what overtakes the answer is sealed for the patient too. The signature covers the address.
    """
    return f"{hook}/{path}?{urlencode({OWNER: reminder.patient})}" if reminder.patient else f"{hook}/{path}"


def encoded(form: Mapping[str, str]) -> bytes:
    """The body of a request."""
    return urlencode(form).encode("ascii")


def outcome(status: int, headers: Mapping[str, str], body: bytes, about: Context) -> Outcome:
    """What an answer means.

    A refusal that concerns the recipient is an answer, kept as a failed communication, so that another channel can be
    used; one that concerns our settings is tried again, for a person will mend it.
    """
    told = _json(body)
    if 200 <= status < 300:
        sid = str(told.get("sid") or "")
        return delivered(status, sid, body, about) if sid else Ambiguous("answer-without-sid")
    code = str(told.get("code") or "")
    if status == 429:
        after = headers.get("retry-after", "")
        return Retry("twilio-20429", min(float(after), 86_400.0) if after.isascii() and after.isdecimal() else None)
    if status in (401, 403):
        return Retry(f"not-authorized-{status}", RETRY_SECONDS)
    if status >= 500:
        return Ambiguous(f"http-{status}")
    if code in RECIPIENT:
        return Delivered(f"refused {code}", (item(body, refusal(about), f"{about.key}-refused", about.number),))
    if code in CONFIGURATION:
        return Retry(f"twilio-{code}", RETRY_SECONDS)
    return Rejected(f"twilio-{code}" if code.isdecimal() else f"http-{status}")


def delivered(status: int, sid: str, body: bytes, about: Context) -> Delivered:
    """It is Twilio's now; its answer says whose message it is."""
    return Delivered(f"{status} {sid}", (item(body, about, f"{sid}-{about.key}", about.number),))


def refusal(about: Context) -> Context:
    """The context of a message that Twilio did not take."""
    return msgspec.structs.replace(about, kind="refusal")


def found(body: bytes, reminder: Reminder, since: datetime, about: Context) -> Delivered | None:
    """The message of a list that is this reminder's: the same text to the same number, not older than it."""
    for one in _json(body).get("messages") or ():
        outbound = str(one.get("direction", "")).startswith("outbound")
        if outbound and one.get("body") == reminder.text and one.get("to") == reminder.to and _since(one, since):
            return delivered(200, str(one.get("sid")), msgspec.json.encode(one), about)
    return None


def _since(one: Mapping[str, Any], since: datetime) -> bool:
    try:
        return parsedate_to_datetime(str(one.get("date_created"))).astimezone(UTC) >= since.replace(microsecond=0)
    except ValueError:
        return False


def _json(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError:
        return {}
