"""Twilio on this machine: the messages and calls of one account, its opt-out list, and signed callbacks.

Numbers can be given fates: an error code refuses them as the API does. What it accepts is never sent anywhere. Signs by
its own reading of the rule, so that a fault in the gateway's does not hide.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any

import aiohttp
from aiohttp import web

from gateway.model.exchange import RateBudget
from gateway.testing.simulated_api import SimulatedApi, SimulatedSystem

STOP_WORDS = frozenset({"STOP", "UNSUBSCRIBE", "END", "QUIT", "STOPALL", "REVOKE", "OPTOUT", "CANCEL"})
START_WORDS = frozenset({"START", "YES", "UNSTOP"})
LOST = {
    "lost-answer": "accepts a message and breaks the connection before the answer",
    "error-after": "accepts a message and answers 500",
}
_NUMBER = re.compile(r"\+[1-9]\d{6,14}")
_ROOT = "/2010-04-01/Accounts/{account}"


class TwilioSimulator(SimulatedApi):
    """One account.

    Args:
        seconds: the window in which ``requests`` are answered; more get 20429.
    """

    def __init__(self, requests: int = 100, seconds: float = 1.0) -> None:
        super().__init__(RateBudget(requests=requests, seconds=seconds))
        self.account, self.token = "AC" + secrets.token_hex(16), secrets.token_hex(16)
        self.messages: list[dict[str, Any]] = []
        """Every message, newest last; ``callback`` is where its fate is told."""
        self.calls: list[dict[str, Any]] = []
        self.refused: dict[str, int] = {}
        """Error code by number."""
        self.stopped: set[str] = set()

    def routes(self, router: web.UrlDispatcher) -> None:
        """Messages and calls."""
        router.add_post(f"{_ROOT}/Messages.json", self._send)
        router.add_get(f"{_ROOT}/Messages.json", self._list)
        router.add_get(f"{_ROOT}/Messages/{{sid}}.json", self._fetch)
        router.add_post(f"{_ROOT}/Calls.json", self._call)

    def refusal(self, request: web.Request) -> web.Response | None:
        """401 with 20003 without the account's credentials."""
        wanted = "Basic " + base64.b64encode(f"{self.account}:{self.token}".encode()).decode()
        shown = request.headers.get("authorization", "")
        if hmac.compare_digest(shown.encode(), wanted.encode()) and f"/{self.account}/" in request.path:
            return None
        return _error(20003, 401)

    def _limited(self) -> web.Response | None:
        response = super()._limited()
        return None if response is None else _error(20429, 429, {"retry-after": "1"})

    async def _send(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        to, body = str(form.get("To", "")), str(form.get("Body", ""))
        service = str(form.get("MessagingServiceSid", ""))
        code = self.refused.get(to) or (21610 if to in self.stopped else 0)
        if not _NUMBER.fullmatch(to):
            code = 21211
        if not service and not _NUMBER.fullmatch(str(form.get("From", ""))):
            code = 21606
        if code:
            return _error(code, 400)
        sid = "SM" + secrets.token_hex(16)
        now = format_datetime(datetime.now(UTC))
        message = {
            "sid": sid, "account_sid": self.account, "messaging_service_sid": service or None,
            "from": str(form.get("From", "")) or None, "to": to, "body": body,
            "status": "accepted" if service else "queued", "direction": "outbound-api",
            "num_segments": str((len(body) + 159) // 160), "num_media": "0", "price": None, "price_unit": "USD",
            "error_code": None, "error_message": None, "date_created": now, "date_updated": now, "date_sent": None,
            "api_version": "2010-04-01", "uri": f"/2010-04-01/Accounts/{self.account}/Messages/{sid}.json",
            "callback": str(form.get("StatusCallback", "")), "validity": str(form.get("ValidityPeriod", "")),
        }  # fmt: skip
        self.messages.append(message)
        return self._told(request, message)

    async def _call(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        to = str(form.get("To", ""))
        code = self.refused.get(to) or (0 if _NUMBER.fullmatch(to) else 21211)
        if code:
            return _error(code, 400)
        call = {
            "sid": "CA" + secrets.token_hex(16), "account_sid": self.account, "to": to,
            "from": str(form.get("From", "")), "status": "queued", "direction": "outbound-api",
            "date_created": format_datetime(datetime.now(UTC)), "twiml": str(form.get("Twiml", "")),
            "callback": str(form.get("StatusCallback", "")),
        }  # fmt: skip
        self.calls.append(call)
        return self._told(request, call)

    def _told(self, request: web.Request, made: Mapping[str, Any]) -> web.StreamResponse:
        if self.takes("lost-answer") and request.transport is not None:
            request.transport.abort()
        if self.takes("error-after"):
            return web.Response(text="<h1>error</h1>", content_type="text/html", status=500)
        return web.json_response(_public(made), status=201)

    async def _list(self, request: web.Request) -> web.Response:
        to, since = request.query.get("To"), request.query.get("DateSent>", "")
        found = [
            _public(one)
            for one in reversed(self.messages)
            if (not to or one["to"] == to) and f"{parsedate_to_datetime(one['date_created']):%Y-%m-%d}" >= since
        ]
        size = min(int(request.query.get("PageSize", "50")), 1000)
        return web.json_response({"messages": found[:size], "page": 0, "page_size": size})

    async def _fetch(self, request: web.Request) -> web.Response:
        found = {one["sid"]: one for one in self.messages}
        return web.json_response(_public(found[request.match_info["sid"]]))

    # --- what Twilio sends ------------------------------------------------------------------------------------------

    async def report(self, message: dict[str, Any], status: str, code: int | None = None) -> int:
        """Tell the fate of a message to its callback; the status of the answer."""
        message["status"] = status
        form = {
            "MessageSid": message["sid"], "SmsSid": message["sid"], "MessageStatus": status, "SmsStatus": status,
            "AccountSid": self.account, "To": message["to"], "From": message["from"] or "", "ApiVersion": "2010-04-01",
        }  # fmt: skip
        if code is not None:
            form["ErrorCode"] = str(code)
        return await self.post(message["callback"], form)

    async def receive(self, url: str, sender: str, to: str, body: str) -> int:
        """A patient writes: the opt-out list is kept, then the webhook at ``url`` is told."""
        word = body.strip().upper()
        form = {
            "MessageSid": (sid := "SM" + secrets.token_hex(16)), "SmsSid": sid, "SmsMessageSid": sid,
            "AccountSid": self.account, "From": sender, "To": to, "Body": body, "NumMedia": "0", "NumSegments": "1",
            "SmsStatus": "received", "ApiVersion": "2010-04-01",
        }  # fmt: skip
        if word in STOP_WORDS:
            self.stopped.add(sender)
            form["OptOutType"] = "STOP"
        elif word in START_WORDS and sender in self.stopped:
            self.stopped.discard(sender)
            form["OptOutType"] = "START"
        return await self.post(url, form)

    async def post(self, url: str, form: Mapping[str, str]) -> int:
        """Send one signed callback."""
        signed = url + "".join(f"{name}{form[name]}" for name in sorted(form))
        mac = hmac.new(self.token.encode(), signed.encode(), hashlib.sha1).digest()
        headers = {"X-Twilio-Signature": base64.b64encode(mac).decode()}
        timeout = aiohttp.ClientTimeout(total=20)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(url, data=dict(form), headers=headers) as response,
        ):
            await response.read()
            await asyncio.sleep(0)
            return response.status


def _public(made: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in made.items() if name not in ("callback", "validity", "twiml")}


def _error(code: int, status: int, headers: Mapping[str, str] | None = None) -> web.Response:
    told = {
        "code": code, "message": "The simulated account refuses this.", "status": status,
        "more_info": f"https://www.twilio.com/docs/errors/{code}",
    }  # fmt: skip
    return web.json_response(told, status=status, headers=headers)


def _settings(api: SimulatedApi) -> Mapping[str, str]:
    known = api if isinstance(api, TwilioSimulator) else TwilioSimulator()
    return {
        "url": known.base_url, "account_sid": known.account, "secret": known.token, "from_number": "+15005550006",
        "allow_loopback": "true",
    }  # fmt: skip


SIMULATORS = (
    SimulatedSystem(
        "twilio", "Messages, calls and opt-outs of one Twilio account.", lambda *_: TwilioSimulator(), _settings, LOST
    ),
)
