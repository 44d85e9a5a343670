"""Wiring: offers the reactor to the gateway."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gateway.hookspecs import Reactor, hookimpl
from gateway_reminders.reactor import Reminders

if TYPE_CHECKING:
    import typer


@hookimpl
def gateway_reactors() -> Sequence[Reactor]:
    """The reactor ``reminders``."""
    return (Reminders(),)


@hookimpl
def gateway_commands() -> Sequence[typer.Typer]:
    """The command ``reminders fit``."""
    from gateway_reminders.command import app  # only a caller of the command needs it

    return (app,)
