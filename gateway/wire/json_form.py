"""The outermost members of a JSON object, unread: for those who look at the form of a message."""

from __future__ import annotations

import msgspec
from msgspec import Raw

from gateway.wire.json_decoder import decoder

members = decoder(dict[str, Raw])
"""Each member as sent; raises ``msgspec.DecodeError`` where the text is no JSON object."""


def without_member(body: bytes, name: str) -> bytes | None:
    """The object without one member, the others as they were sent; None when it has no such member."""
    try:
        found = members(body)
    except msgspec.DecodeError:
        return None
    if found.pop(name, None) is None:
        return None
    return msgspec.json.encode(found)
