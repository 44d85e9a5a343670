"""The way back into one account: look how an appointment stands, and write what is left to be written.

Strategy. The API knows no idempotency key, and every write here states how something shall be, not that it shall
change. So each delivery begins with a look: what is so already is not written, what the clinic has marked otherwise is
not overwritten, and a repeat after an answer that was lost finds its own work done. A write whose answer is lost is
``Ambiguous``; the core then asks by ``probe``, which is the same look.
"""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar

import aiohttp
import msgspec
from msgspec import Struct

from gateway.errors import RetryLater
from gateway.model.exchange import Ambiguous, Delivered, Delivery, Dispatch, Outcome, RateBudget, Rejected, Retry
from gateway.transport.budget import RateWindow
from gateway.transport.egress import Answer, Egress
from gateway.transport.in_order import in_order
from gateway_cliniko.config_writeback import WritebackConfig
from gateway_cliniko.records_people import Link
from gateway_cliniko.translate_wish import Change, Seen, Utc, Wish, judge, wish_of

_SHOWN = "q%5B%5D=archived_at%3A%2A&q%5B%5D=deleted_at%3A%2A"
_CANCELLED = f"{_SHOWN}&q%5B%5D=cancelled_at%3A%2A"
_FIELD = re.compile(r"[a-z_]{1,40}\Z", re.ASCII)
_REFUSED_SECONDS = 3600.0
_LONGEST_WAIT = 120.0
Row = TypeVar("Row")


class _Marks(Struct, frozen=True, kw_only=True):
    """What tells of every row whether it is still there."""

    archived_at: str | None = None
    deleted_at: str | None = None
    cancelled_at: str | None = None
    notes: str | None = None

    @property
    def gone(self) -> bool:
        return bool(self.archived_at or self.deleted_at)


class _Appointment(_Marks, frozen=True, kw_only=True):
    starts_at: Utc
    did_not_arrive: bool | None = None
    patient_arrived: bool | None = None


class _Attendee(_Marks, frozen=True, kw_only=True):
    id: str | int
    arrived: bool | None = None
    booking: Link | None = None


class _Class(_Marks, frozen=True, kw_only=True):
    starts_at: Utc


class _Attendees(Struct, frozen=True):
    attendees: list[_Attendee]


class _Errors(Struct, frozen=True):
    errors: dict[str, Any] = {}


