"""MLLP framing (HL7's minimal lower layer protocol): bytes in, frames out; no socket.

A frame is 0x0B, the message, then 0x1C 0x0D. Only the two end bytes together end it, so a lone 0x1C in a field is
content. The decoder never guesses silently: what it skips or gives up on comes out as an event.
"""

from __future__ import annotations

import msgspec

from gateway.errors import MalformedEnvelope

START = 0x0B
START_BYTE = b"\x0b"
END = b"\x1c\r"
_RESTART = b"\x0bMSH"
_HEAD = 4096


class Junk(msgspec.Struct, frozen=True):
    """``size`` bytes between frames that were not a frame; line ends between frames are not counted."""

    size: int


class Oversized(msgspec.Struct, frozen=True):
    """A frame longer than the limit; the rest of it is skipped. ``head`` is its begin, enough to answer it by."""

    head: bytes


class Unfinished(msgspec.Struct, frozen=True):
    """A frame that never ended: the next message began inside it, or the connection closed. ``body`` is what came."""

    body: bytes


Event = bytes | Junk | Oversized | Unfinished
"""What the decoder reports: ``bytes`` is one frame's content."""


class Decoder:
    """Cuts a byte stream into frames, in linear time and with at most one frame in memory.

    Args:
        limit: the greatest length of one frame's content in bytes.
    """

    __slots__ = ("_held", "_inside", "_junk", "_limit", "_skipping")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = bytearray()
        self._inside = False
        self._skipping = False
        self._junk = 0

    @property
    def inside(self) -> bool:
        """Whether a frame has begun that has not ended."""
        return self._inside

    @property
    def junk(self) -> int:
        """Bytes since the last frame that were not a frame, not reported yet."""
        return self._junk

    def feed(self, data: bytes) -> list[Event]:
        """The events that ``data`` completes, in stream order."""
        events: list[Event] = []
        at = self._resume(data, events) if self._inside else 0
        size = len(data)
        while at < size:
            if data[at] != START:
                at = self._outside(data, at)
                continue
            if self._junk:
                events.append(Junk(self._junk))
                self._junk = 0
            end = data.find(END, at + 1)
            if end < 0:
                self._inside = True
                self._hold(data[at + 1 :], events)
                break
            self._finish(data[at + 1 : end], events)
            at = end + 2
        return events

    def close(self) -> list[Event]:
        """The events that the end of the stream completes."""
        events: list[Event] = []
        if self._junk:
            events.append(Junk(self._junk))
        if self._inside and not self._skipping:
            events.append(Unfinished(bytes(self._held)))
        self._held.clear()
        self._inside = self._skipping = False
        self._junk = 0
        return events

    def _outside(self, data: bytes, at: int) -> int:
        start = data.find(START_BYTE, at)
        stop = len(data) if start < 0 else start
        self._junk += len(data[at:stop].translate(None, b"\r\n"))
        return stop

    def _resume(self, data: bytes, events: list[Event]) -> int:
        """Go on with the frame in hand; returns where in ``data`` it ended."""
        if self._held.endswith(b"\x1c") and data.startswith(b"\r"):
            end = -1
        else:
            end = data.find(END)
            if end < 0:
                self._hold(data, events)
                return len(data)
        # A frame that is too long must not be gathered before it is refused.
        if not self._skipping and len(self._held) + end > self._limit:
            self._hold(data[: end + 1], events)
        if not self._skipping:
            frame = bytes(self._held[:-1]) if end < 0 else bytes(self._held) + data[:end]
            self._finish(frame, events)
        self._held.clear()
        self._inside = self._skipping = False
        return end + 2

    def _hold(self, data: bytes, events: list[Event]) -> None:
        held = self._held
        if self._skipping:
            # Only the last byte matters: it may be the first half of the end.
            held[:] = data[-1:] or held
            return
        held += data
        if len(held) - held.endswith(b"\x1c") > self._limit:
            events.append(Oversized(bytes(held[: min(_HEAD, self._limit)])))
            self._skipping = True
            del held[:-1]

    def _finish(self, frame: bytes, events: list[Event]) -> None:
        if len(frame) > self._limit:
            events.append(Oversized(frame[: min(_HEAD, self._limit)]))
            return
        begin = 0
        restart = frame.find(_RESTART)
        while restart >= 0:
            # A sender that broke off and began anew: the first message is not whole, and must not swallow the second.
            events.append(Unfinished(frame[begin:restart]))
            begin = restart + 1
            restart = frame.find(_RESTART, begin)
        events.append(frame[begin:] if begin else frame)


def encode(message: bytes) -> bytes:
    """Frame one message.

    Raises:
        MalformedEnvelope: ``end-block-inside`` when the message holds 0x1C 0x0D and the receiver would cut it there.
    """
    at = message.find(END)
    if at >= 0:
        raise MalformedEnvelope("end-block-inside", "The message holds the bytes that end a frame.", where=f"byte {at}")
    return START_BYTE + message + END
