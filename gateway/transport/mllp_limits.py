"""What one MLLP listener allows its peers, and what it counts."""

from __future__ import annotations

import msgspec


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one listener and one peer may use."""

    frame: int = 4 * 1024 * 1024
    """Greatest length of one message in bytes."""
    in_flight: int = 256
    """Frames of one connection that may wait for their answer; then its socket is not read."""
    connections: int = 1000
    """Connections at once; the next is closed at once."""
    idle: float = 600.0
    """Seconds a connection may be silent with nothing in flight."""
    slow: float = 60.0
    """Seconds a frame may take from its first byte to its last."""
    junk: int = 64 * 1024
    """Bytes outside of frames after which the peer is taken for something else than MLLP."""


class Counts(msgspec.Struct):
    """What the server has seen since its start."""

    accepted: int = 0
    refused: int = 0
    """Connections closed at once: too many, plain text from elsewhere than listed, or a certificate that is refused."""
    frames: int = 0
    oversized: int = 0
    unfinished: int = 0
    """Frames that never ended: the connection broke, or a new message began inside."""
    junk_bytes: int = 0
    timed_out: int = 0
