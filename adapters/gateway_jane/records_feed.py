"""A staff member's iCal feed: cut into events, and each event into fields.

Neither the pattern of UIDs nor the words of a summary are documented: an event is known by a digest of its UID, and of
what it says only its time is read, for the summary may name a client.
"""

from __future__ import annotations

import hashlib
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct

from gateway.errors import InvalidContent, MalformedEnvelope
from gateway.model.exchange import Finding, Item
from gateway.wire.ical import Broken, Component, Reader
from gateway.wire.ical_time import Zones, duration
from gateway.wire.json_decoder import decoder
from gateway_jane.records import Context, Record

EVENTS, GONE = "feed_events", "feed_gone"
BEGIN = b"BEGIN:VCALENDAR"
_VOLATILE = frozenset({"DTSTAMP", "LAST-MODIFIED", "CREATED"})
"""A feed is written anew each time it is asked for: these say when, not what."""
_TIMES = ("DTSTART", "DTEND")


class FeedEvent(Struct, frozen=True):
    """One event of a feed as it was read."""

    key: str
    """A digest of UID and recurrence, by which it is known."""
    digest: str
    """Tells one state of it from the next."""
    begins: float
    """Seconds since 1970."""
    sequence: int
    body: bytes
    zones: str
    """The calendar's own zones that it needs, a letter for each byte: a fold may cut a letter in two."""
    offset: int

    def item(self, staff: str, named: str, *, look: str = "") -> Item:
        """The message to store."""
        told = Context(EVENTS, staff=staff, staff_name=named, zones=self.zones)
        return Item(
            body=self.body, kind=EVENTS, control_id=f"{EVENTS}:{self.key}:{self.digest}:{look}", order_key=self.key,
            context=msgspec.json.encode(told), offset=self.offset,
        )  # fmt: skip


class Feed(Struct, frozen=True):
    """One reading of a feed."""

    events: dict[str, FeedEvent]
    """By key; of one UID twice, the one with the higher SEQUENCE."""
    findings: list[Finding]
    complete: bool
    """Whether the calendar came to its end and every event in it could be read: then what lacks is gone."""


class _Gone(Struct, frozen=True):
    key: str


_gone = decoder(_Gone)


def gone(key: str, staff: str, look: str) -> Item:
    """The message that an event is not in its feed any more."""
    context = msgspec.json.encode(Context(GONE, staff=staff))
    body = msgspec.json.encode({"key": key})
    return Item(body=body, kind=GONE, control_id=f"{GONE}:{key}:{look}", order_key=key, context=context)


def is_feed(head: bytes) -> bool:
    """Whether a file begins as a calendar, a mark of its byte order before it or not."""
    return head.removeprefix(BOM_UTF8).lstrip().upper().startswith(BEGIN)


def read_feed(chunks: Iterable[bytes], zone: str) -> Feed:
    """A whole feed; ``zone`` is that of times which name none.

    Raises ``MalformedEnvelope`` when the bytes are no calendar.
    """
    reader = Reader()
    parts = [part for chunk in chunks for part in reader.feed(chunk)]
    parts += reader.close()
    zones = Zones((one for one in parts if isinstance(one, Component) and one.name == "VTIMEZONE"), ZoneInfo(zone))
    events: dict[str, FeedEvent] = {}
    findings: list[Finding] = []
    for part in parts:
        if isinstance(part, Broken):
            findings.append(_finding(part.reason, "A part of the calendar cannot be read", part.line, part.body))
        elif part.name == "VEVENT":
            try:
                event = _event(part, zones)
            except InvalidContent as error:
                findings.append(_finding(error.reason, error.what, part.line, part.body))
            else:
                known = events.get(event.key)
                if known is None or known.sequence <= event.sequence:
                    events[event.key] = event
    return Feed(events, findings, reader.complete and not findings)


def _finding(reason: str, what: str, line: int, body: bytes) -> Finding:
    return Finding(reason=reason, what=what, where=f"line {line}", body=body)


