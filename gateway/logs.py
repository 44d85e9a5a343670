"""Logging by allow-list: only keys that cannot hold a patient's value get through, whatever a caller passes."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

ALLOWED = frozenset(
    {
        "event", "level", "timestamp", "absent", "adapter", "address", "code", "count", "error", "fix", "host",
        "leads", "limit", "listed", "message_id", "missed", "named", "network", "plugin", "port", "reactor", "reason",
        "removed", "role", "route", "seconds", "sink", "source", "status", "stream", "tenant", "type", "undelivered",
        "what", "why", "witness",
    }
)  # fmt: skip
LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def _allowed(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {key: _one_line(value) for key, value in event.items() if key in ALLOWED}


def _one_line(value: Any) -> Any:
    """Numbers as they are; text without line breaks or control characters, so that no line can be forged."""
    if isinstance(value, int | float | bool):
        return value
    return "".join(char if char.isprintable() else "?" for char in str(value))[:300]


def configure(level: str) -> None:
    """JSON lines to standard error; the standard library's logging is quiet below errors and prints no arguments."""
    logging.raiseExceptions = False
    logging.getLogger().setLevel(logging.CRITICAL)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _allowed,
            structlog.processors.JSONRenderer(sort_keys=True),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
