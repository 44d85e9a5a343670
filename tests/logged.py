"""Where the log goes while tests run."""

from __future__ import annotations

import sys

import structlog


def log_by_itself() -> None:
    """Log as structlog does without settings, to the process's own standard error.

    It is named, since a logger without a file prints to what ``sys.stdout`` is at the moment: pytest puts another file
    in its place from test to test, and CPython 3.11 crashes when that happens while a server's thread is printing.
    """
    structlog.reset_defaults()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.__stderr__))
