"""Which power each command asks for: whoever runs it has the role that ``[people.command_line]`` gives their account.

A command that is not in the table (one that a plugin adds, say) asks for ``gateway.run``, which only administrators
have. Commands that open no store ask for nothing: whoever can read the settings may run them. What tries or restores a
backup asks the settings alone, for it must also run where the store is lost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextvars import ContextVar

from gateway.access.roles import Role, built_in_roles
from gateway.bootstrap import Gateway
from gateway.errors import AccessRefused
from gateway.flow.clock import micros
from gateway.settings import Settings
from gateway.settings_people import EVERYBODY
from gateway.store import breakglass

OTHERWISE = "gateway.run"
POWERS: Mapping[str, str] = {
    "messages": "messages.read",
    "records": "records.read",
    "explain": "explain",
    "disclosures": "disclosures.read",
    "import": "data.import",
    "quarantine list": "quarantine.read",
    "quarantine show": "quarantine.read",
    "quarantine release": "quarantine.release",
    "routes": "status.read",
    "routes pause": "routes.change",
    "routes resume": "routes.change",
    "routes drain": "routes.change",
    "routes dry-run": "records.read",
    "routes replay": "routes.change",
    "routes compare": "status.read",
    "remits": "records.read",
    "remits match": "remits.match",
    "remits unmatch": "remits.match",
    "claims": "records.read",
    "denials": "records.read",
    "claims resend": "claims.resend",
    "denials write-off": "denials.decide",
    "denials reopen": "denials.decide",
    "sweeps": "status.read",
    "drift list": "status.read",
    "drift show": "status.read",
    "drift accept": "quarantine.release",
    "persons": "records.read",
    "persons review": "records.read",
    "persons duplicates": "records.read",
    "persons link": "data.import",
    "persons unlink": "data.import",
    "visits": "records.read",
    "visits mark": "data.import",
    "accounting tie-out": "records.read",
    "mappings": "status.read",
    "check": "status.read",
    "views": "status.read",
    "views usage": "audit.read",
    "serve": OTHERWISE,
    "shred": OTHERWISE,
    "breach": "disclosures.read",
    "audit search": "audit.read",
    "audit report": "audit.read",
    "audit export": "audit.read",
    "audit prove": "audit.read",
    "audit unusual": "audit.read",
    "audit keys": "audit.read",
    "audit access-review": "audit.read",
    "audit acknowledge": OTHERWISE,
    "agreements list": "audit.read",
    "agreements add": OTHERWISE,
    "agreements end": OTHERWISE,
    "backup create": OTHERWISE,
    "backup verify": "audit.read",
    "backup restore": OTHERWISE,
    "hold list": "audit.read",
    "hold add": OTHERWISE,
    "hold remove": OTHERWISE,
    "keys bind": OTHERWISE,
    "keys status": "status.read",
    "keys rotate": OTHERWISE,
    "patients find": "records.read",
    "patients reindex": OTHERWISE,
    "retention plan": "status.read",
    "retention run": OTHERWISE,
    "verify audit": "audit.read",
    "verify ledger": "audit.read",
    "verify records": "audit.read",
    "verify shred": "audit.read",
    "clients list": "people.read",
    "clients add": "clients.change",
    "clients rotate": "clients.change",
    "clients revoke": "clients.change",
    "people list": "people.read",
    "people add": "people.change",
    "people role": "people.change",
    "people lock": "people.change",
    "people reset": "people.change",
    "breakglass start": "breakglass.use",
    "breakglass end": "breakglass.use",
    "breakglass list": "breakglass.review",
    "breakglass review": "breakglass.review",
}
_words: ContextVar[tuple[str, ...]] = ContextVar("words", default=())


def told(words: Sequence[str]) -> None:
    """Remember how the gateway was called: the words after its name."""
    _words.set(tuple(words))


def power_of(words: Sequence[str]) -> str:
    """The power that a call asks for: the longest command of the table that its first words spell."""
    for count in (2, 1):
        found = POWERS.get(" ".join(words[:count])) if len(words) >= count else None
        if found is not None:
            return found
    return OTHERWISE


def role_of(settings: Settings, actor: str) -> Role | None:
    """The role of an account of this machine; None when the settings give it none."""
    given = settings.people.command_line
    name = given.get(actor.removeprefix("cli:"), given.get(EVERYBODY))
    return None if name is None else built_in_roles().role(name)


def may(settings: Settings, actor: str) -> bool:
    """Whether the settings alone let the present command go on: all that can be asked where no store is left."""
    role = role_of(settings, actor)
    return role is not None and power_of(_words.get()) in role.powers


def permit(gateway: Gateway, actor: str) -> None:
    """Let the present command go on, or write the refusal in the audit log of every clinic group.

    Raises:
        AccessRefused: the account has no role, or one without the power; breaking the glass helps where it is broken
            for every clinic group here.
    """
    power = power_of(_words.get())
    if may(gateway.settings, actor):
        return
    role = role_of(gateway.settings, actor)
    broken = gateway.store.read_sync(lambda connection: breakglass.active(connection, actor, micros()))
    if role is not None and power in built_in_roles().emergency.powers and set(gateway.tenants) <= broken:
        return
    for tenant in gateway.tenants:
        entry = gateway.audit.entry(tenant, action="refuse", actor=actor, purpose="operations", outcome=power)
        gateway.audit.commit(entry)
    raise refusal(actor)


def refusal(actor: str) -> AccessRefused:
    """What an account is told that may not run the present command."""
    return AccessRefused(
        f"This account may not do that: it lacks the power {power_of(_words.get())}",
        where=f"[people.command_line] {actor}",
        fix="Ask an administrator, or `gateway breakglass start` in an emergency.",
    )
