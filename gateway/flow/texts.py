"""Texts: mappings and views kept by hash, named in the audit log so that none of them can vanish unseen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection

from gateway.audit import AuditLog
from gateway.store import journal

Text = tuple[bytes, str, str]
"""(hash, mapping or view, what was hashed)."""


def keep_texts(connection: Connection, audit: AuditLog, tenants: Sequence[str], texts: Iterable[Text]) -> None:
    """Keep what is not kept yet, in the unit of work of a start, with an entry in each tenant's log."""
    new = [digest.hex() for digest, kind, body in texts if journal.keep_text(connection, digest, kind, body)]
    if new:
        for tenant in tenants:
            entry = audit.entry(tenant, action="configure", actor="gateway:start", purpose="operations", texts=new)
            audit.append(connection, entry)
