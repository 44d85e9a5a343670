"""Pages of an encrypted store's file: on which of them a row stands, as the format of the file says.

SQLite: https://www.sqlite.org/fileformat2.html, sections 1.3 and 1.6. SQLCipher 4 with a raw key: pages of 4096 bytes,
each AES-256-CBC under that key, with its initialization vector and a MAC in its last 80 bytes; the first page begins
with the 16 bytes of the salt.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

PAGE = 4096
_RESERVED, _VECTOR, _SALT = 80, 16, 16
_TABLE_LEAF = 0x0D


def leaves(path: Path, key: bytes) -> Iterator[tuple[int, bytes]]:
    """Offset and plain content of each page that holds rows of a table with row numbers."""
    content = path.read_bytes()
    for offset in range(PAGE, len(content), PAGE):
        page = content[offset : offset + PAGE]
        vector = page[-_RESERVED:][:_VECTOR]
        opener = Cipher(algorithms.AES(key), modes.CBC(vector)).decryptor()
        plain = opener.update(page[:-_RESERVED]) + opener.finalize()
        if plain[0] == _TABLE_LEAF:
            yield offset, plain


def page_with(path: Path, key: bytes, *marks: bytes) -> int:
    """Offset of the one page of rows that holds all of these bytes."""
    found = [offset for offset, plain in leaves(path, key) if all(mark in plain for mark in marks)]
    assert len(found) == 1, f"{len(found)} pages hold them"
    return found[0]


def damage(path: Path, offset: int) -> None:
    """Flip a bit of the page at an offset: from then on its MAC tells that it is not as it was written."""
    content = bytearray(path.read_bytes())
    content[offset + 100] ^= 1
    path.write_bytes(content)
