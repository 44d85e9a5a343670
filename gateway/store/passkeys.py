"""Statements about passkeys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, delete, func, select, update

from gateway.store.rows import Found
from gateway.store.schema_people import passkeys, people


def add(connection: Connection, row: Mapping[str, Any]) -> None:
    """Keep a new passkey."""
    connection.execute(passkeys.insert().values(row))


def of(connection: Connection, person: str) -> Sequence[Found]:
    """Somebody's passkeys, oldest first."""
    query = select(passkeys).where(passkeys.c.person == person).order_by(passkeys.c.created_at, passkeys.c.name)
    return connection.execute(query).fetchall()


def one(connection: Connection, credential: bytes) -> Found | None:
    """A passkey with its person's account."""
    query = (
        select(passkeys.c.public_key, passkeys.c.uses, passkeys.c.proof, people)
        .join(people, people.c.person == passkeys.c.person)
        .where(passkeys.c.credential == credential)
    )
    return connection.execute(query).one_or_none()


def use(connection: Connection, credential: bytes, asked_at: int, uses: int) -> bool:
    """Note an answer; False when one to the same question, or to a later one, was given before."""
    statement = (
        update(passkeys)
        .where(passkeys.c.credential == credential, passkeys.c.asked_at < asked_at)
        .values(asked_at=asked_at, uses=uses)
    )
    return bool(connection.execute(statement).rowcount)


def remove(connection: Connection, person: str, name: str) -> bool:
    """Forget one of somebody's passkeys; False when there is none of that name."""
    statement = delete(passkeys).where(passkeys.c.person == person, passkeys.c.name == name)
    return bool(connection.execute(statement).rowcount)


def forget(connection: Connection, person: str) -> None:
    """Forget all of somebody's passkeys."""
    connection.execute(delete(passkeys).where(passkeys.c.person == person))


def counts(connection: Connection) -> dict[str, int]:
    """How many passkeys people have, by name."""
    query = select(passkeys.c.person, func.count()).group_by(passkeys.c.person)
    return {row[0]: row[1] for row in connection.execute(query)}
