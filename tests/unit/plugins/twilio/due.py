"""A reminder that is due, as a route hands it to a sink."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from gateway.model.exchange import Delivery, Dispatch
from gateway.model.reminder import Reminder

NUMBER = "+13125550147"


def delivery(id: str = "r1", order: str = "p1", kind: Any = "updated", version: int = 2, **fields: Any) -> Delivery:
    """One version of one reminder."""
    now = datetime.now(UTC)
    held: dict[str, Any] = {
        "due_at": now, "channel": "sms", "state": "due", "step": "two-hours", "start": now + timedelta(hours=2),
        "until": now + timedelta(hours=1), "to": NUMBER, "text": f"Northside PT: Ann, {id}. Reply C confirm",
        "language": "en", "appointment": "a1", "patient": "p1", "occasion": f"a1/x/{id}/sms", **fields,
    }  # fmt: skip
    reminder = Reminder(**held)
    return Delivery(
        key=f"{id}-{version}", change=kind, type="Reminder", record_id=id, order=order, version=version,
        at=now.isoformat(), source="reactor.reminders", observed_at=now.isoformat(),
        fields=tuple(held), body=msgspec.json.encode(reminder),
    )  # fmt: skip


def dispatch(*deliveries: Delivery) -> Dispatch:
    """Several at once."""
    return Dispatch(id="1", route="texts", deliveries=deliveries)
