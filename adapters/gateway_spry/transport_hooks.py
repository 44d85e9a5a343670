"""Webhooks: signed notices that hold ids and a status; what they name is read before they are stored and answered.

One that gets lost costs nothing but the time to the next look. Notices that arrive while a clinic's calendars are being
read share one further reading.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections.abc import Callable

import msgspec

from gateway.errors import RetryLater
from gateway.model.exchange import Finding, HookRequest, HookResponse, Intake, Item
from gateway.settings import resolve_secret
from gateway_spry.config import SpryConfig
from gateway_spry.records import EVENTS, Notice, notice_item, read_notice
from gateway_spry.transport import TOLD, Calendars, Cases, Seen, encoded, remembered
from gateway_spry.transport_api import Api, connected, stamp, utc_now

TOLERANCE = 300.0
"""Seconds after which a signature is too old."""
_MOST_TOLD = 20_000


class OrganisationHooks:
    """Receives the notices of one organisation."""

    def __init__(self, config: SpryConfig, clock: Callable[[], float] = time.time) -> None:
        self._config = config
        self._key = resolve_secret(config.webhook_key).encode() if config.webhook_key is not None else b""
        self._clock = clock
        self._turn = asyncio.Lock()
        self._begun: dict[str, float] = {}
        """By clinic, when its last whole reading began."""

    async def receive(self, request: HookRequest, intake: Intake) -> HookResponse:
        """200 once stored, 401 for a wrong or old signature, 400 for another body, 503 to be sent again."""
        if request.method != "POST":
            return HookResponse(status=405)
        if not self._key or not self._verified(request):
            return HookResponse(status=401)
        try:
            notice = read_notice(request.body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return HookResponse(status=400)
        if notice.event_type not in EVENTS:
            return HookResponse(status=200)
        try:
            await self._read(notice, intake)
            await intake.accept([notice_item(notice, request.body)], stream="webhooks")
        except RetryLater as error:
            return HookResponse(status=error.http_status)
        return HookResponse(status=200)

    async def _read(self, notice: Notice, intake: Intake) -> None:
        """What the notice names, as it is now."""
        arrived = time.monotonic()
        about = notice.event_type.partition(".")[0]
        if about == "patient" or self._config.client_id is None:
            return
        case = _text(notice, self._config.case_field if about == "case" else "spry_case_id")
        async with self._turn, connected(self._config) as api:
            if about == "appointment":
                await self._calendars(notice, api, arrived, intake)
            if case:
                await self._case(case, api, intake)

    async def _calendars(self, notice: Notice, api: Api, arrived: float, intake: Intake) -> None:
        clinic, calendars = _text(notice, "clinic_id"), Calendars(api, self._config, utc_now)
        if not clinic or self._begun.get(clinic, 0.0) > arrived:
            return
        if notice.event_type == "appointment.cancelled" and await calendars.holds(
            clinic, _text(notice, "appointment_id"), intake
        ):
            return  # what the notice says is enough
        begun = time.monotonic()
        await calendars.read(clinic, intake)
        self._begun[clinic] = begun

    async def _case(self, case: str, api: Api, intake: Intake) -> None:
        parts = await Cases(api, self._config, utc_now).parts(case, stamp(utc_now()))
        told = await remembered(intake, TOLD)
        cases = [one for one in told.cases if one != case][1 - _MOST_TOLD :]
        await intake.accept(
            [part for part in parts if isinstance(part, Item)],
            stream=TOLD, cursor=encoded(Seen(cases=[*cases, case])),
            findings=[part for part in parts if isinstance(part, Finding)],
        )  # fmt: skip

    def _verified(self, request: HookRequest) -> bool:
        sent = request.headers.get("x-sprypt-signature", "")
        parts = dict(part.split("=", 1) for part in sent.replace(" ", "").split(",") if "=" in part)
        at, given = parts.get("t", ""), parts.get("v1", "")
        if not (at.isascii() and at.isdecimal() and len(at) < 12) or abs(self._clock() - int(at)) > TOLERANCE:
            return False
        wanted = hmac.digest(self._key, f"{at}.".encode() + request.body, hashlib.sha256).hex()
        return hmac.compare_digest(wanted.encode(), given.encode("utf-8", "replace"))


def _text(notice: Notice, name: str) -> str:
    value = notice.data.get(name)
    return str(value)[:64] if isinstance(value, str | int) else ""
