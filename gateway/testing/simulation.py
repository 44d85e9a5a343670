"""What a simulator offers: a faithful local stand-in of a system outside, run by tests, the demo and integrators.

The module ``simulator`` beside a plugin's ``plugin`` module names its simulators in ``SIMULATORS``.
"""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Protocol, runtime_checkable


class Simulator(Protocol):
    """One system, in one process, on the loopback."""

    name: str
    summary: str
    faults: Mapping[str, str]
    """Name of each fault it can be told to show, and what it does."""

    async def serve(
        self,
        *,
        host: str,
        port: int,
        seed: int,
        clinic_size: int,
        faults: Sequence[str],
        opened: Callable[[Mapping[str, str]], None],
    ) -> None:
        """Serve until cancelled.

        Args:
            host: loopback address.
            port: 0 chooses a free one.
            seed: the same seed gives the same clinic.
            clinic_size: how many patients it has.
            faults: names out of :attr:`faults`.
            opened: told, once peers can connect, the settings a source or route needs: address, credentials.
        """


@runtime_checkable
class Eventful(Protocol):
    """A simulator that lets things happen at the clinic it serves, though it may count nothing."""

    events: Mapping[str, str]
    """What can happen, by name."""

    def happen(self, event: str) -> None:
        """Let one of the events happen now."""


@runtime_checkable
class Staged(Protocol):
    """A simulator that also counts, and lets things happen at its clinic, so that an adapter can be certified fully.

    A copy of it (``copy.copy``) serves a clinic of its own; both methods speak of the clinic it serves now.
    """

    events: Mapping[str, str]
    """What can happen, by name: ``update`` at least; ``remove`` where the system deletes."""
    lasting: frozenset[str]
    """Names of the faults after which something is missing for good, so that it can only be told."""

    def counted(self) -> Mapping[str, int]:
        """``requests``, ``violations`` of the request budget, and ``fault NAME`` for each fault that was shown."""

    def happen(self, event: str) -> None:
        """Let one of the events happen now."""


def eventful(simulator: object) -> Eventful | None:
    """The simulator as one that lets things happen, if it is."""
    return simulator if isinstance(simulator, Eventful) else None


def staged(simulator: object) -> Staged | None:
    """The simulator as one that counts and lets things happen, if it is."""
    return simulator if isinstance(simulator, Staged) else None


def simulators(points: Iterable[importlib.metadata.EntryPoint]) -> Sequence[Simulator]:
    """What the module ``simulator`` beside each plugin's module offers as ``SIMULATORS``.

    A plugin without that module offers none, and so does one whose module needs a library that is not installed.
    """
    found: list[Simulator] = []
    for point in points:
        module = f"{point.module.rpartition('.')[0]}.simulator"
        with suppress(ModuleNotFoundError):
            found += getattr(importlib.import_module(module), "SIMULATORS", ())
    return sorted(found, key=lambda one: one.name)
