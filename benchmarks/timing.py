"""Repeats of pieces of work in turn, so that everyone meets the same moments of the machine.

Processor time is measured, because it is the work of one core that is compared. A core's own speed changes with what
else the machine does, so ratios are taken within a round, and their median is told.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping, Sequence

Work = Callable[[], float]
"""Does something and returns how many a second it did."""


def timed(work: Callable[[], int]) -> Work:
    """From work that returns how many things it did."""

    def run() -> float:
        gc.collect()
        begin = time.process_time()
        done = work()
        return done / (time.process_time() - begin)

    return run


def per_second(work: Callable[[], int], repeats: int) -> float:
    """Median of how many things a second one piece of work does."""
    run = timed(work)
    return statistics.median(run() for _ in range(repeats))


class SideBySide:
    """What several pieces of work did in the same rounds; the first is ours."""

    def __init__(self, works: Mapping[str, Work], rounds: int) -> None:
        self.names: Sequence[str] = list(works)
        self._rates = {name: [0.0] * rounds for name in works}
        for number in range(rounds):
            for name, work in works.items():
                self._rates[name][number] = work()

    def rate(self, name: str) -> float:
        """Median things a second."""
        return statistics.median(self._rates[name])

    def ratio(self, name: str) -> float:
        """How many times faster ours was: the median of the rounds."""
        ours = self._rates[self.names[0]]
        return statistics.median(our / their for our, their in zip(ours, self._rates[name], strict=True))
