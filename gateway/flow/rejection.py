"""Rejections: why a message waits in quarantine instead of becoming changes."""

from __future__ import annotations

import msgspec
import structlog

log = structlog.get_logger(__name__)


class Rejection(msgspec.Struct, frozen=True):
    """Why a message waits in quarantine."""

    reason: str
    place: str
    fix: str


DAMAGED = Rejection("damaged", "store", "Restore the damaged rows from a verified backup, then release.")
GONE = Rejection("key-destroyed", "store", "A backup older than the message's key was restored: have it sent again.")
CRASHED = Rejection(
    "crashed-thrice",
    "process",
    "The process ended three times with it at hand: mend the adapter or the fault of the machine, then release.",
)


def defect(adapter: str, error: Exception) -> Rejection:
    """What an adapter's own fault costs: the one message at which it showed."""
    log.error("adapter-failed", adapter=adapter, error=type(error).__name__)
    return Rejection("adapter-error", type(error).__name__, "Report this to the adapter's author; then release.")
