"""What commands share, the gateway's own and those of plugins: options, settings, files, and how facts are told."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
import typer
from pydantic import BaseModel

from gateway.diagnosis import InvalidSettings, validated
from gateway.secret import located
from gateway.settings import load

DEFAULT_CONFIG = Path("gateway.toml")
ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", envvar="GATEWAY_CONFIG", help="The settings file.", show_default=True)
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
CHUNK = 64 * 1024
Model = TypeVar("Model", bound=BaseModel)


def as_json(value: Any) -> None:
    """One JSON document on standard output, on one line."""
    typer.echo(json.dumps(msgspec.to_builtins(value), sort_keys=True))


def tell(fact: Any, sentence: str, *, json_: bool) -> None:
    """What a command did: the fact for programs, or the sentence for people."""
    if json_:
        as_json(fact)
    else:
        typer.echo(sentence)


def chunks(file: Path, advance: Callable[[int], object] = int) -> Iterator[bytes]:
    """A file piece by piece, so that memory stays bounded; ``advance`` is told how many bytes each piece has."""
    with file.open("rb") as opened:
        for piece in iter(lambda: opened.read(CHUNK), b""):
            advance(len(piece))
            yield piece


def source_settings(config: Path, name: str, model: type[Model]) -> Model:
    """The plugin's own settings of one configured source, with paths from the folder of the settings file.

    Raises:
        InvalidSettings: the file, or what it says of this source, is wrong; each mistake with its line.
        InvalidConfiguration: there is no source of this name.
    """
    settings = load(config)
    source = settings.source(name)
    place = ("sources", settings.sources.index(source), "config")
    found, problems = validated(model, source.config, place, config.read_text("utf-8"))
    if found is None:
        raise InvalidSettings(config.name, problems)
    return located(found, config.resolve().parent)
