"""Whether what a transport brings in is history: then it is normalized behind what happens now.

Told by context and not by a parameter, so that no adapter has to know of it: a sweep, the first reading of a stream
since the start and an import bring history, whatever else the code between does.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_history: ContextVar[bool] = ContextVar("brings history", default=False)


@contextmanager
def bringing_history() -> Iterator[None]:
    """What the running task and its children take in within is history."""
    token = _history.set(True)
    try:
        yield
    finally:
        _history.reset(token)


def brings_history() -> bool:
    """Whether what is taken in now is history."""
    return _history.get()
