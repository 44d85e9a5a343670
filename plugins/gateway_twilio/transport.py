"""What Twilio sends: signed callbacks, stored before they are answered."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from html import escape
from urllib.parse import parse_qsl

from gateway.model.exchange import HookReceiver, HookRequest, HookResponse, Intake
from gateway.settings import resolve_secret
from gateway_twilio.config import TwilioSourceConfig
from gateway_twilio.records import OWNER, Context, form, item
from gateway_twilio.translate_signature import verified

PATHS = {"": "inbound", "sms": "inbound", "status": "status", "call-status": "call-status", "keys": "keys"}
"""What follows ``/hooks/<source>/``, and the kind of message that comes there."""
_TWIML = "text/xml; charset=utf-8"
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_HELP = frozenset({"HELP", "INFO"})


class Callbacks:
    """The receiver of one source."""

    def __init__(self, account: str, token: str, help_text: str) -> None:
        self._account = account
        self._token = token
        self._help = help_text

    async def receive(self, request: HookRequest, intake: Intake) -> HookResponse:
        """403 for what is not signed by Twilio for this account, 200 once stored."""
        kind = PATHS.get(request.path.strip("/"))
        if kind is None or request.method != "POST":
            return HookResponse(status=404)
        try:
            fields = form(request.body)
        except ValueError:
            return HookResponse(status=400)
        shown = request.headers.get("x-twilio-signature", "")
        if not verified(self._token, request.url, request.body, fields, shown):
            return HookResponse(status=403)
        if fields.get("AccountSid", [""])[0] != self._account:
            return HookResponse(status=403)
        sid = next((fields[name][0] for name in ("MessageSid", "SmsSid", "CallSid") if name in fields), "")
        if not sid:
            return HookResponse(status=400)
        number = fields.get("From" if kind == "inbound" else "To", [""])[0]
        owner = dict(parse_qsl(request.query)).get(OWNER, "")
        if owner and not _ID.fullmatch(owner):
            return HookResponse(status=400)
        at = datetime.now(UTC).isoformat(timespec="seconds")
        digest = hashlib.sha256(request.body).hexdigest()[:12]
        message = item(
            request.body,
            Context(kind=kind, at=at if kind in ("inbound", "keys") else "", patient=owner),
            f"{sid}-{kind}-{digest}",
            number,
        )
        await intake.accept([message])
        return HookResponse(status=200, body=self._answer(kind, fields).encode(), content_type=_TWIML)

    def _answer(self, kind: str, fields: dict[str, list[str]]) -> str:
        """TwiML: nothing is said, but to HELP where Twilio does not answer it, and goodbye to who pressed a key."""
        word = fields.get("Body", [""])[0].strip().upper()
        if kind == "inbound" and word in _HELP and self._help and "OptOutType" not in fields:
            return f"<Response><Message>{escape(self._help)}</Message></Response>"
        return "<Response><Hangup/></Response>" if kind == "keys" else "<Response/>"


def receiver(name: str, config: TwilioSourceConfig) -> HookReceiver | None:
    """The receiver, where the auth token is configured."""
    del name  # a receiver is mounted under the source's name by the core
    if config.auth_token is None:
        return None
    return Callbacks(config.account_sid, resolve_secret(config.auth_token), config.help_text)
