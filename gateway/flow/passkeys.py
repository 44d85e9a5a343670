"""Passkeys of local accounts: made after the password was given again, and signed in with.

Nothing is kept of a question that waits for its answer: a challenge carries when it was asked and a keyed digest of
that, so any number of them costs nothing. A passkey answers each question once, and none that was asked before the last
one it answered. What is kept of a passkey is bound by a keyed digest too: who can write rows cannot add a way in.
"""

from __future__ import annotations

import hmac
import json
import secrets
from typing import Any

from sqlalchemy import Connection

from gateway.access import passkeys
from gateway.access.passkeys import Site
from gateway.access.person import Person
from gateway.errors import AccessRefused, InvalidConfiguration
from gateway.flow.accounts import MOST_FROM_ADDRESS, WINDOW, Accounts, tried
from gateway.flow.clock import iso, micros
from gateway.store import passkeys as rows
from gateway.store import people
from gateway.store.opening import Store
from gateway.store.rows import RowExists
from gateway.vault import Vault

MOST = 10
"""Passkeys of one person."""
_TIME, _CHANCE = 8, 24
_NOBODY = ""


class Passkeys:
    """The passkeys of one gateway's people. Its methods block: servers call them in a thread."""

    def __init__(self, store: Store, vault: Vault, accounts: Accounts, tenant: str, site: Site) -> None:
        self._store = store
        self._vault = vault
        self._accounts = accounts
        self._tenant = tenant
        self._site = site

    # --- one's own -------------------------------------------------------------------------------------------------

    def begin(self, person: Person, password: str) -> str | None:
        """What an authenticator is asked to make a passkey, as JSON; None when the password is wrong.

        Raises:
            InvalidConfiguration: the account signs in elsewhere, or has as many as it may.
        """
        row = self._store.read_sync(lambda connection: people.one(connection, person.name))
        if row is None or row.subject is not None:
            raise InvalidConfiguration(
                "This account signs in at the identity provider", where="passkeys", fix="Make the passkey there."
            )
        if self._accounts.confirmed(person, password) is None:
            return None
        known = self._store.read_sync(lambda connection: rows.of(connection, person.name))
        if len(known) >= MOST:
            raise InvalidConfiguration(f"There are {MOST} passkeys", where="passkeys", fix="Remove one first.")
        handle, challenge = self._handle(person.name), self._challenge(person.name)
        return passkeys.making(self._site, person.name, handle, challenge, [bytes(one.credential) for one in known])

    def add(self, person: Person, name: str, answer: dict[str, Any]) -> None:
        """Keep a passkey that was made for a question to this person.

        Raises:
            AccessRefused: it was not, or too long ago.
            InvalidConfiguration: the name is taken, or the passkey is known.
        """
        challenge = passkeys.challenge_in(answer)
        if self._asked_at(challenge, person.name) is None:
            raise AccessRefused("This was not asked here, or too long ago", where="credential", fix="Begin again.")
        made, now = passkeys.made(self._site, challenge, answer), micros()
        row = {
            "credential": made.credential, "person": person.name, "name": name, "public_key": made.public_key,
            "proof": self._proof(person.name, made.credential, made.public_key), "uses": made.uses, "asked_at": 0,
            "created_at": now,
        }  # fmt: skip

        def unit(connection: Connection) -> None:
            if len(rows.of(connection, person.name)) >= MOST:
                raise InvalidConfiguration(f"There are {MOST} passkeys", where="passkeys", fix="Remove one first.")
            try:
                rows.add(connection, row)
            except RowExists:
                raise InvalidConfiguration(
                    "There is such a passkey, or one of this name", where="name", fix="Choose another name."
                ) from None

        self._accounts.changed(unit, sorted(person.tenants), person.name, "passkey-added", person.actor)

    def of(self, person: Person) -> list[dict[str, Any]]:
        """Somebody's passkeys: what they are called, since when, and when they were used."""
        found = self._store.read_sync(lambda connection: rows.of(connection, person.name))
        return [
            {"name": one.name, "since": iso(one.created_at), "used_at": iso(one.asked_at) if one.asked_at else None}
            for one in found
        ]

    def remove(self, person: Person, name: str) -> None:
        """Forget one of somebody's passkeys; their sessions end, for one may have been begun with it."""

        def unit(connection: Connection) -> None:
            if not rows.remove(connection, person.name, name):
                raise InvalidConfiguration(
                    "There is no passkey of this name", where="name", fix="See the list of your passkeys."
                )
            people.change(connection, person.name, {"person": person.name})

        self._accounts.changed(unit, sorted(person.tenants), person.name, "passkey-removed", person.actor)

    # --- signing in ------------------------------------------------------------------------------------------------

    def ask(self) -> str:
        """What anybody's authenticator is asked to sign in, as JSON."""
        return passkeys.asking(self._site, self._challenge(_NOBODY))

    def sign_in(self, answer: dict[str, Any], address: str) -> str | None:
        """A new session for whoever's passkey answered, or None.

        Failed guesses of the password do not stop it: a signature cannot be guessed. Failures are counted by address.
        """
        now, source, token = micros(), tried("address\0" + address), secrets.token_urlsafe(32)
        credential = passkeys.bytes_in(str(answer.get("id", "")))[: passkeys.LONGEST_ID]
        row = self._store.read_sync(lambda connection: rows.one(connection, credential))
        name = "" if row is None else str(row.person)
        asked_at, uses = self._checked(row, name, credential, answer)
        tenants = [self._tenant] if row is None else self._accounts.tenants_of(row)
        actor = "person:unknown" if row is None else f"person:{name}"

        def unit(connection: Connection) -> bool:
            throttled = people.failure_count(connection, source, now - WINDOW) >= MOST_FROM_ADDRESS
            done = asked_at > 0 and not throttled and rows.use(connection, credential, asked_at, uses)
            if done:
                self._accounts.open(connection, token, name, now)
            else:
                people.failed(connection, (source,), now, secrets.randbits(62), now - 4 * WINDOW)
            self._accounts.note(connection, tenants, actor, "signed-in" if done else "refused", address)
            return done

        return token if self._store.write_sync(unit) else None

    def _checked(self, row: Any, name: str, credential: bytes, answer: dict[str, Any]) -> tuple[int, int]:
        """When the question was asked and what the authenticator counts; 0 when this lets nobody in."""
        challenge = passkeys.challenge_in(answer)
        asked_at = self._asked_at(challenge, _NOBODY)
        if row is None or asked_at is None or row.locked_at is not None or row.temporary or row.subject is not None:
            return 0, 0
        public_key = bytes(row.public_key)
        response = answer.get("response")
        handle = response.get("userHandle") if isinstance(response, dict) else None
        genuine = hmac.compare_digest(bytes(row.proof), self._proof(name, credential, public_key))
        if not genuine or passkeys.bytes_in(str(handle or "")) != self._handle(name):
            return 0, 0
        try:
            return asked_at, passkeys.answered(self._site, challenge, answer, public_key, row.uses)
        except AccessRefused:
            return 0, 0

    # --- parts -----------------------------------------------------------------------------------------------------

    def _challenge(self, person: str) -> bytes:
        head = micros().to_bytes(_TIME, "big") + secrets.token_bytes(_CHANCE)
        return head + self._digest("challenge", person, head)

    def _asked_at(self, challenge: bytes, person: str) -> int | None:
        """When a challenge of ours was given to this person; None when it was not, or too long ago."""
        head, mac = challenge[: _TIME + _CHANCE], challenge[_TIME + _CHANCE :]
        if not hmac.compare_digest(mac, self._digest("challenge", person, head)):
            return None
        at = int.from_bytes(head[:_TIME], "big")
        return at if micros() - at < passkeys.SECONDS * 1_000_000 else None

    def _handle(self, person: str) -> bytes:
        """What an authenticator calls the person: the same for all their passkeys, and no name."""
        return self._digest("handle", person)

    def _proof(self, person: str, credential: bytes, public_key: bytes) -> bytes:
        return self._digest("passkey", person, credential, public_key)

    def _digest(self, *parts: str | bytes) -> bytes:
        text = json.dumps([part if isinstance(part, str) else part.hex() for part in parts])
        return self._vault.digest(self._tenant, b"passkeys\0" + text.encode())
