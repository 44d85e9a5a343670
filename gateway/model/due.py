"""Due: whether a delivery is a reminder that must go out now. What every sink of messages to patients asks first."""

from __future__ import annotations

from datetime import datetime

import msgspec

from gateway.model.exchange import Delivered, Delivery, Rejected
from gateway.model.reminder import Reminder, why_not

_read = msgspec.json.Decoder(Reminder).decode


def due(delivery: Delivery, channels: frozenset[str], now: datetime) -> Reminder | Delivered | Rejected:
    """The reminder, or the outcome of a delivery with which there is nothing to do; its receipt says why."""
    if delivery.type != "Reminder" or delivery.change in ("removed", "merged"):
        return Delivered("nothing to send")
    try:
        reminder = _read(delivery.body)
    except msgspec.ValidationError:
        return Rejected("view-lacks-fields")
    why = why_not(reminder, channels, now)
    return reminder if why is None else Delivered(f"not sent: {why}")
