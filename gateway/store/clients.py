"""Statements about clients: who may ask, their secrets, the assertions they used, and their exports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, delete, select, update

from gateway.store.rows import Found, RowExists
from gateway.store.schema_http import client_secrets, clients, exports, used_assertions

Values = Mapping[str, Any]


def add(connection: Connection, client: Values) -> None:
    """Keep a new client."""
    connection.execute(clients.insert().values(client))


def add_secret(connection: Connection, client: str, secret: str, digest: bytes, at: int) -> None:
    """Keep the hash of a new key or secret."""
    connection.execute(
        client_secrets.insert().values(secret=secret, client=client, hash=digest, created_at=at, expires_at=None)
    )


def expire_secrets(connection: Connection, client: str, at: int) -> None:
    """Let every secret of a client that has no end yet end at ``at``."""
    connection.execute(
        update(client_secrets)
        .where(client_secrets.c.client == client, client_secrets.c.expires_at.is_(None))
        .values(expires_at=at)
    )


def set_keys(connection: Connection, client: str, jwks: str) -> None:
    """Replace the public keys of a client."""
    connection.execute(update(clients).where(clients.c.client == client).values(jwks=jwks))


def revoke(connection: Connection, client: str, at: int) -> None:
    """Let a client in no more."""
    connection.execute(
        update(clients).where(clients.c.client == client, clients.c.revoked_at.is_(None)).values(revoked_at=at)
    )


def everyone(connection: Connection) -> Sequence[Found]:
    """All clients of all tenants, oldest first."""
    return connection.execute(select(clients).order_by(clients.c.created_at, clients.c.client)).fetchall()


def secrets(connection: Connection) -> Sequence[Found]:
    """All secrets, oldest first."""
    return connection.execute(select(client_secrets).order_by(client_secrets.c.created_at)).fetchall()


def use_assertion(connection: Connection, client: str, jti: bytes, expires_at: int, now: int) -> bool:
    """Note that an assertion was used; False when it was used before. Those that have expired are forgotten."""
    connection.execute(delete(used_assertions).where(used_assertions.c.expires_at < now))
    try:
        with connection.begin_nested():
            connection.execute(used_assertions.insert().values(client=client, jti=jti, expires_at=expires_at))
    except RowExists:
        return False
    return True


def add_export(connection: Connection, export: Values) -> None:
    """Keep what an export asks for."""
    connection.execute(exports.insert().values(export))


def export_of(connection: Connection, tenant: str, client: str, export: str) -> Found | None:
    """One client's export."""
    query = select(exports).where(exports.c.tenant == tenant, exports.c.client == client, exports.c.export == export)
    return connection.execute(query).one_or_none()


def change_export(connection: Connection, tenant: str, client: str, export: str, request: str) -> None:
    """Keep what is known of one client's export now."""
    chosen = exports.c.tenant == tenant, exports.c.client == client, exports.c.export == export
    connection.execute(update(exports).where(*chosen).values(request=request))


def drop_exports(connection: Connection, tenant: str, client: str, export: str | None, before: int) -> None:
    """Forget one export of a client, or every one asked for before ``before``."""
    chosen = exports.c.at < before if export is None else (exports.c.client == client) & (exports.c.export == export)
    connection.execute(delete(exports).where(exports.c.tenant == tenant, chosen))
