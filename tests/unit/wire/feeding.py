"""One way to try every wire parser: whole, byte by byte, in odd pieces, with trailing bytes, truncated, and doubled.

A parser under test is given as a function from chunks of bytes to events, so that a ``feed`` object, a generator and a
function over whole bytes are tried alike::

    def parse(chunks):
        decoder = Decoder()
        for chunk in chunks:
            yield from decoder.feed(chunk)
        yield from decoder.close()
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from gateway.errors import GatewayError

Parse = Callable[[Iterable[bytes]], Iterable[object]]

MIB = 1024 * 1024
LARGEST = 16 * MIB if os.environ.get("GATEWAY_FULL") == "1" else MIB
"""The largest input of the doubling tests: 16 MiB in the full run, 1 MiB by default."""
RATIO = 2.3
"""Linear work takes twice as long for twice the input; the rest is the noise of a shared machine."""
FLOOR = 0.002
"""Seconds of CPU below which a time is all noise and caches; it counts as this much."""


@dataclass(frozen=True)
class Reading:
    """What a parser said: its events, and the gateway's error that ended them, as (type, reason, place)."""

    events: tuple[object, ...]
    error: tuple[str, str, str] | None


def reading(parse: Parse, chunks: Iterable[bytes]) -> Reading:
    """Run a parser to its end. Any exception outside the gateway's own family is a bug and goes through."""
    events: list[object] = []
    try:
        events.extend(parse(chunks))
    except GatewayError as error:
        return Reading(tuple(events), (type(error).__name__, getattr(error, "reason", ""), error.where))
    return Reading(tuple(events), None)


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    """``data`` in chunks of ``size`` bytes."""
    return (data[at : at + size] for at in range(0, len(data), size))


def same_in_any_pieces(parse: Parse, data: bytes, sizes: Iterable[int] = (1, 2, 3, 7, 64, 4096)) -> Reading:
    """Assert that the parser says the same for ``data`` whole, byte by byte, and in odd pieces; return what it says."""
    whole = reading(parse, [data])
    for size in sizes:
        assert reading(parse, pieces(data, size)) == whole, f"chunks of {size} bytes read otherwise than the whole"
    assert reading(parse, [b"", data, b""]) == whole, "empty chunks change the reading"
    return whole


def with_trailing(parse: Parse, data: bytes, trailing: bytes) -> Reading:
    """Assert that bytes after ``data`` leave its events untouched in front; return the reading of both together."""
    alone = same_in_any_pieces(parse, data)
    both = same_in_any_pieces(parse, data + trailing)
    assert both.events[: len(alone.events)] == alone.events, "trailing bytes changed what came before them"
    return both


def truncated(parse: Parse, data: bytes, step: int = 1) -> Iterator[tuple[int, Reading]]:
    """Cut ``data`` at every ``step``-th byte, assert that whole and byte by byte agree, and yield (cut, reading)."""
    for cut in range(0, len(data), step):
        yield cut, same_in_any_pieces(parse, data[:cut], sizes=(1,))


def assert_linear(
    work: Callable[[bytes], object],
    shape: Callable[[int], bytes],
    *,
    smallest: int = 256 * 1024,
    largest: int = LARGEST,
) -> None:
    """Assert that the CPU time of ``work`` grows at most :data:`RATIO` times for each doubling of its input.

    ``shape(n)`` makes an input of about ``n`` bytes. Growth is spread evenly over the doublings from the smallest to
    the largest. An input that leaves a processor's cache costs more once; an algorithm that is not linear costs more at
    any size. So what looks worse is measured again from ``largest`` on, and fails when it is worse there too.
    """
    first = _growth(work, shape, smallest, largest)
    if first <= RATIO:
        return
    beyond = largest * (largest // smallest)
    second = _growth(work, shape, largest, beyond)
    refused = second < 1.5  # a limit ended the work: the larger input says nothing about the growth
    told = f"each doubling took {first:.2f} times as long up to {largest} bytes, {second:.2f} times up to {beyond}"
    assert not refused, told
    assert second <= RATIO, told


def _growth(work: Callable[[bytes], object], shape: Callable[[int], bytes], smallest: int, largest: int) -> float:
    """Times as long for each doubling, by the best of up to 40 turns; turns end once that is within the ratio."""
    doublings = (largest // smallest).bit_length() - 1
    small, large = shape(smallest), shape(largest)
    low = high = ratio = float("inf")
    gc.disable()  # a whole test run's objects would be looked through for the sake of these few
    try:
        for _ in range(40):
            low, high = min(low, _seconds(work, small), _seconds(work, small)), min(high, _seconds(work, large))
            ratio = (high / max(low, FLOOR)) ** (1 / doublings)
            if ratio <= RATIO:
                break
    finally:
        gc.enable()
    return ratio


def _seconds(work: Callable[[bytes], object], data: bytes) -> float:
    begin = time.process_time()
    work(data)
    return time.process_time() - begin
