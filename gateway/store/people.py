"""Statements about people: accounts, sessions, failed sign-ins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, delete, func, select, update

from gateway.store.rows import Found
from gateway.store.schema_people import failures, people, sessions

Values = Mapping[str, Any]


def add(connection: Connection, person: Values) -> None:
    """Keep a new account."""
    connection.execute(people.insert().values(person))


def everyone(connection: Connection) -> Sequence[Found]:
    """All accounts, oldest first."""
    return connection.execute(select(people).order_by(people.c.created_at, people.c.person)).fetchall()


def one(connection: Connection, person: str) -> Found | None:
    """One account."""
    return connection.execute(select(people).where(people.c.person == person)).one_or_none()


def by_subject(connection: Connection, subject: bytes) -> Found | None:
    """The account of somebody who signs in elsewhere."""
    return connection.execute(select(people).where(people.c.subject == subject)).first()


def change(connection: Connection, person: str, values: Values) -> None:
    """Change what is kept of an account, and end its sessions: what they may do was decided before."""
    connection.execute(update(people).where(people.c.person == person).values(values))
    connection.execute(delete(sessions).where(sessions.c.person == person))


def use_step(connection: Connection, person: str, step: int) -> bool:
    """Note that a one-time code was used; False when it, or a later one, was used before."""
    done = connection.execute(update(people).where(people.c.person == person, people.c.step < step).values(step=step))
    return bool(done.rowcount)


def open_session(connection: Connection, session: bytes, person: str, now: int) -> None:
    """Keep a new session."""
    connection.execute(sessions.insert().values(session=session, person=person, created_at=now, seen_at=now))


def session(connection: Connection, session: bytes, idle_since: int, created_since: int) -> Found | None:
    """A session that is neither idle too long nor too old, with its person's account, unless that is locked."""
    query = (
        select(people, sessions.c.seen_at, sessions.c.created_at.label("opened_at"))
        .join(sessions, sessions.c.person == people.c.person)
        .where(
            sessions.c.session == session,
            sessions.c.seen_at > idle_since,
            sessions.c.created_at > created_since,
            people.c.locked_at.is_(None),
        )
    )
    return connection.execute(query).one_or_none()


def touch_session(connection: Connection, session: bytes, now: int) -> None:
    """Note that a session is in use."""
    connection.execute(update(sessions).where(sessions.c.session == session).values(seen_at=now))


def close_session(connection: Connection, session: bytes) -> None:
    """End one session."""
    connection.execute(delete(sessions).where(sessions.c.session == session))


def drop_sessions(connection: Connection, idle_since: int, created_since: int) -> None:
    """Forget sessions that are over."""
    over = (sessions.c.seen_at <= idle_since) | (sessions.c.created_at <= created_since)
    connection.execute(delete(sessions).where(over))


def failed(connection: Connection, whose: Sequence[bytes], at: int, number: int, forget_before: int) -> None:
    """Note a failed sign-in for each name or address, and forget those of long ago."""
    connection.execute(delete(failures).where(failures.c.at < forget_before))
    for one_of_them in whose:
        connection.execute(failures.insert().values(whose=one_of_them, at=at, number=number))


def failure_count(connection: Connection, whose: bytes, since: int) -> int:
    """How many sign-ins failed since."""
    query = select(func.count()).select_from(failures).where(failures.c.whose == whose, failures.c.at >= since)
    return int(connection.execute(query).scalar_one())


def forget_failures(connection: Connection, whose: bytes) -> None:
    """A right sign-in ends the count."""
    connection.execute(delete(failures).where(failures.c.whose == whose))
