"""Events of feeds: known by their UID, told by their time, and refused when they say something that is not read."""

from __future__ import annotations

from codecs import BOM_UTF8
from datetime import UTC, datetime

import msgspec
import pytest

from gateway.errors import InvalidContent
from gateway.model.exchange import Finding, Item
from gateway_jane.config import JaneConfig
from gateway_jane.records_feed import read_feed
from tests.unit.adapters.jane.clinic import ADAPTER, Mapping, normalize

GOLDEN = (ADAPTER.mappings.parent.parent.parent / "adapters/gateway_jane/golden/feed.ics").read_bytes()
WITH = normalize()


def feed(*events: str) -> bytes:
    inner = "".join(f"BEGIN:VEVENT\n{one}\nEND:VEVENT\n" for one in events)
    return f"BEGIN:VCALENDAR\n{inner}END:VCALENDAR\n".encode()


def test_a_saved_feed_is_cut_into_events() -> None:
    """Each event is a message with its own bytes."""
    assert ADAPTER.recognize(GOLDEN[:4096])
    assert ADAPTER.recognize(BOM_UTF8 + GOLDEN[:4096])
    parts = list(ADAPTER.cut([GOLDEN[:100], GOLDEN[100:]], JaneConfig()))
    items = [one for one in parts if isinstance(one, Item)]
    assert len(items) == 5
    assert all(GOLDEN[one.offset :].startswith(one.body) for one in items)
    broken = list(ADAPTER.cut([b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nEND:VEVENT\nEND:VCALENDAR"], JaneConfig()))
    assert [one.reason for one in broken if isinstance(one, Finding)] == ["no-uid"]


def test_the_zone_of_a_feed_goes_with_the_event_that_needs_it() -> None:
    """A message can be read by itself, also when its zone is described elsewhere in the calendar."""
    items = list(read_feed([GOLDEN], "UTC").events.values())
    assert [bool(one.zones) for one in items] == [False, True, False, False, False]
    item = items[1].item("ana", "")
    (_, slot) = WITH(item.body, item.context).patches
    assert slot.fields["start"] == datetime(2026, 7, 15, 15, tzinfo=UTC)
    assert slot.fields["end"] == datetime(2026, 7, 15, 15, 45, tzinfo=UTC)


def test_what_is_cancelled_is_gone_and_what_repeats_waits_for_a_person() -> None:
    """No event that repeats becomes its first time only."""
    items = [one.item("ana", "") for one in read_feed([GOLDEN], "UTC").events.values()]
    (slot,) = (one for one in WITH(items[3].body, items[3].context).patches if one.type == "Slot")
    assert slot.operation == "remove"
    with pytest.raises(InvalidContent, match="repeats"):
        WITH(items[4].body, items[4].context)


def test_only_what_is_said_changes_the_digest() -> None:
    """Stamps differ with each reading; of one UID twice the higher sequence counts, and a recurrence is its own."""
    first = "UID:1\nDTSTAMP:{}\nSEQUENCE:{}\nDTSTART:20260715T140000Z\nSUMMARY:{}"
    one, other = (read_feed([feed(first.format(stamp, 1, "x"))], "UTC") for stamp in ("20260101T0", "20260102T0"))
    assert [a.digest for a in one.events.values()] == [a.digest for a in other.events.values()]
    both = read_feed([feed(first.format("", 2, "new"), first.format("", 1, "old"))], "UTC")
    (event,) = both.events.values()
    assert b"new" in event.body
    apart = read_feed([feed(first.format("", 1, "x"), first.format("", 1, "x") + "\nRECURRENCE-ID:20260715")], "UTC")
    assert len(apart.events) == 2


@pytest.mark.parametrize(
    "event",
    ["UID:1", "UID:1\nDTSTART:x", "UID:1\nDTSTART:20260715T14\nDTEND:20260714T14", "DTSTART:20260715", "nothing",
     "UID:1\nDTSTART:20260715T140000Z\nDTEND:20260714T140000Z", "UID:1\nDTSTART:20260715\nDURATION:x"],
)  # fmt: skip
def test_an_event_that_cannot_be_read_makes_the_feed_incomplete(event: str) -> None:
    """Then nothing that lacks is taken for gone."""
    found = read_feed([feed(event, "UID:2\nDTSTART:20260715")], "UTC")
    assert (len(found.events), len(found.findings), found.complete) == (1, 1, False)
    assert read_feed([feed("UID:2\nDTSTART:20260715")], "UTC").complete


def test_a_whole_day_lasts_until_midnight_in_the_zone_of_the_feed() -> None:
    """A day without an end is one day."""
    mapping = Mapping.load(ADAPTER.mappings, None, ADAPTER.path).bind(zone="America/Chicago")
    read = ADAPTER.normalizer(JaneConfig(feed_zone="America/Chicago"), mapping)
    (item,) = (
        one.item("", "") for one in read_feed([feed("UID:1\nDTSTART;VALUE=DATE:20260715")], "UTC").events.values()
    )
    (slot,) = read(item.body, item.context).patches
    assert slot.fields["start"] == datetime(2026, 7, 15, 5, tzinfo=UTC)
    assert slot.fields["end"] == datetime(2026, 7, 16, 5, tzinfo=UTC)


@pytest.mark.parametrize(("kind", "body"), [("feed_events", b"x"), ("feed_events", GOLDEN), ("feed_gone", b"[]")])
def test_bytes_that_are_no_event_are_refused(kind: str, body: bytes) -> None:
    """As any message that is not what it says."""
    with pytest.raises(InvalidContent):
        WITH(body, msgspec.json.encode({"kind": kind}))
