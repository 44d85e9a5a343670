"""Accounts of people: made, changed, signed in to, and looked up anew for every request."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection

from gateway.access import one_time, passwords
from gateway.access.person import Person, checked_name
from gateway.access.roles import built_in_roles
from gateway.audit import AuditLog
from gateway.errors import InvalidConfiguration
from gateway.flow.clock import micros
from gateway.settings_people import People
from gateway.store import breakglass, passkeys, people
from gateway.store.opening import Store
from gateway.vault import Vault

MINUTE = 60_000_000
WINDOW = 15 * MINUTE
MOST_FAILURES = 10
"""Failed sign-ins to one name within the window; from then on every answer is no, whatever is given."""
MOST_FROM_ADDRESS = 100
"""The same from one address: many people may have one, behind a proxy that is not trusted to name theirs."""
TOUCH = 5_000_000
"""A session's last use is written at most this often, in microseconds."""
ADDED = {"password": "", "nonce": b"", "step": 0, "temporary": False, "subject": None, "locked_at": None}


class Made(NamedTuple):
    """A new password and second factor: shown once, to the one who hands them over."""

    password: str
    uri: str


@dataclass(frozen=True)
class Signed:
    """A session that is open."""

    person: Person
    must_change: bool
    """Whether a password that was made for them is all they have so far."""
    opened_at: int


