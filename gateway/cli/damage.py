"""Damage: what a command left out because it cannot be opened, told beside what it shows and by exit code 1."""

from __future__ import annotations

from contextvars import ContextVar

import typer

from gateway.flow.contents import DAMAGES, MEND

_named: ContextVar[frozenset[str]] = ContextVar("named", default=frozenset())


def begin() -> None:
    """A command begins: nothing was left out yet."""
    _named.set(frozenset())


def name(type_: str, record_id: str, reason: str) -> None:
    """Say on standard error which record is left out, why and what to do; once, however often it is met."""
    if record_id not in _named.get():
        _named.set(_named.get() | {record_id})
        typer.echo(f"gateway: {type_} {record_id} is left out: {DAMAGES[reason]} ({reason}). Fix: {MEND}", err=True)


def met() -> bool:
    """Whether anything was left out."""
    return bool(_named.get())
