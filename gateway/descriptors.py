"""Descriptors: what this process may still open. Doors close while a few are left, so that the work inside goes on."""

from __future__ import annotations

import os
import resource

from gateway.errors import DescriptorsExhausted

RESERVE = 64
"""Descriptors that no new connection from outside gets: the store, the audit log and deliveries open theirs."""
_SHARE = 2
"""Under a small limit the reserve is one in so many."""


def is_reserved(descriptor: int) -> bool:
    """Whether an accepted connection stands in the reserve.

    The system gives out the lowest number that is free (POSIX), so a number tells how many are open without counting.
    """
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return most != resource.RLIM_INFINITY and descriptor >= most - min(RESERVE, most // _SHARE)


def require_descriptor() -> None:
    """Make sure that a connection to outside could be opened now.

    Raises:
        DescriptorsExhausted: it could not; nothing was tried, so nothing counts as an attempt.
    """
    try:
        os.close(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        raise DescriptorsExhausted(
            "This process can open no further file or connection",
            fix="Raise its limit of open files (ulimit -n), or lower max_connections of the listeners.",
        ) from error