class Accounts:
    """The people of one gateway. Its methods block: servers call them in a thread."""

    def __init__(self, store: Store, vault: Vault, audit: AuditLog, settings: People, tenants: Sequence[str]) -> None:
        self._store = store
        self._vault = vault
        self._audit = audit
        self._settings = settings
        self._tenants = tuple(tenants)

    # --- making and changing ---------------------------------------------------------------------------------------

    def add(
        self, name: str, *, role: str, tenants: Sequence[str], view: str, locations: Sequence[str], subject: str,
        actor: str,
    ) -> Made | None:  # fmt: skip
        """Make an account; with ``subject`` it signs in at the identity provider and has no password here.

        Args:
            name: what they are called in the audit log, for good.
            role: which role they have.
            tenants: the clinic groups whose things they may see.
            view: the view to see records through instead of the role's own; empty for the role's.
            locations: record ids in hex of the only clinics whose records they may see; all when empty.
            subject: who they are at the identity provider (the token's ``sub``); empty for a local account.
            actor: who makes it.
        """
        built_in_roles().role(role)
        oidc = self._settings.oidc
        if subject and oidc is None:
            raise InvalidConfiguration("There is no [people.oidc]", where="--subject", fix="Configure it first.")
        made, kept = (None, {}) if subject else self._new_secrets(checked_name(name))
        row = ADDED | kept | {
            "person": checked_name(name), "tenants": json.dumps(sorted(tenants)), "role": role, "view": view,
            "locations": json.dumps(sorted(locations)), "created_at": micros(),
            "subject": subject_hash(oidc.issuer, subject) if subject and oidc else None,
        }  # fmt: skip

        def unit(connection: Connection) -> None:
            if people.one(connection, name) is not None:
                raise InvalidConfiguration(
                    "There is such an account already",
                    where=name,
                    fix="A name is one person's for good; choose another.",
                )
            people.add(connection, row)

        self.changed(unit, tenants, name, "added", actor)
        return made

    def set_role(self, name: str, role: str, actor: str) -> None:
        """Give somebody another role; their sessions end."""
        built_in_roles().role(role)
        self._change(name, {"role": role}, f"role/{role}", actor)

    def lock(self, name: str, actor: str) -> None:
        """Let somebody in no more; their sessions end at once."""
        self._change(name, {"locked_at": micros()}, "locked", actor)

    def reset(self, name: str, actor: str) -> Made:
        """Give a local account a new password and second factor, and unlock it; what it had, passkeys too, is gone."""
        if self._found(name).subject is not None:
            raise InvalidConfiguration(
                "This account signs in at the identity provider", where=name, fix="Reset it there, or add another."
            )
        made, kept = self._new_secrets(name)
        whose = tried(name)

        def unit(connection: Connection) -> None:
            people.change(connection, name, kept | {"locked_at": None})
            passkeys.forget(connection, name)
            people.forget_failures(connection, whose)

        self.changed(unit, json.loads(self._found(name).tenants), name, "reset", actor)
        return made

    def confirmed(self, person: Person, password: str) -> Any | None:
        """The account of somebody who gives their password once more, or None.

        What is wrong counts as a failed sign-in: a session that was left open is no place to guess a password.
        """
        row, whose, since = self._found(person.name), tried(person.name), micros() - WINDOW
        right = passwords.matches(password, row.password)

        def unit(connection: Connection) -> bool:
            done = right and people.failure_count(connection, whose, since) < MOST_FAILURES
            if not done:
                people.failed(connection, (whose,), micros(), secrets.randbits(62), since - 3 * WINDOW)
                self.note(connection, self.tenants_of(row), person.actor, "refused")
            return done

        return row if self._store.write_sync(unit) else None

    def choose_password(self, person: Person, old: str, new: str) -> bool:
        """Replace one's own password; False when the old one is wrong. Sessions end."""
        row = self.confirmed(person, old)
        if row is None or old == new:
            return False
        kept = passwords.hashed(passwords.acceptable(new, person.name))

        def unit(connection: Connection) -> None:
            if not _as_checked(connection, row):
                raise InvalidConfiguration("The account was changed meanwhile", fix="Sign in anew.")
            people.change(connection, person.name, {"password": kept, "temporary": False})

        self.changed(unit, json.loads(row.tenants), person.name, "password-chosen", person.actor)
        return True

    def everyone(self) -> Sequence[Any]:
        """All accounts, as they are kept."""
        return self._store.read_sync(people.everyone)

    # --- signing in ------------------------------------------------------------------------------------------------

    def sign_in(self, name: str, password: str, code: str, address: str) -> str | None:
        """A new session for a local account, or None.

        Wrong name, wrong password, wrong code, a code used before, a locked account and too many failures are one
        answer, and cost the same work.
        """
        now, whose, source = micros(), tried(name), tried("address\0" + address)
        row = self._store.read_sync(lambda connection: people.one(connection, name))
        known = None if row is None or not row.password else row
        right = passwords.matches(password, None if known is None else known.password)
        nonce = bytes(one_time.NONCE_BYTES) if known is None else bytes(known.nonce)
        step = one_time.step_of(self._secret(name, nonce), code, time.time())
        welcome = right and step is not None and known is not None and known.locked_at is None
        tenants = self._tenants[:1] if known is None else self.tenants_of(known)
        actor = "person:unknown" if known is None else f"person:{name}"
        token = secrets.token_urlsafe(32)

        def unit(connection: Connection) -> bool:
            failed, from_there = (people.failure_count(connection, one, now - WINDOW) for one in (whose, source))
            throttled = failed >= MOST_FAILURES or from_there >= MOST_FROM_ADDRESS  # counted here: some come at once
            done = welcome and not throttled and _as_checked(connection, row)
            done = done and people.use_step(connection, name, step or 0)
            if done:
                self.open(connection, token, name, now)
                people.forget_failures(connection, whose)
            else:
                number = secrets.randbits(62)
                people.failed(connection, (whose, source), now, number, now - 4 * WINDOW)
            self.note(connection, tenants, actor, "signed-in" if done else "refused", address)
            return done

        return token if self._store.write_sync(unit) else None

    def sign_in_as(self, subject: bytes, address: str) -> str | None:
        """A new session for somebody whom the identity provider vouches for, or None when they have no account."""
        now, token = micros(), secrets.token_urlsafe(32)
        row = self._store.read_sync(lambda connection: people.by_subject(connection, subject))
        name = row.person if row is not None and row.locked_at is None else None

        def unit(connection: Connection) -> None:
            if name is not None:
                self.open(connection, token, name, now)
            actor = "person:unknown" if row is None else f"person:{row.person}"
            tenants = self._tenants[:1] if row is None else self.tenants_of(row)
            self.note(connection, tenants, actor, "refused" if name is None else "signed-in", address)

        self._store.write_sync(unit)
        return None if name is None else token

    def session(self, token: str) -> Signed | None:
        """The session whose token this is, while it is open and its person is not locked out."""
        now, digest = micros(), session_hash(token)
        idle, old = self._limits(now)
        found = self._store.read_sync(lambda connection: people.session(connection, digest, idle, old))
        if found is None:
            return None
        if found.seen_at + TOUCH < now:
            self._store.write_sync(lambda connection: people.touch_session(connection, digest, now))
        return Signed(self.person(found, now), bool(found.temporary), found.opened_at)

    def sign_out(self, token: str) -> None:
        """End a session."""
        self._store.write_sync(lambda connection: people.close_session(connection, session_hash(token)))

    def person(self, row: Any, now: int) -> Person:
        """Somebody as their account says now."""
        role = built_in_roles().role(row.role)
        actor = f"person:{row.person}"
        return Person(
            row.person, role, frozenset(self.tenants_of(row)),
            frozenset(map(bytes.fromhex, json.loads(row.locations))), row.view or role.view,
            self._store.read_sync(lambda c: breakglass.active(c, actor, now)),
        )  # fmt: skip

    # --- parts -----------------------------------------------------------------------------------------------------

    def open(self, connection: Connection, token: str, name: str, now: int) -> None:
        """Begin a session."""
        people.drop_sessions(connection, *self._limits(now))
        people.open_session(connection, session_hash(token), name, now)

    def _limits(self, now: int) -> tuple[int, int]:
        idle = self._settings.idle_minutes * MINUTE
        return now - idle, now - self._settings.session_hours * 60 * MINUTE

    def tenants_of(self, row: Any) -> list[str]:
        """The clinic groups of an account that are there."""
        return [tenant for tenant in json.loads(row.tenants) if tenant in self._tenants]

    def _new_secrets(self, name: str) -> tuple[Made, dict[str, Any]]:
        password, nonce = passwords.made(), secrets.token_bytes(one_time.NONCE_BYTES)
        made = Made(password, one_time.uri(self._secret(name, nonce), name))
        return made, {"password": passwords.hashed(password), "nonce": nonce, "step": 0, "temporary": True}

    def _secret(self, name: str, nonce: bytes) -> bytes:
        return self._vault.digest(self._tenants[0], one_time.material(name, nonce))

    def _found(self, name: str) -> Any:
        row = self._store.read_sync(lambda connection: people.one(connection, name))
        if row is None:
            raise InvalidConfiguration("There is no such account", fix="See `gateway people list`.")
        return row

    def _change(self, name: str, values: dict[str, Any], outcome: str, actor: str) -> None:
        tenants = json.loads(self._found(name).tenants)
        self.changed(lambda connection: people.change(connection, name, values), tenants, name, outcome, actor)

    def changed(
        self, unit: Callable[[Connection], None], tenants: Sequence[str], name: str, outcome: str, actor: str
    ) -> None:
        """Change an account and write so in the audit logs it concerns, in one commit."""

        def both(connection: Connection) -> None:
            unit(connection)
            for tenant in tenants:
                entry = self._audit.entry(
                    tenant, action="account", actor=actor, purpose="operations", outcome=outcome, people=[name]
                )
                self._audit.append(connection, entry)

        self._store.write_sync(both)

    def note(self, connection: Connection, tenants: Sequence[str], actor: str, outcome: str, address: str = "") -> None:
        """Write a sign-in, and the address it came from, to the audit logs it concerns."""
        for tenant in tenants:
            entry = self._audit.entry(
                tenant, action="sign-in", actor=actor, purpose="operations", outcome=outcome, addresses=_word(address)
            )
            self._audit.append(connection, entry)


def _word(address: str) -> list[str]:
    """An address as a word of the audit log, IPv6 in full; nothing where it is none."""
    try:
        return [ipaddress.ip_address(address.partition("%")[0]).exploded]
    except ValueError:
        return []


def _as_checked(connection: Connection, row: Any) -> bool:
    """Whether an account is still as it was when its password was checked: to hash takes long enough for a reset."""
    now = people.one(connection, row.person)
    if now is None or bytes(now.nonce) != bytes(row.nonce):
        return False
    return bool(now.password == row.password and now.locked_at is None)


def session_hash(token: str) -> bytes:
    """What is kept of a session's token."""
    return hashlib.sha256(b"session\0" + token.encode("utf-8", "replace")).digest()


def subject_hash(issuer: str, subject: str) -> bytes:
    """What is kept of somebody's name at the identity provider."""
    return hashlib.sha256(issuer.encode() + b"\0" + subject.encode()).digest()


def tried(name: str) -> bytes:
    """What is kept of a name or address that failed to sign in."""
    return hashlib.sha256(b"sign-in\0" + name.encode("utf-8", "replace")).digest()
