"""What a simulator offers: a faithful local stand-in of a system outside, run by tests, the demo and integrators.

The module ``simulator`` beside a plugin's ``plugin`` module names its simulators in ``SIMULATORS``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol


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
