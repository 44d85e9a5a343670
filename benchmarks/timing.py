"""Repeats of a piece of work, and the median of the processor time they took.

Processor time, because it is the work of one core that is compared, whatever else the machine does meanwhile.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable


def per_second(work: Callable[[], int], repeats: int) -> float:
    """Median of how many things a second ``work`` does; it returns how many it did."""
    rates = []
    for _ in range(repeats):
        gc.collect()
        begin = time.process_time()
        done = work()
        rates.append(done / (time.process_time() - begin))
    return statistics.median(rates)


def ratio(ours: float, theirs: float) -> float:
    """How many times faster, to two places."""
    return round(ours / theirs, 2)
