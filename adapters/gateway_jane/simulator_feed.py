"""iCal feeds of the simulated clinic: a private address per staff member, future and past thirty days, no arrivals."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from aiohttp import web

Row = dict[str, Any]
PAST = timedelta(days=30)
_LONGEST = 75


class SimulatedFeeds:
    """Feeds over the rows of a simulated clinic.

    Args:
        tables: rows by list and id, as they are now.
        now: the clinic's clock.
    """

    def __init__(self, tables: dict[str, dict[str, Row]], now: Callable[[], datetime]) -> None:
        self._tables = tables
        self._now = now
        self.tokens: dict[str, str] = {}
        """Staff member by token of the private address."""
        self.repeating: set[str] = set()
        """Appointments shown as ones that repeat."""

    def routes(self, router: web.UrlDispatcher) -> None:
        router.add_get("/ical/{token}/appointments.ics", self._get)

    def path(self, staff: str) -> str:
        """The private address of a staff member, made anew: the one before is over."""
        self.tokens = {token: id for token, id in self.tokens.items() if id != staff}
        token = secrets.token_urlsafe(15)
        self.tokens[token] = staff
        return f"/ical/{token}/appointments.ics"

    def told(self, base: str, zone: str) -> dict[str, str]:
        """Settings for a source that reads the feed of the clinic's first staff member."""
        return {"feeds.first.url": f"{base}{self.path(next(iter(self._tables['staff_members'])))}", "feed_zone": zone}

    async def _get(self, request: web.Request) -> web.Response:
        staff = self.tokens[request.match_info["token"]]
        lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Simulated Jane//EN", "X-WR-CALNAME:Appointments"]
        plain: list[str] = []
        for row in sorted(self._tables["appointments"].values(), key=lambda one: (one["start_at"], one["id"])):
            if row["staff_member_id"] == staff and self._shown(row):
                event = self._event(row)
                plain += event
                lines += ["BEGIN:VEVENT", *event, f"DTSTAMP:{self._now():%Y%m%dT%H%M%SZ}", "END:VEVENT"]
        tag = f'"{hashlib.sha256(repr(plain).encode()).hexdigest()[:16]}"'
        if request.headers.get("If-None-Match") == tag:
            return web.Response(status=304, headers={"ETag": tag})
        text = "".join(f"{folded(line)}\r\n" for line in [*lines, "END:VCALENDAR"])
        return web.Response(body=text.encode(), content_type="text/calendar", headers={"ETag": tag})

    def _shown(self, row: Row) -> bool:
        held = row["state"] in ("booked", "reserved") and not row["arrived_at"]
        return held and datetime.fromisoformat(row["start_at"]) >= self._now() - PAST

    def _event(self, row: Row) -> list[str]:
        patient = self._tables["patients"][row["patient_id"]]
        begins, ends = (datetime.fromisoformat(row[name]) for name in ("start_at", "end_at"))
        return [
            f"UID:{row['id']}", f"DTSTART:{begins:%Y%m%dT%H%M%SZ}", f"DTEND:{ends:%Y%m%dT%H%M%SZ}",
            f"SUMMARY:{patient['first_name'][:1]}. {patient['last_name'][:1]}. - {row['treatment_id']}",
            *(["RRULE:FREQ=WEEKLY"] if row["id"] in self.repeating else []),
        ]  # fmt: skip


def folded(line: str) -> str:
    """A content line in pieces of at most 75 bytes."""
    pieces: list[str] = []
    data = line.encode()
    while data:
        cut = _LONGEST if not pieces else _LONGEST - 1
        while len(data) > cut and data[cut] & 0xC0 == 0x80:  # not within a letter
            cut -= 1
        pieces.append(data[:cut].decode())
        data = data[cut:]
    return "\r\n ".join(pieces)
