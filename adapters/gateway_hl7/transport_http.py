"""HL7 over HTTP: one message is posted, its acknowledgement is the answer; stored before a 200 like any other."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import re

from gateway.model.exchange import HookRequest, HookResponse, Intake
from gateway.settings import resolve_secret
from gateway_hl7.config import Hl7Config, Http
from gateway_hl7.transport import Exchange

_TYPE = "application/hl7-v2; charset=utf-8"
_ACCEPTED = re.compile(rb"[\r\n]MSA.[AC]A", re.DOTALL)


class HttpReceiver:
    """The receiver of one source; requests carry the token of its settings."""

    def __init__(self, config: Hl7Config, http: Http) -> None:
        self._config = config
        self._token = resolve_secret(http.token).encode()
        self._facilities = frozenset(facility.encode("utf-8") for facility in config.facilities)

    async def receive(self, request: HookRequest, intake: Intake) -> HookResponse:
        """200 with the acknowledgement once the message is stored, 400 with it when the header was refused.

        A store that cannot commit gives 503 and no acknowledgement, so that the sender keeps the message.
        """
        if not hmac.compare_digest(_presented(request.headers.get("authorization", "")), self._token):
            return HookResponse(status=401, body=b"The token is not the one of this source.\n")
        if request.method != "POST":
            return HookResponse(status=405, body=b"Post one HL7 message.\n")
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[bytes | None] = loop.create_future()

        def reply(answer: bytes | None) -> None:
            if not answered.done():
                answered.set_result(answer)

        exchange = Exchange(self._config, self._facilities, intake, loop)
        too_long = len(request.body) > self._config.max_message_bytes
        (exchange.oversized if too_long else exchange.receive)(request.body, reply)
        answer = await answered
        if answer is None:
            return HookResponse(status=503, body=b"The message could not be stored now; send it again.\n")
        if not answer:
            return HookResponse(status=204)
        return HookResponse(status=200 if _ACCEPTED.search(answer) else 400, body=answer, content_type=_TYPE)


def _presented(header: str) -> bytes:
    """The token of a request: Bearer, or the password of Basic."""
    scheme, _, value = header.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip().encode("utf-8", "surrogateescape")
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value.strip(), validate=True).partition(b":")[2]
        except (binascii.Error, ValueError):
            return b""
    return b""
