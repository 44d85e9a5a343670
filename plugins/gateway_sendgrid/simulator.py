"""SendGrid's mail/send on this machine: checks key and body as the API does, and keeps what it takes to itself."""

from __future__ import annotations

import base64
import hmac
import json
import secrets
import time
from collections.abc import Mapping
from typing import Any

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.model.exchange import RateBudget
from gateway.testing.simulated_api import SimulatedApi, SimulatedSystem

LOST = {"lost-answer": "takes a message and breaks the connection before the answer"}
_NEEDED = ("personalizations", "from", "subject", "content")


class SendgridSimulator(SimulatedApi):
    """One account."""

    def __init__(self, requests: int = 600, seconds: float = 60.0) -> None:
        super().__init__(RateBudget(requests=requests, seconds=seconds))
        self.key = "SG." + secrets.token_urlsafe(24)
        self.messages: list[dict[str, Any]] = []
        self._events = ec.generate_private_key(ec.SECP256R1())
        self.refused: set[str] = set()
        """Addresses that are no addresses to it."""

    def routes(self, router: web.UrlDispatcher) -> None:
        """The one that is used."""
        router.add_post("/v3/mail/send", self._send)

    def refusal(self, request: web.Request) -> web.Response | None:
        """401 without the key."""
        shown = request.headers.get("authorization", "").encode()
        good = hmac.compare_digest(shown, f"Bearer {self.key}".encode())
        return None if good else _errors(401, "The provided authorization grant is invalid.", None)

    @property
    def event_key(self) -> str:
        """The public key of signed events, as the account's settings show it."""
        shown = self._events.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return base64.b64encode(shown).decode()

    def event(self, number: int, event: str, **more: Any) -> dict[str, Any]:
        """One event about a message it took, as it comes in the list of a request."""
        message = self.messages[number]
        address = message["personalizations"][0]["to"][0]["email"]
        told = {"email": address, "event": event, "sg_event_id": secrets.token_urlsafe(16)}
        return {**told, "timestamp": int(time.time()), **message["custom_args"], **more}

    def signed(self, events: list[dict[str, Any]], at: float | None = None) -> tuple[bytes, dict[str, str]]:
        """Body and headers of a request of the signed event webhook."""
        body = json.dumps(events).encode() + b"\r\n"
        stamp = f"{time.time() if at is None else at:.0f}"
        signature = self._events.sign(stamp.encode() + body, ec.ECDSA(SHA256()))
        return body, {
            "x-twilio-email-event-webhook-signature": base64.b64encode(signature).decode(),
            "x-twilio-email-event-webhook-timestamp": stamp,
        }  # fmt: skip

    async def _send(self, request: web.Request) -> web.StreamResponse:
        try:
            body: dict[str, Any] = await request.json()
        except ValueError:
            return _errors(400, "Bad Request", None)
        for name in _NEEDED:
            if not body.get(name):
                return _errors(400, "This field is required.", name)
        to = [one["email"] for person in body["personalizations"] for one in person["to"]]
        if any("@" not in address or address in self.refused for address in to):
            return _errors(400, "Does not contain a valid address.", "personalizations.0.to.0.email")
        if body.get("mail_settings", {}).get("sandbox_mode", {}).get("enable"):
            return web.Response(status=200)
        self.messages.append(body)
        if self.takes("lost-answer") and request.transport is not None:
            request.transport.abort()
        return web.Response(status=202, headers={"X-Message-Id": secrets.token_urlsafe(16)})


def _errors(status: int, message: str, field: str | None) -> web.Response:
    return web.json_response({"errors": [{"message": message, "field": field, "help": None}]}, status=status)


def _settings(api: SimulatedApi) -> Mapping[str, str]:
    key = api.key if isinstance(api, SendgridSimulator) else ""
    return {"url": api.base_url, "key": key, "allow_loopback": "true"}


SIMULATORS = (
    SimulatedSystem("sendgrid", "E-mails of one SendGrid account.", lambda *_: SendgridSimulator(), _settings, LOST),
)
