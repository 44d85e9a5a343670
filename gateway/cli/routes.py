"""routes: how each one stands, letting it pause, run or drain, trying it out, and delivering again."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.bootstrap import Gateway, bind_route
from gateway.cli.periods import SinceOption, moment_of
from gateway.cli.printing import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    actor,
    as_json,
    listing,
    opened,
    record_bytes,
    table,
    tell,
)
from gateway.errors import InvalidConfiguration
from gateway.flow.clock import micros
from gateway.flow.dispatch import Opener
from gateway.flow.health import health_path
from gateway.flow.listing import route_standing
from gateway.flow.replay import rehearse
from gateway.flow.replay import replay as replay_route
from gateway.flow.route import Filter
from gateway.settings import Route
from gateway.store import route_states
from gateway.store.rows import Found

app = typer.Typer(invoke_without_command=True, help="How each route stands, and what to do about it.")
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The route's name.")]


@app.callback()
def routes(context: typer.Context, config: ConfigOption = DEFAULT_CONFIG, json_: JsonOption = False) -> None:
    """State, waiting, last error, retries and their budget, and what can still go wrong twice at each sink."""
    if context.invoked_subcommand is not None:
        return
    with opened(config) as gateway:
        found = [_standing(gateway, route, _live(gateway)) for route in gateway.settings.routes]
    if json_:
        as_json(found)
        return
    columns = ("name", "sink", "state", "shut", "unread", "waiting", "next_due", "last_error", "retries_left")
    listing("Routes", columns, found)
    steps = [{"name": one["name"], "after_at_most": ", ".join(map(span, one["retries"]))} for one in found]
    listing("Tried again, each time", ("name", "after_at_most"), steps)
    listing("Risk that is left", ("name", "idempotency", "risk"), found)


def span(seconds: float) -> str:
    """Seconds in the largest unit that holds them evenly: 90 s, 5 min, 24 h."""
    size, unit = next((one for one in ((3600, "h"), (60, "min")) if seconds % one[0] == 0), (1, "s"))
    return f"{seconds / size:g} {unit}"


def _live(gateway: Gateway) -> dict[str, Any]:
    """What the serving process says of its routes; nothing when none runs."""
    try:
        told = json.loads(health_path(gateway.settings).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    routes_told: dict[str, Any] = told.get("routes", {})
    return routes_told


def _standing(gateway: Gateway, route: Route, live: dict[str, Any]) -> dict[str, Any]:
    info = gateway.registry.sinks[route.sink].info
    told = live.get(route.name, {})
    return route_standing(gateway.store, route) | {
        "shut": told.get("shut", "not serving" if not live else ""), "retries_left": told.get("retries_left"),
        "rest_seconds": told.get("rest_seconds"), "idempotency": info.idempotency, "risk": info.residual_risk,
    }  # fmt: skip


@app.command()
def pause(name: NameArgument, config: ConfigOption = DEFAULT_CONFIG, json_: JsonOption = False) -> None:
    """Send nothing more on a route until it is resumed; what comes meanwhile waits in the journal."""
    _set(name, config, "paused", json_=json_)


@app.command()
def resume(name: NameArgument, config: ConfigOption = DEFAULT_CONFIG, json_: JsonOption = False) -> None:
    """Let a route go on where it stands; what failed, and a receiver that rests, is tried at once."""
    _set(name, config, route_states.WAKING, "running", json_=json_)


@app.command()
def drain(name: NameArgument, config: ConfigOption = DEFAULT_CONFIG, json_: JsonOption = False) -> None:
    """Take up nothing new, finish what waits for another attempt, then stay paused."""
    _set(name, config, "draining", json_=json_)


def _set(name: str, config: Path, state: str, shown: str = "", *, json_: bool) -> None:
    with opened(config) as gateway:
        route = gateway.settings.route(name)
        entry = gateway.audit.entry(
            route.tenant, action="configure", actor=actor(), purpose="operations", outcome=f"{name}/{shown or state}"
        )
        gateway.audit.commit(entry, lambda c: route_states.set_state(c, route.tenant, name, state, micros()))
    tell({"route": name, "state": shown or state}, f"{name}: {shown or state}", json_=json_)


@app.command("dry-run")
def dry_run(
    name: NameArgument,
    config: ConfigOption = DEFAULT_CONFIG,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most this many changes.")] = 50,
    json_: JsonOption = False,
) -> None:
    """What the route would send next, without sending it. The look is logged."""
    with opened(config) as gateway:
        bound = bind_route(gateway, gateway.settings.route(name))
        opener = Opener(bound, gateway.store, gateway.vault, gateway.audit)
        found = rehearse(gateway.store, opener, limit)
    if json_:
        as_json(found)
        return
    rows = [(one.type, one.record_id, one.version, one.outcome, one.reason, ", ".join(one.fields)) for one in found]
    table(f"What {name} would do next", ("type", "id", "version", "outcome", "reason", "fields"), rows)


@app.command()
def replay(
    name: NameArgument,
    config: ConfigOption = DEFAULT_CONFIG,
    since: SinceOption = "",
    types: Annotated[list[str] | None, typer.Option("--type", help="Only this record type.")] = None,
    sources: Annotated[list[str] | None, typer.Option("--source", help="Only of this source.")] = None,
    records: Annotated[list[str] | None, typer.Option("--record", help="Only this record id.")] = None,
    json_: JsonOption = False,
) -> None:
    """Deliver again, on this route only, what was delivered before. Name at least one restriction."""
    if not (since or types or sources or records):
        raise InvalidConfiguration("A replay of everything was asked for", fix="Say since when: --since 2026-01-01.")
    with opened(config) as gateway:
        route = gateway.settings.route(name)
        filter_ = Filter(types=frozenset(types or ()), sources=frozenset(sources or ()))
        number, count = replay_route(
            gateway.store, gateway.audit, route.tenant, name, filter_,
            since=moment_of(since, "--since") if since else 0, actor=actor(),
            records=[record_bytes(record) for record in records or ()],
        )  # fmt: skip
    sentence = f"{name}: {count} changes wait to be delivered again (replay {number})"
    tell({"replay": number, "changes": count}, sentence, json_=json_)


@app.command()
def compare(name: NameArgument, config: ConfigOption = DEFAULT_CONFIG, json_: JsonOption = False) -> None:
    """What a shadow route did with each change, beside the route it shadows; exit code 1 when they differ."""
    with opened(config) as gateway:
        route = gateway.settings.route(name)
        live = route.shadow_of
        if live is None:
            raise InvalidConfiguration("This route shadows no other", where=name, fix="Set shadow_of in [[routes]].")
        read, tenant = gateway.store.read_sync, route.tenant
        rows = read(lambda connection: route_states.compared(connection, tenant, live, name))
        here = read(lambda connection: route_states.alone(connection, tenant, live, name))
        there = read(lambda connection: route_states.alone(connection, tenant, name, live))
    same, kinds = differences(rows, here, there)
    told = f"{live} and {name}: {same} of {len(rows)} the same"
    if json_:
        as_json({"compared": len(rows), "same": same, "differences": dict(kinds)})
    elif kinds:
        table(told, ("difference", "changes"), sorted(kinds.items()))
    else:
        typer.echo(told)
    if kinds:
        raise typer.Exit(1)


def differences(rows: Sequence[Found], here: Mapping[str, int], there: Mapping[str, int]) -> tuple[int, dict[str, int]]:
    """How many changes two routes treated alike, and of the others how many by kind; ``here`` is the live route."""
    same = sum(row.live == row.shadow and row.live_fields == row.shadow_fields for row in rows)
    kinds = Counter(f"{row.live} here, {row.shadow} there" for row in rows if row.live != row.shadow)
    fields = sum(row.live == row.shadow and row.live_fields != row.shadow_fields for row in rows)
    if fields:
        kinds["other fields"] = fields
    kinds.update({f"{outcome} here, nothing there": count for outcome, count in here.items()})
    kinds.update({f"nothing here, {outcome} there": count for outcome, count in there.items()})
    return same, dict(kinds)
