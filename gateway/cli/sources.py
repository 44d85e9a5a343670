"""sources, sweeps: how fresh and how complete everything is that is asked for, and how much of the budgets is used."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any

import typer

from gateway.cli.printing import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    TenantOption,
    as_json,
    opened,
    read,
    table,
    tenant_of,
)
from gateway.flow.polling import sources_path
from gateway.flow.sweep import STREAM, read_progress
from gateway.store import messages

STATUS_AGE = 15.0
"""Seconds after which a status that was not renewed tells nothing any more."""


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(sources)
    app.command()(sweeps)


def sweeps(config: ConfigOption = DEFAULT_CONFIG, tenant: TenantOption = "", json_: JsonOption = False) -> None:
    """What the last full reading of every list found: rows that polling had missed, and deletions.

    Exit code 1 when a sweep holds back deletions because they are too many to be believed.
    """
    with opened(config) as gateway:
        name = tenant_of(gateway, tenant)
        rows = gateway.store.read_sync(lambda connection: messages.cursors(connection, name, STREAM))
    found = [(row.source, row.stream.removeprefix(STREAM), read_progress(row.cursor)) for row in rows]
    if json_:
        as_json([{"source": of, "list": stream} | told.describe() for of, stream, told in found])
    else:
        titles = ("source", "list", "begun", "ended", "whole", "listed", "missed", "removed", "held back")
        table("Sweeps", titles, [(of, stream, *told.describe().values()) for of, stream, told in found])
    if any(told.held for _, _, told in found):
        raise typer.Exit(1)


def sources(config: ConfigOption = DEFAULT_CONFIG, json_: JsonOption = False) -> None:
    """Freshness of every stream that is asked for, its lag behind its goal, budgets, last success and last error.

    Exit code 1 when nothing is serving, or when a stream is behind its goal.
    """
    settings, _ = read(config)
    try:
        state = json.loads(sources_path(settings).read_text("utf-8"))
    except (OSError, ValueError):
        state = None
    if state is None or time.time() - state["at"] > STATUS_AGE:
        state = {"serving": False, "leading": False, "sources": [], "vendors": {}, "drift": {}}
    else:
        state["serving"] = True
    asked = {source["source"] for source in state["sources"]}
    state["not_asked"] = [one.name for one in settings.sources if state["serving"] and one.name not in asked]
    behind = [one for source in state["sources"] for one in source["streams"] if one["lag"] > 0]
    if json_:
        as_json(state | {"behind": len(behind)})
    else:
        _show(state)
    if not state["serving"] or behind:
        raise typer.Exit(1)


def _show(state: dict[str, Any]) -> None:
    if not state["serving"]:
        typer.echo("not serving: no process polls here")
        return
    if not state["leading"]:
        typer.echo("another process leads and polls")
    budgets = [(name, "all sources", _used(one)) for name, one in state["vendors"].items()]
    budgets += [(of["source"], one["of"], _used(one)) for of in state["sources"] for one in of["budgets"]]
    if budgets:
        table("Budgets", ("source", "of", "requests used"), budgets)
    rows = [
        (
            source["source"], one["stream"], one["state"], _age(one["freshness"]), _age(one["goal"]), _age(one["lag"]),
            _clock(one["last_success"]), _clock(one["next_poll"]), _error(one),
        )
        for source in state["sources"] for one in source["streams"]
    ]  # fmt: skip
    titles = ("source", "stream", "state", "fresh", "goal", "lag", "last success", "next poll", "last error")
    table("Sources", titles, rows)
    if state["not_asked"]:
        typer.echo(f"not asked, they send or leave files: {', '.join(state['not_asked'])}; see `gateway messages`")
    told = [(of["source"], one["fix"]) for of in state["sources"] for one in of["streams"] if one["fix"]]
    for name, fix in dict.fromkeys(told):
        typer.echo(f"to mend {name}: {fix}")
    for name, count in sorted(state.get("drift", {}).items()):
        typer.echo(f"drift: {name} has {count} open, see `gateway drift list`")


def _used(budget: dict[str, Any]) -> str:
    return f"{budget['used']} of {budget['requests']} in {budget['seconds']:g} s"


def _age(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds:.0f} s"


def _clock(at: float | None) -> str:
    return "" if at is None else datetime.fromtimestamp(at, UTC).strftime("%m-%d %H:%M:%SZ")


def _error(line: dict[str, Any]) -> str:
    return f"{line['last_error']} at {line['where']}" if line["where"] else str(line["last_error"])
