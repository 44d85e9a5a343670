"""Cursors: where a reader stands, sealed, so that nobody can read one, move it by hand or use another's.

A cursor of the feed is a vector of positions, one per lane; a place in a list is the last record's patient and id, and
a reader whose view does not tell whose a record is must not learn it here.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

from gateway.http.refusal import HttpRefusal
from gateway.store.reading import Place
from gateway.store.rows import Found
from gateway.store.schema import LANES
from gateway.vault import Opaque, Vault

_MOST = 4096


def feed_cursor(vault: Vault, tenant: str, positions: Mapping[int, int]) -> str:
    """The cursor of these lane positions."""
    body = bytearray()
    for lane in range(LANES):
        number = positions.get(lane, 0)
        while number > 127:
            body.append(number & 127 | 128)
            number >>= 7
        body.append(number)
    return _sealed(vault, tenant, "feed", bytes(body))


def positions_of(vault: Vault, tenant: str, text: str) -> dict[int, int]:
    """The reverse of :func:`feed_cursor`; 400 when it was not made here for this tenant."""
    if not text:
        return dict.fromkeys(range(LANES), 0)
    found: list[int] = []
    number = shift = 0
    for byte in _opened(vault, tenant, "feed", text):
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            found.append(number)
            number = shift = 0
    return dict(enumerate(found))


def place_token(vault: Vault, tenant: str, kind: str, place: Any) -> str:
    """A token for a place in a list, of plain JSON values."""
    return _sealed(vault, tenant, kind, json.dumps(place, separators=(",", ":")).encode())


def place_of(vault: Vault, tenant: str, kind: str, text: str, where: str = "after") -> Any:
    """The reverse of :func:`place_token`; ``where`` is the parameter that held it."""
    return json.loads(_opened(vault, tenant, kind, text, where))


def words_of(row: Found) -> list[str | None]:
    """The place of a row in a list, as plain JSON values."""
    return [None if row.patient is None else bytes(row.patient).hex(), bytes(row.record_id).hex()]


def place_in_list(words: Sequence[str | None]) -> Place:
    """The reverse of :func:`words_of`."""
    patient, record = words
    return Place(None if patient is None else bytes.fromhex(patient), bytes.fromhex(record or ""))


def _sealed(vault: Vault, tenant: str, kind: str, body: bytes) -> str:
    hidden = _opaque(vault, tenant).hide(body, kind.encode())
    return base64.urlsafe_b64encode(hidden).rstrip(b"=").decode()


def _opened(vault: Vault, tenant: str, kind: str, text: str, where: str = "after") -> bytes:
    try:
        if len(text) > _MOST:
            raise ValueError
        data = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:
        data = b""
    body = _opaque(vault, tenant).show(data, kind.encode())
    if body is None:
        again = "with /v1/snapshots" if where == "after" else "without it"
        raise HttpRefusal(
            400, "invalid-cursor", "This cursor was not given out for this", where=where,
            fix=f"Use the cursor of the last answer as it is, or begin again {again}.",
        )  # fmt: skip
    return body


def _opaque(vault: Vault, tenant: str) -> Opaque:
    return Opaque(vault.digest(tenant, b"cursor\0"))
