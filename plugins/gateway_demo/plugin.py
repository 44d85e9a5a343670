"""Wiring: adds the command ``demo`` to the gateway."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from gateway.hookspecs import hookimpl
from gateway_demo.command import app


@hookimpl
def gateway_commands() -> Sequence[typer.Typer]:
    """The command ``demo``."""
    return (app,)
