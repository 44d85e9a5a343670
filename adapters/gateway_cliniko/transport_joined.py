"""Rows that say too little alone, joined with the rows that complete them.

An appointment names its type and its business by id only; an invoice comes without its items, a practitioner without
provider numbers, and a class without the patients who come. A change on either side brings the whole.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

import msgspec

from gateway.model.exchange import Item
from gateway.wire.json_decoder import decoder
from gateway_cliniko.records import join
from gateway_cliniko.records_booking import AppointmentType
from gateway_cliniko.records_page import Row, stamp
from gateway_cliniko.records_people import Business
from gateway_cliniko.transport_lists import (
    APPOINTMENT_TYPES,
    APPOINTMENTS,
    ATTENDEES,
    BUSINESSES,
    GROUPS,
    INACTIVE,
    INVOICE_ITEMS,
    INVOICES,
    NUMBERS,
    PRACTITIONERS,
    Api,
    ListOf,
)

_FRESH = timedelta(minutes=15)
_type = decoder(AppointmentType)
_business = decoder(Business)


class Joiner:
    """Makes messages of changed rows; asks the API for what they lack."""

    def __init__(self, api: Api, now: Callable[[], datetime]) -> None:
        self._api = api
        self._now = now
        self._types: dict[str, str] = {}
        self._zones: dict[str, str] = {}
        self._read_at: datetime | None = None

    async def items(self, source: ListOf, rows: Sequence[Row]) -> list[Item]:
        """The messages that changed rows of a list bring."""
        if not rows:
            return []
        match source.stream:
            case "individual_appointments":
                return await self._appointments(rows)
            case "attendees":
                return await self._attendances(rows)
            case "group_appointments":
                attendees = await self._api.rows(ATTENDEES, "booking_id", (row.id for row in rows))
                return await self._attending(rows, attendees)
            case "invoices":
                return await self._with(rows, INVOICE_ITEMS, "invoice", "invoice_with_items")
            case "invoice_items":
                owners = await self._owners(rows, "invoice", INVOICES)
                return await self._with(owners, INVOICE_ITEMS, "invoice", "invoice_with_items")
            case "practitioners" | "inactive_practitioners":
                return await self._with(rows, NUMBERS, "practitioner", "practitioner_with_numbers")
            case "practitioner_reference_numbers":
                owners = await self._owners(rows, "practitioner", PRACTITIONERS, INACTIVE)
                return await self._with(owners, NUMBERS, "practitioner", "practitioner_with_numbers")
        return [row.item(source.kind) for row in rows]

    async def _owners(self, rows: Sequence[Row], link: str, *lists: ListOf) -> list[Row]:
        wanted = [row.links[link] for row in rows if link in row.links]
        return [owner for source in lists for owner in await self._api.rows(source, "id", wanted)]

    async def _with(self, owners: Sequence[Row], source: ListOf, link: str, kind: str) -> list[Item]:
        """One message per owner with all its rows of another list."""
        together: dict[str, list[Row]] = defaultdict(list)
        for row in await self._api.rows(source, f"{link}_id", (owner.id for owner in owners)):
            together[row.links.get(link, "")].append(row)
        return [_joined(owner, together[owner.id], kind, owner.id, owner.patient) for owner in owners]

    async def _appointments(self, rows: Sequence[Row], *, because: str = "") -> list[Item]:
        await self._learn(rows)
        return [
            row.item(APPOINTMENTS.kind, stream=because, context=self._context(row, APPOINTMENTS.kind)) for row in rows
        ]

    async def _attendances(self, rows: Sequence[Row]) -> list[Item]:
        """An attendee, who arrived or did not, brings the booking as it is now."""
        bookings = {row.links["booking"] for row in rows if "booking" in row.links}
        single = {row.id: row for row in await self._api.rows(APPOINTMENTS, "id", bookings)}
        items: list[Item] = []
        for row in rows:
            if (booking := single.get(row.links.get("booking", ""))) is not None:
                because = f"attendees:{row.id}:{stamp(row.updated_at)}"
                items += await self._appointments([booking], because=because)
        groups = await self._api.rows(GROUPS, "id", bookings - single.keys())
        return items + await self._attending(groups, rows)

    async def _attending(self, groups: Sequence[Row], attendees: Iterable[Row]) -> list[Item]:
        """One message for each patient of each class."""
        await self._learn(groups)
        known = {row.id: row for row in groups}
        return [
            _joined(
                known[booking],
                [row],
                "group_attendance",
                row.id,
                row.patient,
                self._context(known[booking], "group_attendance"),
            )
            for row in attendees
            if (booking := row.links.get("booking", "")) in known
        ]

    async def _learn(self, rows: Sequence[Row]) -> None:
        """Names of appointment types and zones of businesses; read again when old, or when one is not known."""
        types = {row.links["appointment_type"] for row in rows if "appointment_type" in row.links}
        places = {row.links["business"] for row in rows if "business" in row.links}
        now = self._now()
        fresh = self._read_at is not None and now - self._read_at < _FRESH
        if not rows or (fresh and types <= self._types.keys() and places <= self._zones.keys()):
            return
        async for page in self._api.pages(APPOINTMENT_TYPES, (), most=100):
            self._types |= {row.id: _type(row.body).name or "" for row in page.rows}
        async for page in self._api.pages(BUSINESSES, (), most=100):
            self._zones |= {row.id: str(_business(row.body).time_zone_identifier or "") for row in page.rows}
        self._types |= dict.fromkeys(types - self._types.keys(), "")
        self._zones |= dict.fromkeys(places - self._zones.keys(), "")
        self._read_at = now

    def _context(self, row: Row, kind: str) -> bytes:
        """What ``normalize`` needs beside the row: the kind, and the words behind two ids."""
        found = {
            "kind": kind,
            "type": self._types.get(row.links.get("appointment_type", ""), ""),
            "zone": self._zones.get(row.links.get("business", ""), ""),
        }
        return msgspec.json.encode({name: text for name, text in found.items() if text})


def _joined(of: Row, rows: Sequence[Row], kind: str, id: str, patient: str | None, context: bytes = b"") -> Item:
    newest = max(row.updated_at for row in (of, *rows))
    row = Row(join(of.body, [one.body for one in rows]), id, newest, patient, of.links)
    return row.item(kind, context=context)
