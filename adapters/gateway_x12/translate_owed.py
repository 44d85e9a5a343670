"""Our own message that says what the sender of an interchange is owed, to the Submission that sends it."""

from __future__ import annotations

import msgspec

from gateway.errors import InvalidContent
from gateway.model.acknowledgement import Acknowledgement
from gateway.model.patch import Patch
from gateway_x12.records_level import Message

_owed = msgspec.json.Decoder(Acknowledgement).decode


def add_owed(read: Message, patch: Patch, left: set[str]) -> None:
    """Complete the document that acknowledges an interchange; its number is the sender's, so it is made once."""
    del left  # the message is ours
    try:
        one = _owed(read.body[0][1])
    except msgspec.DecodeError:
        raise InvalidContent(
            "damaged-acknowledgement", "not an acknowledgement as this gateway makes it", where="OWED",
            fix="bring the file in again whose interchange it acknowledges",
        ) from None  # fmt: skip
    patch.fields["acknowledgement"] = msgspec.to_builtins(one)
    patch.fields["control_number"] = f"{one.sender}/{one.control}/{one.day}/{one.time}"
