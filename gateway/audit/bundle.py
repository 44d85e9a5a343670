"""Export a log as JSON lines that a stranger can verify with a short script and no gateway.

One object a line, told apart by ``kind``: ``log`` (tenant and verifier keys), ``checkpoint``, ``leaf`` (with its row's
text), ``row`` (not numbered yet), and last ``end`` with the counts, so that a cut file is told from a short log.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any, TextIO

import msgspec
from sqlalchemy import Connection

from gateway.audit.tree import Inclusion
from gateway.store import audit as rows

FORMAT = 1


def export_bundle(connection: Connection, tenant: str, public_keys: Sequence[str], out: TextIO) -> int:
    """Write one tenant's log to a UTF-8 file, which may hold others' too; returns the number of lines."""
    encoder = msgspec.json.Encoder()
    counts = dict.fromkeys(("checkpoint", "leaf", "row"), 0)

    def put(kind: str, **facts: Any) -> None:
        out.write(encoder.encode({"kind": kind, **facts}).decode() + "\n")

    put("log", version=FORMAT, tenant=tenant, keys=list(public_keys))
    for size, note in rows.all_checkpoints(connection, tenant):
        counts["checkpoint"] += 1
        put("checkpoint", size=size, note=note)
    numbered: dict[int, int] = {}
    for leaf, writer, seq, hashed, body in rows.leaves_with_rows(connection, tenant):
        counts["leaf"] += 1
        numbered[writer] = seq
        put("leaf", leaf=leaf, writer=writer, seq=seq, hash=bytes(hashed).hex(), **_text(body))
    for writer, seq, body in rows.rows_ahead(connection, tenant, numbered):
        counts["row"] += 1
        put("row", writer=writer, seq=seq, **_text(body))
    put("end", **counts)
    return sum(counts.values()) + 2


def export_proof(tenant: str, public_keys: Sequence[str], found: Inclusion, out: TextIO) -> None:
    """Write the proof of one entry in the same form: its line, between the log's and the end's."""
    lines: list[dict[str, Any]] = [
        {"kind": "log", "version": FORMAT, "tenant": tenant, "keys": list(public_keys)},
        {
            "kind": "proof", "leaf": found.leaf, "writer": found.writer, "seq": found.seq, "size": found.size,
            "note": found.note, "proof": [one.hex() for one in found.proof], **_text(found.body),
        },
        {"kind": "end", "checkpoint": 0, "leaf": 0, "row": 0, "proof": 1},
    ]  # fmt: skip
    out.writelines(msgspec.json.encode(line).decode() + "\n" for line in lines)


def _text(body: bytes | None) -> dict[str, str]:
    """A row's text as it is; in base64 when somebody made it other than text; nothing when it is gone."""
    if body is None:
        return {}
    try:
        return {"body": bytes(body).decode()}
    except UnicodeDecodeError:
        return {"body64": base64.b64encode(body).decode()}
