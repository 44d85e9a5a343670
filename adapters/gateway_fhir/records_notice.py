"""What the first entry of a notification Bundle says: Parameters in the R4 backport, SubscriptionStatus in R4B.

The two have the same elements. Numbers are strings in both, as integer64 is in JSON; servers of the backport's first
release write them as JSON numbers, and are read as well.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from gateway.wire.json_decoder import decoder
from gateway_fhir.records import Part, Reference

STREAM = "subscription"
"""Where the receiver keeps its numbers."""
WATCHED = "subscriptions"
"""Where whoever looks at the state of our Subscriptions keeps what it saw."""
MISSED = " missed"
"""Behind a subscription's name: the first number that did not arrive and may still be asked for."""
ENDED = frozenset({"error", "off"})
"""States of a subscription in which a server tells nothing more."""


class Notice(Struct, frozen=True, kw_only=True):
    """One notification."""

    kind: str = ""
    """handshake, heartbeat, event-notification, query-status or query-event."""
    subscription: str = ""
    status: str = ""
    first: int = 0
    """Lowest number among the events that it tells of."""
    last: int = 0
    """How many events there have been since the subscription began."""


class _Parameter(Part, frozen=True, kw_only=True):
    name: str = ""
    value_code: str | None = None
    value_string: str | None = None
    value_integer: int | None = None
    value_unsigned_int: int | None = None
    value_integer64: str | int | None = None
    value_reference: Reference | None = None
    part: tuple[_Parameter, ...] = ()

    @property
    def text(self) -> str:
        """The value, of whatever type it is here."""
        numbers = (self.value_integer, self.value_unsigned_int, self.value_integer64)
        number = next((str(one) for one in numbers if one is not None), "")
        reference = self.value_reference.reference if self.value_reference else None
        return self.value_code or self.value_string or reference or number


class _Event(Part, frozen=True, kw_only=True):
    event_number: str | int = ""


class _Status(Part, frozen=True, kw_only=True):
    """Either form."""

    resource_type: str = ""
    parameter: tuple[_Parameter, ...] = ()
    type: str = ""
    status: str = ""
    subscription: Reference | None = None
    events_since_subscription_start: str | int = ""
    notification_event: tuple[_Event, ...] = ()


_status = decoder(_Status)
numbers = decoder(dict[str, int])


def notice(resource: msgspec.Raw) -> Notice | None:
    """The notification that a Bundle's first resource describes; None when it is any other resource.

    Raises:
        msgspec.DecodeError: it is one, and not as the standard has it.
    """
    if not bytes(resource):
        return None
    found = _status(resource)
    if found.resource_type == "SubscriptionStatus":
        reference = found.subscription.reference if found.subscription else None
        known = [number(str(one.event_number)) for one in found.notification_event]
        return _notice(
            found.type, reference or "", found.status, number(str(found.events_since_subscription_start)), known
        )
    if found.resource_type != "Parameters":
        return None
    named = {one.name: one.text for one in found.parameter}
    events = [part for one in found.parameter if one.name == "notificationEvent" for part in one.part]
    known = [number(one.text) for one in events if one.name == "eventNumber"]
    told = number(named.get("eventsSinceSubscriptionStart", ""))
    return _notice(named.get("type", ""), named.get("subscription", ""), named.get("status", ""), told, known)


def _notice(kind: str, subscription: str, status: str, told: int, events: list[int]) -> Notice:
    known = [one for one in events if one]
    last = max(told, *known) if known else told
    return Notice(kind=kind, subscription=subscription, status=status, first=min(known, default=last), last=last)


def number(text: str) -> int:
    """A number of an event; 0 for what is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0
