"""What comes back over HTTP: signed events, and links by which patients end e-mails."""

from __future__ import annotations

import time

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from gateway.mail_source import Links
from gateway.model.exchange import HookReceiver, HookRequest, HookResponse, Intake
from gateway.settings import resolve_secret
from gateway_sendgrid.config import SendgridSourceConfig
from gateway_sendgrid.translate_events import items, public_key, verified

_SIGNATURE = "x-twilio-email-event-webhook-signature"
_TIMESTAMP = "x-twilio-email-event-webhook-timestamp"


class Events:
    """The receiver of one source: ``/hooks/<source>/events`` and the links."""

    def __init__(self, key: EllipticCurvePublicKey | None, age: float, links: Links | None) -> None:
        self._key = key
        self._age = age
        self._links = links

    async def receive(self, request: HookRequest, intake: Intake) -> HookResponse:
        """403 for what is not signed or too old, 200 once stored."""
        if request.path.strip("/") != "events":
            return HookResponse(status=404) if self._links is None else await self._links.receive(request, intake)
        if self._key is None or request.method != "POST":
            return HookResponse(status=404)
        stamp = request.headers.get(_TIMESTAMP, "")
        fresh = stamp.isascii() and stamp.isdecimal() and len(stamp) < 12 and abs(time.time() - int(stamp)) <= self._age
        if not fresh or not verified(self._key, stamp, request.body, request.headers.get(_SIGNATURE, "")):
            return HookResponse(status=403)
        try:
            found = items(request.body)
        except msgspec.DecodeError:
            return HookResponse(status=400)
        if found:
            await intake.accept(found)
        return HookResponse(status=200)


def receiver(config: SendgridSourceConfig) -> HookReceiver | None:
    """The receiver, where the key of events or the secret of links is configured."""
    links = None if config.unsubscribe_secret is None else Links(resolve_secret(config.unsubscribe_secret))
    key = public_key(config.event_key, "sources.event_key") if config.event_key else None
    return None if key is None and links is None else Events(key, config.event_age, links)
