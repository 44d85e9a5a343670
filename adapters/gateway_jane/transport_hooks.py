"""Webhooks: notices that name an appointment, verified, then answered by fetching it.

A notice holds ids only. It counts once the appointment as it is now was stored; one that gets lost costs nothing but
the time to the next look, for polling reads the same appointments. Rows tell no version, so what is stored last counts:
when polling stored a newer state while a notice's was on its way, a further question shows it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Callable
from datetime import datetime

import msgspec

from gateway.errors import RetryLater
from gateway.model.exchange import HookRequest, HookResponse, Intake
from gateway.wire.json_decoder import decoder
from gateway_jane.config import JaneConfig
from gateway_jane.records import read_row
from gateway_jane.transport_api import Api, api_client, identity_client, utc_now
from gateway_jane.transport_tokens import TokenFile

TOPICS = ("APPOINTMENT_BOOKED", "APPOINTMENT_CANCELLED", "APPOINTMENT_RESCHEDULED", "APPOINTMENT_UNCANCELLED")
TOLERANCE = 300.0
"""Seconds that a signed timestamp may lie from now."""
_READINGS = 3
"""Of one appointment for one notice; what changes faster than that is left to polling."""


class _Notice(msgspec.Struct, frozen=True):
    event_id: str
    event_topic: str
    appointment_id: str


_notice = decoder(_Notice)


class ClinicHooks:
    """Receives the notices of one clinic."""

    def __init__(self, config: JaneConfig, clock: Callable[[], float] = time.time) -> None:
        self._config = config
        self._file = TokenFile(config.token_file)
        self._clock = clock

    async def receive(self, request: HookRequest, intake: Intake) -> HookResponse:
        """200 once the appointment is stored or known to be gone; 401 for a wrong signature; 503 to be asked again."""
        if request.method != "POST":
            return HookResponse(status=405)
        try:
            keys = [hook.secret.encode() for hook in self._file.read().webhooks]
        except RetryLater:
            keys = []
        if not self._verified(request, keys):
            return HookResponse(status=401)
        try:
            notice = _notice(request.body)
        except msgspec.DecodeError:
            return HookResponse(status=400)
        if notice.event_topic not in TOPICS:
            return HookResponse(status=200)
        try:
            await self._fetch(notice, intake)
        except RetryLater:
            return HookResponse(status=503)
        return HookResponse(status=200)

    async def _fetch(self, notice: _Notice, intake: Intake) -> None:
        async with identity_client(self._config) as outside, api_client(self._config, outside) as client:
            api = Api(client, self._config, utc_now)
            name, stored = f"hook:{notice.event_id[:64]}", b""
            for reading in range(_READINGS):
                answer = await api.one("appointments", notice.appointment_id)
                if answer.status == 404 or answer.body == stored:
                    return
                try:
                    row = read_row(answer.body)
                except msgspec.DecodeError:
                    return  # the next look tells what is wrong with it, in its place
                told = await api.context("appointments", [row])
                control = f"{name}:{reading}" if reading else name
                await intake.accept([row.item(told(row), control=control)], stream="webhooks")
                stored = answer.body

    def _verified(self, request: HookRequest, keys: list[bytes]) -> bool:
        sent = request.headers.get("x-jane-timestamp", "")
        content = request.body
        if self._config.webhook_signed == "timestamp.body":
            if not self._is_recent(sent):
                return False
            content = sent.encode("utf-8", "replace") + b"." + content
        given = request.headers.get("x-jane-signature", "").removeprefix("sha256=").encode("utf-8", "replace")
        return any(hmac.compare_digest(self._signature(key, content), given) for key in keys)

    def _signature(self, key: bytes, content: bytes) -> bytes:
        digest = hmac.digest(key, content, hashlib.sha256)
        return digest.hex().encode() if self._config.webhook_digest == "hex" else base64.b64encode(digest)

    def _is_recent(self, sent: str) -> bool:
        try:
            at = float(sent) if sent.isdecimal() else datetime.fromisoformat(sent).timestamp()
        except (ValueError, OverflowError):
            return False
        return abs(self._clock() - at) <= TOLERANCE
