"""How a planted value might be written by accident, to be searched for in files and answers of any kind."""

from __future__ import annotations

import base64
from collections.abc import Iterator


def forms(value: str) -> Iterator[bytes]:
    """As it is, in UTF-16, and in base64 at any offset; in small letters."""
    yield value.lower().encode()
    yield value.lower().encode("utf-16-le")
    for offset in range(3):
        coded = base64.b64encode(b" " * offset + value.encode())
        # Only the characters that come from the value alone, and all of them: four would stand in any random bytes.
        yield coded[-(-offset * 8 // 6) : (offset + len(value)) * 8 // 6].lower()