class Writeback:
    """The open sink of one route."""

    def __init__(self, config: WritebackConfig, egress: Egress, headers: Mapping[str, str]) -> None:
        self._config = config
        self._egress = egress
        self.endpoint = egress.endpoint
        self._headers = {"accept": "application/json", **headers}
        self._window = RateWindow(RateBudget(requests=config.requests_per_minute, seconds=60.0))
        self._turns = asyncio.Semaphore(4)

    async def deliver(self, dispatch: Dispatch) -> Sequence[Outcome]:
        """Write what is wanted, one after another for each patient."""
        return await in_order(dispatch.deliveries, self._send, self._turns)

    async def probe(self, delivery: Delivery) -> Outcome:
        """Whether it is so by now; ``Retry`` when it is not."""
        wish = wish_of(delivery, self._config)
        if not isinstance(wish, Wish):
            return wish
        seen = await self._look(wish)
        if not isinstance(seen, Seen):
            return Ambiguous(seen.reason) if isinstance(seen, Retry) else seen
        left = judge(wish, seen, self._config, datetime.now(UTC))
        if isinstance(left, Change):
            return Retry("not-written")
        return Delivered(f"{wish.act}: found", told=wish.told) if isinstance(left, Delivered) else left

    async def close(self) -> None:
        """Close every connection."""
        await self._egress.close()

    async def _send(self, delivery: Delivery) -> Outcome:
        wish = wish_of(delivery, self._config)
        if not isinstance(wish, Wish):
            return wish
        seen = await self._look(wish)
        if not isinstance(seen, Seen):
            return seen
        left = judge(wish, seen, self._config, datetime.now(UTC))
        if not isinstance(left, Change):
            return left
        told = await self._call("PATCH", left.target, left.body)
        if not isinstance(told, Answer):
            return told
        if told.status in (200, 204):
            return Delivered(f"{wish.act}: {told.status}", told=wish.told)
        return Rejected(_refusal(told))

    # --- looking ------------------------------------------------------------------------------------------------

    async def _look(self, wish: Wish) -> Seen | Retry | Rejected:
        if wish.in_class:
            return await self._look_in_class(wish)
        target = f"/v1/individual_appointments/{wish.id}?{_CANCELLED}"
        row = await self._read(target, msgspec.json.Decoder(_Appointment).decode)
        if not isinstance(row, _Appointment):
            return row
        arrived = True if row.patient_arrived else False if row.did_not_arrive else None
        found = Seen(row.starts_at, bool(row.cancelled_at), row.gone, arrived, row.notes)
        if wish.act not in ("arrived", "did-not-arrive"):
            return found
        listed = f"/v1/attendees?q%5B%5D=booking_id%3A%3D{wish.id}&{_CANCELLED}"
        page = await self._read(listed, msgspec.json.Decoder(_Attendees).decode)
        if not isinstance(page, _Attendees):
            return page
        there = [one for one in page.attendees if not one.gone]
        if len(there) != 1:
            return found
        return msgspec.structs.replace(found, attendee=_id(there[0].id), arrived=there[0].arrived)

    async def _look_in_class(self, wish: Wish) -> Seen | Retry | Rejected:
        place = await self._read(f"/v1/attendees/{wish.id}?{_CANCELLED}", msgspec.json.Decoder(_Attendee).decode)
        if not isinstance(place, _Attendee):
            return place
        booking = _id(place.booking.id) if place.booking is not None else None
        if booking is None:
            return Rejected("class-not-found")
        row = await self._read(f"/v1/group_appointments/{booking}?{_SHOWN}", msgspec.json.Decoder(_Class).decode)
        if not isinstance(row, _Class):
            return row
        gone = place.gone or row.gone
        return Seen(row.starts_at, bool(place.cancelled_at), gone, place.arrived, place.notes, _id(place.id))

    async def _read(self, target: str, decode: Callable[[bytes], Row]) -> Row | Retry | Rejected:
        """One row; nothing was written yet, so whatever goes wrong may be tried again."""
        told = await self._call("GET", target)
        if not isinstance(told, Answer):
            return Retry(told.reason, getattr(told, "after", None))
        if told.status == 404:
            return Rejected("appointment-not-found")
        if told.status != 200:
            return Rejected(_refusal(told))
        try:
            return decode(told.body)
        except msgspec.ValidationError:
            return Rejected("answer-of-another-shape")
        except msgspec.DecodeError:
            return Retry("answer-cut")

    # --- calling ------------------------------------------------------------------------------------------------

    async def _call(
        self, method: Literal["GET", "PATCH"], target: str, body: dict[str, Any] | None = None
    ) -> Answer | Retry | Ambiguous:
        """An answer that says something about this one request; what is about us or about the vendor's day is told."""
        sent = None if body is None else msgspec.json.encode(body)
        headers = self._headers | ({} if sent is None else {"content-type": "application/json"})
        try:
            async with self._window.slot():
                answer = await self._egress.send(method, target, headers, sent)
        except RetryLater:
            return Retry("address-not-public")
        except aiohttp.ClientConnectorError:
            return Retry("no-connection")
        except (aiohttp.ClientError, TimeoutError, OSError):
            return Ambiguous("no-answer")
        if answer.status == 429:
            wait = _wait(answer.headers)
            self._window.pause(wait)
            return Retry("budget-used-up", wait)
        if answer.status in (401, 403):
            return Retry("not-authorized", _REFUSED_SECONDS)
        return Ambiguous(f"status-{answer.status}") if answer.status >= 500 else answer


def _id(value: str | int | None) -> str | None:
    """An id fit for a path; the vendor's are numbers."""
    text = str(value)
    return text if re.fullmatch(r"\d{1,20}", text, re.ASCII) else None


def _refusal(answer: Answer) -> str:
    """Why it was refused, by the names of fields; the words beside them may repeat what was sent."""
    if answer.status != 422:
        return f"refused-{answer.status}"
    try:
        named = msgspec.json.decode(answer.body, type=_Errors).errors
    except msgspec.DecodeError:
        named = {}
    fields = sorted(name for name in named if _FIELD.match(name))[:5]
    return ":".join(("not-valid", *fields))


def _wait(headers: Mapping[str, str]) -> float:
    """Seconds until the vendor counts anew: X-RateLimit-Reset is a time, Retry-After a number."""
    reset, after = headers.get("X-RateLimit-Reset", ""), headers.get("Retry-After", "")
    if re.fullmatch(r"\d{1,12}", reset, re.ASCII):
        return min(max(1.0, math.ceil(int(reset) - time.time()) + 1.0), _LONGEST_WAIT)
    return min(float(after), _LONGEST_WAIT) if re.fullmatch(r"\d{1,6}", after, re.ASCII) else 60.0
