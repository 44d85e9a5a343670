"""The message that says what the sender of an interchange is owed: ours, so all of it is one element."""

from __future__ import annotations

from gateway_x12.records_level import Message, Reader


def read_owed(body: bytes, context: bytes) -> Message:
    """Read the message; its body is ``OWED`` and the acknowledgement as JSON, its loop the interchange's header."""
    reader = Reader(b"", context)
    reader.body = [["OWED", body.decode("utf-8", "replace")]]
    return reader.message("")
