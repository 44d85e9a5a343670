"""Breaking the glass: the emergency role for a limited time, with a reason, an alert, and a review that must follow.

It asks nobody outside: when the identity provider is down, a local account or the command line is enough.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
import structlog
from sqlalchemy import Connection

from gateway.audit import AuditLog
from gateway.errors import InvalidConfiguration
from gateway.flow.clock import iso, micros
from gateway.store import breakglass
from gateway.store.opening import Store
from gateway.vault import Place, Sealed, Vault, row_bytes

REASON = (10, 500)
"""A reason has this many signs at least and at most."""
REVIEW_SECONDS = 72 * 3600
"""A use that nobody has reviewed by then is overdue."""
Verdict = Literal["justified", "unjustified"]

log = structlog.get_logger(__name__)


class Use(msgspec.Struct, frozen=True, kw_only=True):
    """One use of the emergency role."""

    id: str
    tenant: str
    actor: str
    started_at: str
    ends_at: str
    reason: str
    reviewer: str
    verdict: str
    overdue: bool


class Glass:
    """Takes, lists and reviews the emergency role for one person or account."""

    def __init__(self, store: Store, vault: Vault, audit: AuditLog, actor: str) -> None:
        self._store = store
        self._vault = vault
        self._audit = audit
        self._actor = actor

    def break_(self, tenant: str, reason: str, minutes: int, most: int) -> Use:
        """Take the emergency role now.

        Args:
            tenant: the clinic group whose records are needed.
            reason: why, in words; it is kept sealed, for it may name a patient.
            minutes: for how long.
            most: the longest time the settings allow, in minutes.

        Raises:
            InvalidConfiguration: there is no reason in it, or the time is too long.
        """
        reason = " ".join(reason.split())
        if not REASON[0] <= len(reason) <= REASON[1] or not reason.isprintable():
            raise InvalidConfiguration(
                "The emergency role needs a reason", where="reason",
                fix=f"Say why in {REASON[0]} to {REASON[1]} printable characters.",
            )  # fmt: skip
        if not 1 <= minutes <= most:
            raise InvalidConfiguration(
                "The emergency role is not given for so long", where="minutes", fix=f"Ask for 1 to {most} minutes."
            )
        use, now = f"use-{self._store.next_id('breakglass')}", micros()
        sealed = self._vault.seal(self._key(tenant), _place(tenant, use), reason.encode())
        row = {
            "tenant": tenant, "use": use, "actor": self._actor, "started_at": now,
            "ends_at": now + minutes * 60_000_000, "key_id": sealed.key_id, "wrapped": sealed.wrapped,
            "box": sealed.box, "reviewed_at": None, "reviewer": None, "verdict": None,
        }  # fmt: skip
        entry = self._audit.entry(
            tenant, action="breakglass", actor=self._actor, purpose="emergency", outcome="taken", breakglass=[use],
            counts={"minutes": minutes},
        )  # fmt: skip

        def unit(connection: Connection) -> None:
            breakglass.add(connection, row)
            self._audit.append(connection, entry)

        self._store.write_sync(unit)
        log.warning("break-glass", tenant=tenant, what=use, reason="the emergency role was taken")
        return _use(row, reason, now)

    def end(self, tenant: str, use: str) -> None:
        """Give the emergency role back before its time is over; ``InvalidConfiguration`` when it is not one's own."""
        self._one(tenant, use, own=True)
        self._change(tenant, use, "ended", lambda connection: breakglass.end(connection, tenant, use, micros()))

    def uses(self, tenant: str, *, pending: bool = True) -> list[Use]:
        """Uses with their reasons, oldest first. The look is logged, for a reason may name a patient."""
        rows = self._store.read_sync(lambda connection: breakglass.uses(connection, tenant, pending=pending))
        if not rows:
            return []
        entry = self._audit.entry(
            tenant, action="access", actor=self._actor, purpose="review", breakglass=[row.use for row in rows]
        )
        self._store.write_sync(lambda connection: self._audit.append(connection, entry))
        now = micros()
        with self._audit.grant(entry) as grant:
            return [
                _use(
                    row._mapping,  # noqa: SLF001 - SQLAlchemy's public name for a row as a mapping
                    self._vault.open(
                        grant, _place(tenant, row.use), Sealed(row.key_id, bytes(row.wrapped), bytes(row.box))
                    ).decode(),
                    now,
                )
                for row in rows
            ]

    def review(self, tenant: str, use: str, verdict: Verdict) -> None:
        """Judge one use.

        Raises:
            InvalidConfiguration: there is no such use, it has been judged, it is not over, or it is one's own.
        """
        row = self._one(tenant, use, own=False)
        if row.ends_at > micros():
            raise InvalidConfiguration("This use is not over yet", where=use, fix="Review it when its time is over.")

        def unit(connection: Connection) -> None:
            if not breakglass.review(connection, tenant, use, self._actor, verdict, micros()):
                raise _unknown(use)

        self._change(tenant, use, verdict, unit)

    def _one(self, tenant: str, use: str, *, own: bool) -> Any:
        rows = self._store.read_sync(lambda connection: breakglass.uses(connection, tenant, pending=True))
        row = next((row for row in rows if row.use == use), None)
        if row is None:
            raise _unknown(use)
        if (row.actor == self._actor) != own:
            what = "Somebody else took this" if own else "Nobody reviews a use of their own"
            raise InvalidConfiguration(what, where=use, fix="Ask whom it concerns." if own else "Ask somebody else.")
        return row

    def _change(self, tenant: str, use: str, outcome: str, unit: Any) -> None:
        entry = self._audit.entry(
            tenant, action="breakglass", actor=self._actor, purpose="review", outcome=outcome, breakglass=[use]
        )

        def both(connection: Connection) -> None:
            unit(connection)
            self._audit.append(connection, entry)

        self._store.write_sync(both)

    def _key(self, tenant: str) -> int:
        return self._vault.keystore.key(tenant, "file", b"breakglass")


def overdue(connection: Connection, tenant: str, now: int) -> int:
    """How many uses nobody has reviewed in time."""
    rows = breakglass.uses(connection, tenant, pending=True)
    return sum(_is_overdue(row.ends_at, row.reviewed_at, now) for row in rows)


def _is_overdue(ends_at: int, reviewed_at: int | None, now: int) -> bool:
    return reviewed_at is None and ends_at + REVIEW_SECONDS * 1_000_000 < now


def _use(row: Any, reason: str, now: int) -> Use:
    return Use(
        id=row["use"], tenant=row["tenant"], actor=row["actor"], started_at=iso(row["started_at"]),
        ends_at=iso(row["ends_at"]), reason=reason, reviewer=row["reviewer"] or "", verdict=row["verdict"] or "",
        overdue=_is_overdue(row["ends_at"], row["reviewed_at"], now),
    )  # fmt: skip


def _place(tenant: str, use: str) -> Place:
    return Place(tenant, "breakglass", "box", row_bytes(use))


def _unknown(use: str) -> InvalidConfiguration:
    return InvalidConfiguration(
        "No use of this id waits for a review", where=use[:40], fix="See `gateway breakglass list`."
    )
