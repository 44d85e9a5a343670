"""init, check, serve, health: setting up and running."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from gateway import bootstrap, keyring
from gateway.cli.agreements import without_agreement
from gateway.cli.permits import permit
from gateway.cli.printing import DEFAULT_CONFIG, ConfigOption, JsonOption, actor, as_json, opened, read
from gateway.configured import Configured, check_plugins, load_plugins
from gateway.diagnosis import InvalidSettings, Problem, problem_at
from gateway.errors import GatewayError, InvalidConfiguration
from gateway.flow.clock import micros
from gateway.flow.health import health_path
from gateway.production import client_refusals, refusals, unwatched
from gateway.readiness import unready
from gateway.registry import Registry
from gateway.settings import Settings, parse, starter_toml

ROLES = ("intake", "worker", "deliver", "api")
HEALTHY_SECONDS = 15.0
Coded = tuple[str, Problem]
YOUNG_OBJECTS = 10_000
"""New objects after which the collector looks at the youngest: a batch of messages makes thousands and keeps few."""


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    for command in (init, check, serve, health):
        app.command()(command)


def init(config: ConfigOption = DEFAULT_CONFIG, json_: JsonOption = False) -> None:
    """Write a starter gateway.toml where none is, make the keys and the encrypted store."""
    if not config.exists():
        config.parent.mkdir(parents=True, exist_ok=True)
        config.write_text(starter_toml(), encoding="utf-8")
    settings, text = read(config)
    if settings.keys.keystore.exists():
        raise InvalidConfiguration(
            "There is a keystore already", where=str(settings.keys.keystore), fix="It is ready: run `gateway serve`."
        )
    bootstrap.open_gateway(settings, config.resolve().parent, text, create=True).close()
    made = {"config": str(config), "keystore": str(settings.keys.keystore), "data": str(settings.data.directory)}
    if json_:
        as_json(made)
        return
    for name, path in made.items():
        typer.echo(f"{name:9} {path}")
    typer.echo(
        "Back up the keystore apart from the data: without it nothing can be read, and with both everything can."
    )


def check(
    config: ConfigOption = DEFAULT_CONFIG,
    production: Annotated[bool, typer.Option(help="Also list what production mode refuses.")] = False,
    json_: JsonOption = False,
) -> None:
    """Validate the settings and say what is wrong, where, and how to fix it."""
    problems = _problems(config, production=production)
    if json_:
        told = [
            {"code": code, "where": one.where, "line": one.line, "problem": one.what, "fix": one.fix}
            for code, one in problems
        ]
        as_json({"ok": not problems, "problems": told})
    elif not problems:
        typer.echo(f"{config}: no mistakes found.")
    for _, problem in [] if json_ else problems:
        typer.echo(problem)
    if problems:
        raise typer.Exit(1)


def _problems(config: Path, *, production: bool) -> list[Coded]:
    """Everything that is wrong, each with the stable word of what kind it is."""
    try:
        settings, text = read(config)
        if production:
            settings = parse(text, config.resolve().parent, config.name).model_copy(update={"mode": "production"})
        folder, lenient = config.resolve().parent, settings.model_copy(update={"mode": "development"})
        registry, configured = load_plugins(lenient, folder, text)
        found = [
            *_coded("mapping", _mappings(settings, registry, configured, text)),
            *_coded("not-there", unready(settings, configured, text)),
        ]
        if settings.mode == "development":
            return found
        found += _coded("not-for-production", refusals(settings, configured, config, text))
        found += _coded("not-for-production", unwatched(settings, registry, configured, text))
        if settings.keys.keystore.exists():
            with closing(bootstrap.open_gateway(lenient, folder, text)) as gateway:
                permit(gateway, actor())
                broad = gateway.store.read_sync(lambda connection: client_refusals(connection, gateway.tenants))
                found += _coded("not-for-production", broad)
                found += _coded("no-agreement", _unagreed(gateway))
        try:
            check_plugins(settings, registry, folder, text)
        except InvalidSettings as error:
            found += _coded("not-for-production", error.problems)
    except InvalidSettings as error:
        return _coded("invalid-setting", error.problems)
    except InvalidConfiguration as error:
        return _coded(error.code, [Problem(error.what, error.where, None, error.fix)])
    else:
        return found


def _coded(code: str, problems: Iterable[Problem]) -> list[Coded]:
    return [(code, problem) for problem in problems]


def _mappings(settings: Settings, registry: Registry, configured: Configured, text: str) -> Iterator[Problem]:
    """What is wrong with the mapping, profile or overlay of each source."""
    for number, source in enumerate(settings.sources):
        try:
            bootstrap.bind_source(source, registry.adapters[source.adapter], configured.sources[source.name])
        except InvalidConfiguration as error:
            key = "overlay" if source.overlay is not None else "profile"
            yield problem_at(error.what, ("sources", number, key), text, error.fix)


def _unagreed(gateway: bootstrap.Gateway) -> list[Problem]:
    """Whom production mode would give nothing: `serve` starts all the same, and holds what is theirs."""
    return [
        Problem(
            "Nothing goes out here: the recipient has no agreement on file", f"{one['kind']} {one['name']}", None,
            "gateway agreements add RECIPIENT --document WHERE, or --not-required REASON.",
        )
        for tenant in gateway.tenants
        for one in without_agreement(gateway, tenant, micros())
    ]  # fmt: skip


def serve(
    config: ConfigOption = DEFAULT_CONFIG,
    role: Annotated[list[str] | None, typer.Option(help="intake, worker, deliver or api; all when not given.")] = None,
    json_: JsonOption = False,
) -> None:
    """Run until stopped: listen and poll, normalize, deliver, answer over HTTP."""
    unknown = set(role or ()) - set(ROLES)
    if unknown:
        raise InvalidConfiguration("There is no such role", where="--role", fix=f"Known are: {', '.join(ROLES)}.")
    with opened(config) as gateway:
        if gateway.settings.mode == "production":
            text = config.read_text("utf-8")
            weak = refusals(gateway.settings, gateway.configured, config, text)
            weak += unwatched(gateway.settings, gateway.registry, gateway.configured, text)
            weak += gateway.store.read_sync(lambda connection: client_refusals(connection, gateway.tenants))
            if weak:
                raise InvalidSettings(config.name, weak)
        keyring.warn(gateway.settings, gateway.registry, gateway.configured)
        run(gateway, frozenset(role or ROLES), json_=json_)


def run(gateway: bootstrap.Gateway, roles: frozenset[str], *, json_: bool) -> None:
    """Serve on a fast event loop until SIGINT or SIGTERM."""
    import uvloop

    def ready() -> None:
        leave_out_of_collections()
        if json_:
            as_json({"ready": True, "roles": sorted(roles)})
        else:
            typer.echo("ready", err=True)

    async def main() -> None:
        task = asyncio.create_task(bootstrap.serve(gateway, roles, ready))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, task.cancel)
        with suppress(asyncio.CancelledError):
            try:
                await task
            except BaseExceptionGroup as group:
                raise told_in_one_line(group) from None

    uvloop.run(main())


def told_in_one_line(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """What ended one of the parts that run side by side, where it is for a person to mend; else all of it."""
    known: BaseException | None = group.split((GatewayError, OSError))[0]
    while isinstance(known, BaseExceptionGroup):
        known = known.exceptions[0]
    return known or group


def leave_out_of_collections() -> None:
    """Keep what the gateway is made of out of every later collection.

    Modules, compiled mappings and statements are 140,000 objects that live as long as the process. Looking
    through them takes 100 ms in which no message is acknowledged, and under load Python would do it every second or so.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, *gc.get_threshold()[1:])


def health(config: ConfigOption = DEFAULT_CONFIG, json_: JsonOption = False) -> None:
    """Whether the serving process is alive and can store; exit code 1 when not."""
    settings, _ = read(config)
    path = health_path(settings)
    try:
        state = json.loads(path.read_text("utf-8"))
        age = time.time() - datetime.fromisoformat(state["at"]).replace(tzinfo=UTC).timestamp()
        os.kill(state["pid"], 0)
    except (OSError, ValueError, KeyError):
        state, age = {"store": "not serving"}, 0.0
    healthy = state["store"] == "ok" and age < HEALTHY_SECONDS
    if json_:
        as_json(state | {"healthy": healthy})
    else:
        typer.echo("healthy" if healthy else f"unhealthy: {state['store']}")
    if not healthy:
        raise typer.Exit(1)
