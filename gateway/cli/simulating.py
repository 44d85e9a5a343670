"""simulate: run a faithful stand-in of a system outside, so that everything can be tried without an account."""

from __future__ import annotations

import asyncio
import importlib.metadata
import json
import signal
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Annotated, Protocol

import typer
from pydantic import BaseModel

from gateway.cli.printing import JsonOption, as_json, table
from gateway.errors import InvalidConfiguration
from gateway.hookspecs import GROUP
from gateway.registry import Registry
from gateway.settings import Secret
from gateway.testing.conformance_subject import kinds_of
from gateway.testing.simulation import Simulator, simulators, staged

HOST = "127.0.0.1"


class _Configured(Protocol):
    config: type[BaseModel]


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(simulate)


def simulate(
    name: Annotated[str, typer.Argument(help="Which system; --list names them all.")] = "",
    list_: Annotated[bool, typer.Option("--list", help="Name every system and the faults it can act out.")] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on the loopback; 0 takes a free one.")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same clinic.")] = 1,
    clinic_size: Annotated[int, typer.Option(min=1, max=100_000, help="How many patients it has.")] = 60,
    faults: Annotated[list[str] | None, typer.Option(help="Faults to act out, with commas between them.")] = None,
    json_: JsonOption = False,
) -> None:
    """Run one system on this machine until Ctrl-C; prints the settings that a source or route needs."""
    found = {one.name: one for one in simulators(importlib.metadata.entry_points(group=GROUP))}
    if list_ or not name:
        _list(found, json_=json_)
        return
    if name not in found:
        known = ", ".join(sorted(found))
        raise InvalidConfiguration("There is no such simulator", where="simulate", fix=f"Known are: {known}.")
    system = found[name]
    chosen = [fault for words in faults or () for fault in words.split(",")]
    if unknown := set(chosen) - _acts(system).keys():
        raise InvalidConfiguration(
            "The simulator cannot act this out",
            where="--faults " + ", ".join(sorted(unknown)),
            fix=f"Known are: {', '.join(_acts(system))}.",
        )

    def opened(settings: Mapping[str, str]) -> None:
        if json_:
            as_json({"name": name, "settings": dict(settings)})
            return
        for line in lines(name, settings):
            typer.echo(line)
        typer.echo("Ctrl-C ends it.", err=True)

    async def main() -> None:
        serving = asyncio.ensure_future(
            system.serve(host=HOST, port=port, seed=seed, clinic_size=clinic_size, faults=chosen, opened=opened)
        )
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, serving.cancel)
        with suppress(asyncio.CancelledError):
            await serving

    asyncio.run(main())


def lines(name: str, settings: Mapping[str, str]) -> Iterator[str]:
    """The settings a simulator tells, as lines of ``gateway.toml``; a secret says that it may not stand there."""
    models = [
        part.config
        for point in importlib.metadata.entry_points(group=GROUP)
        if name in {one.name for one in simulators([point])}
        for shelf in _shelves(Registry.load([point.name]))
        for part in shelf
    ]
    for key, text in settings.items():
        kinds = next((found for model in models if (found := kinds_of(model, key))), frozenset())
        told = text if kinds & {bool, int, float} and str not in kinds else json.dumps(text)
        if kinds & {tuple, list}:
            told = json.dumps(text.split(","))
        secret = f'  # a secret: put it into a file, and name that: "file:secrets/{name}"' if Secret in kinds else ""
        yield f"{key} = {told}{secret}"


def _shelves(registry: Registry) -> tuple[Iterable[_Configured], ...]:
    return registry.adapters.values(), registry.sinks.values(), registry.key_providers.values()


def _acts(system: Simulator) -> Mapping[str, str]:
    """What it can act out: faults, and events, which happen once a while after its start."""
    stage = staged(system)
    return {**system.faults, **(stage.events if stage is not None else {})}


def _list(found: Mapping[str, Simulator], *, json_: bool) -> None:
    if json_:
        rows = [{"name": one.name, "summary": one.summary, "faults": dict(_acts(one))} for one in found.values()]
        as_json({"simulators": rows})
        return
    table(
        "Simulators",
        ("name", "what it is", "faults"),
        [(one.name, one.summary, ", ".join(_acts(one))) for one in found.values()],
    )
