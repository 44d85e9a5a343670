"""The wall clock as the store keeps it: whole microseconds since 1970, UTC."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def micros() -> int:
    """Now."""
    return time.time_ns() // 1000


def iso(at: int) -> str:
    """ISO 8601 in UTC, to the microsecond."""
    return datetime.fromtimestamp(at / 1_000_000, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def moment(at: int) -> datetime:
    """The same as an aware time."""
    return EPOCH + timedelta(microseconds=at)


def micros_of(at: datetime) -> int:
    """The reverse, exact; ``TypeError`` for a time without a zone."""
    return (at - EPOCH) // timedelta(microseconds=1)
