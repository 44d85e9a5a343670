"""adapters: what is installed, and all that one adapter, sink or reactor can and cannot do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from gateway.cli.printing import JsonOption, as_json, table
from gateway.errors import InvalidConfiguration
from gateway.registry import Registry

app = typer.Typer(invoke_without_command=True, help="What is installed, and all that one part can and cannot do.")


@app.callback()
def adapters(context: typer.Context, json_: JsonOption = False) -> None:
    """Every adapter, sink, reactor, key provider and witness that is installed, and what could not be loaded."""
    if context.invoked_subcommand is not None:
        return
    registry = Registry.load(None)
    rows = registry.describe()
    if json_:
        as_json({"plugins": rows, "failures": [str(failure) for failure in registry.failures.values()]})
        return
    table(
        "Plugins",
        ("kind", "name", "version", "from", "what it is"),
        [(r["kind"], r["name"], r.get("version", ""), r["distribution"], r.get("summary", "")) for r in rows],
    )
    for failure in registry.failures.values():
        typer.echo(str(failure), err=True)


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="Name of an adapter, sink, reactor, key provider or witness.")],
    json_: JsonOption = False,
) -> None:
    """What it can and cannot give, and every setting with a sentence."""
    registry = Registry.load(None)
    found = [row | {"settings": list(settings(registry, row))} for row in registry.describe() if row["name"] == name]
    if not found:
        known = ", ".join(sorted({row["name"] for row in registry.describe()}))
        raise InvalidConfiguration("Nothing of this name is installed", where="adapters show", fix=f"Known: {known}.")
    if json_:
        as_json({"name": name, "plugins": found})
        return
    for row in found:
        _print(row)


def settings(registry: Registry, row: dict[str, Any]) -> Iterator[dict[str, str | bool]]:
    """The settings of one part: name, type, default and sentence, nested ones with dots."""
    shelves: dict[str, Mapping[str, Any]] = {
        "adapter": registry.adapters, "sink": registry.sinks, "reactor": registry.reactors,
        "key-provider": registry.key_providers, "witness": registry.witnesses,
    }  # fmt: skip
    yield from _fields(shelves[row["kind"]][row["name"]].config, "")


def _fields(model: type[BaseModel], before: str) -> Iterator[dict[str, str | bool]]:
    for name, field in model.model_fields.items():
        default = field.default_factory() if field.default_factory is not None else field.default  # type: ignore[call-arg]  # the factories of settings take nothing
        known = default is not PydanticUndefined
        yield {
            "name": f"{before}{name}",
            "required": not known,
            "default": "" if not known or default is None else str(default),
            "description": field.description or "",
        }
        for inner in _models(field.annotation):
            yield from _fields(inner, f"{before}{name}.")


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Groups of settings inside a setting."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in getattr(annotation, "__args__", ()):
        yield from _models(inner)


def _print(row: dict[str, Any]) -> None:
    typer.echo(f"{row['kind']} {row['name']} {row.get('version', '')}  ({row['distribution']})")
    typer.echo(row.get("summary", ""))
    if row.get("docs"):
        typer.echo(f"Set-up: {row['docs']}")
    if rate := row.get("rate"):
        typer.echo(f"Rate budget: {rate['requests']} requests in {rate['seconds']:g} seconds")
    for key in ("idempotency", "residual_risk", "batch"):
        if key in row:
            typer.echo(f"{key.replace('_', ' ').capitalize()}: {row[key]}")
    for key in ("reads", "writes"):
        if row.get(key):
            typer.echo(f"{key.capitalize()}: {', '.join(sorted(row[key]))}")
    if streams := row.get("streams"):
        table(
            "Streams",
            ("name", "mode", "types"),
            [(one["name"], one["mode"], ", ".join(one["types"])) for one in streams],
        )
    if gaps := row.get("gaps"):
        typer.echo("It cannot give:")
        for gap in gaps:
            typer.echo(f"  - {gap}")
    if rows := row["settings"]:
        shown = [(one["name"], "required" if one["required"] else one["default"], one["description"]) for one in rows]
        table("Settings", ("name", "default", "what it is"), shown)