def cut_feed(chunks: Iterable[bytes], staff: str, named: str, zone: str) -> Iterator[Item | Finding]:
    """The events of one saved feed."""
    body = b"".join(chunks)
    try:
        feed = read_feed([body], zone)
    except MalformedEnvelope as error:
        yield Finding(reason=error.reason, what=error.what, where=error.where, body=body)
        return
    yield from feed.findings
    for event in feed.events.values():
        yield event.item(staff, named)


def _event(part: Component, zones: Zones) -> FeedEvent:
    uid, again, sequence = part.one("UID"), part.one("RECURRENCE-ID"), part.one("SEQUENCE")
    if uid is None or not uid.value:
        raise InvalidContent("no-uid", "An event has no UID", where="UID", fix=_CURE)
    begins, _ = _span(part, zones)
    known = hashlib.blake2b(f"{uid.value}\0{again.value if again else ''}".encode(), digest_size=16).hexdigest()
    said = [(one.name, *sorted(one.parameters.items()), one.value) for one in part.properties]
    digest = hashlib.blake2b(repr([one for one in said if one[0] not in _VOLATILE]).encode(), digest_size=12)
    needed = zones.needed(one for name in _TIMES for one in part.all(name))
    return FeedEvent(
        known, digest.hexdigest(), begins.timestamp(),
        int(sequence.value) if sequence is not None and sequence.value.isdecimal() else 0,
        part.body, b"".join(one.body for one in needed).decode("latin-1"), part.offset,
    )  # fmt: skip


_CURE = "Correct the event in Jane, or let the feed be read anew."


def decode_event(body: bytes, told: Context, zone: str) -> Record:
    """The fields of one event; raises ``InvalidContent`` that holds nothing of it."""
    if told.kind == GONE:
        try:
            return {"key": _gone(body).key, "gone": True}
        except msgspec.DecodeError:
            raise InvalidContent("no-event", "The message names no event of a feed", where="body", fix=_CURE) from None
    reader = Reader()
    try:
        parts = reader.feed(BEGIN + b"\r\n" + told.zones.encode("latin-1", "replace") + body + b"END:VCALENDAR\r\n")
    except MalformedEnvelope:
        parts = []
    found = [one for one in parts if isinstance(one, Component)]
    events = [one for one in found if one.name == "VEVENT"]
    if len(events) != 1:
        raise InvalidContent("no-event", "The message is no event of a calendar", where="body", fix=_CURE)
    part, zones = events[0], Zones((one for one in found if one.name == "VTIMEZONE"), ZoneInfo(zone))
    for name in ("RRULE", "RDATE"):
        if part.one(name) is not None:
            fix = "Book the times one by one, or tell the gateway's developers that this feed repeats events."
            raise InvalidContent("repeats", "An event that repeats is not spread out", where=name, fix=fix)
    begins, ends = _span(part, zones)
    status = part.one("STATUS")
    return {
        "key": _event(part, zones).key, "start": _text(begins), "end": _text(ends), "staff": told.staff or None,
        "staff_name": told.staff_name or None,
        "gone": status is not None and status.value.strip().upper() == "CANCELLED",
        "residue": sorted({one.name for one in part.properties if one.name not in _READ}),
    }  # fmt: skip


_READ = {"UID", "RECURRENCE-ID", "SEQUENCE", "STATUS", "DURATION", *_TIMES, *_VOLATILE}


def _span(part: Component, zones: Zones) -> tuple[datetime, datetime]:
    start, end, length = part.one("DTSTART"), part.one("DTEND"), part.one("DURATION")
    if start is None:
        raise InvalidContent("no-start", "An event has no beginning", where="DTSTART", fix=_CURE)
    begins = zones.read(start)
    if end is not None:
        ends = zones.read(end)
    elif length is not None:
        ends = begins + duration(length)
    else:
        ends = begins if isinstance(begins, datetime) else begins + timedelta(days=1)
    first, last = (one if isinstance(one, datetime) else zones.midnight(one) for one in (begins, ends))
    if last < first:
        raise InvalidContent("ends-before-it-begins", "An event ends before it begins", where="DTEND", fix=_CURE)
    return first, last


def _text(at: datetime | date) -> str:
    return at.astimezone(UTC).isoformat() if isinstance(at, datetime) else at.isoformat()
