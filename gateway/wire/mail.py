"""What sinks of e-mail share: the form in which the fate of one is told, and links that end e-mails with one click.

A link follows RFC 8058 and RFC 2369. It names the patient by record id, which tells nobody who that is, and a mark that
only the holder of the secret can make.
"""

from __future__ import annotations

import hmac
from typing import Literal

import msgspec

from gateway.model.exchange import Delivery, Item
from gateway.model.identity import RecordId
from gateway.model.reminder import Reminder

KIND, UNSUBSCRIBED, EVENT = "mail", "unsubscribe", "mail-event"
MARK = 32


class Mail(msgspec.Struct, frozen=True, omit_defaults=True):
    """One e-mail that was sent or refused, or a link that was followed."""

    id: str
    patient: str
    status: Literal["sent", "delivered", "failed", "received"]
    at: str
    """ISO 8601 with offset."""
    address: str = ""
    about: str = ""
    occasion: str = ""
    template: str = ""
    failure: str = ""
    text: str = ""
    event: bool = False
    """Whether its sender told so later, and knows of it no more than what became of it."""

    @property
    def kind(self) -> str:
        """The kind of message that it is."""
        if self.status == "received":
            return UNSUBSCRIBED
        return EVENT if self.event else KIND


def told(delivery: Delivery, reminder: Reminder, at: str, failure: str = "") -> Item:
    """The fate of one e-mail, as a message of the source that a route names under ``answers``."""
    mail = Mail(
        id=delivery.key, patient=reminder.patient or "", status="failed" if failure else "sent", at=at,
        address=reminder.to or "", about=reminder.appointment or "", occasion=reminder.occasion or "",
        template=reminder.step or "", failure=failure, text=reminder.text or "",
    )  # fmt: skip
    return Item(
        body=msgspec.json.encode(mail), kind=KIND, control_id=f"{delivery.key}-{mail.status}", order_key=mail.patient
    )


def became(
    delivery: str, patient: str, status: Literal["delivered", "failed"], at: str, name: str, failure: str = ""
) -> Item:
    """What became of an e-mail that was sent; ``name`` tells this news from any other."""
    mail = Mail(id=delivery, patient=patient, status=status, at=at, failure=failure, event=True)
    return Item(body=msgspec.json.encode(mail), kind=EVENT, control_id=f"{delivery}-{name}", order_key=patient)


def unsubscribed(patient: str, at: str) -> Item:
    """A link that was followed."""
    mail = Mail(id=f"{patient}-{at}", patient=patient, status="received", at=at)
    return Item(body=msgspec.json.encode(mail), kind=UNSUBSCRIBED, control_id=mail.id, order_key=patient)


def link(base: str, secret: str, patient: str) -> str:
    """The address that ends e-mails to one patient."""
    return f"{base.rstrip('/')}/unsubscribe/{patient}/{_mark(secret, patient)}"


def linked(path: str, secret: str) -> RecordId | None:
    """The patient whom a link's path names; None when it is not one that we made."""
    word, _, rest = path.strip("/").partition("/")
    patient, _, mark = rest.partition("/")
    good = word == "unsubscribe" and hmac.compare_digest(mark.encode(), _mark(secret, patient).encode())
    return RecordId(patient) if good else None


def list_headers(address: str) -> dict[str, str]:
    """Headers by which a mail program offers the link itself."""
    return {"List-Unsubscribe": f"<{address}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}


def _mark(secret: str, patient: str) -> str:
    return hmac.digest(secret.encode(), f"unsubscribe\0{patient}".encode(), "sha256").hex()[:MARK]
