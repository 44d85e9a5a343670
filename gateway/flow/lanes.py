"""Which of the fixed lanes something belongs to."""

from __future__ import annotations

import zlib

from gateway.store.schema import LANES


def intake_lane(source: str, order_key: str | None, *, behind: bool = False) -> int:
    """Lane of a message: by what it must be normalized after. Without a key, the source's own serial queue.

    What a back-fill brought has the lane's twin, which lies as many lanes further on.
    """
    lane = zlib.crc32(f"{source}\0{order_key or ''}".encode(errors="surrogatepass")) % LANES
    return lane + LANES if behind else lane


def is_behind(lane: int) -> bool:
    """Whether a back-fill brought what is in this lane."""
    return lane >= LANES


def order_lane(lane: int) -> int:
    """What a lane has in common with its twin: among messages of both, order is that of arrival."""
    return lane % LANES


def journal_lane(source: str, patient: bytes | None) -> int:
    """Lane of a change: by its source patient; what is about no patient keeps its source's order."""
    if patient is None:
        return zlib.crc32(source.encode()) % LANES
    return patient[-1] % LANES
