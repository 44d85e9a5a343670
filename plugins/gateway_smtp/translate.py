"""Reminders to e-mails. Pure: the time is handed in."""

from __future__ import annotations

import hashlib
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr

from gateway.model.exchange import Delivery
from gateway.model.reminder import Reminder
from gateway.wire.mail import list_headers

_FOOTERS = {"en": "\n\nTo receive no more e-mails like this: ", "es": "\n\nPara no recibir más mensajes como este: "}


def message(
    delivery: Delivery, reminder: Reminder, *, sender: str, name: str, link: str, now: datetime
) -> EmailMessage:
    """One e-mail to one recipient; its Message-ID is the same for every attempt."""
    made = EmailMessage(policy=SMTP)
    made["From"] = formataddr((name, sender))
    made["To"] = reminder.to or ""
    made["Subject"] = " ".join((reminder.subject or "").split())
    made["Date"] = format_datetime(now)
    domain = sender.rpartition("@")[2]
    made["Message-ID"] = f"<{hashlib.sha256(delivery.key.encode()).hexdigest()[:40]}@{domain}>"
    made["Auto-Submitted"] = "auto-generated"
    for field, value in (list_headers(link) if link else {}).items():
        made[field] = value
    footer = _FOOTERS.get(reminder.language or "en", _FOOTERS["en"]) + link if link else ""
    made.set_content((reminder.text or "") + footer + "\n", cte="quoted-printable")
    return made
