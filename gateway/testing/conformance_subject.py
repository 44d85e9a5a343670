"""The adapter under test, and what lies beside its plugin module: simulator, quality table, golden files."""

from __future__ import annotations

import importlib.metadata
import tomllib
import types
from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, get_args, get_origin

import msgspec
from pydantic import BaseModel, ValidationError

from gateway.errors import InvalidConfiguration
from gateway.flow.source import Source
from gateway.hookspecs import GROUP, Adapter
from gateway.mapping import Mapping as FieldMapping
from gateway.registry import Registry
from gateway.secret import Secret
from gateway.testing.simulation import Simulator, simulators

GOLDEN, SETTINGS, EXPECTED = "golden", "settings.toml", ".expected.json"


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """One adapter and what its authors ship with it."""

    adapter: Adapter
    place: Traversable
    """The folder of its package."""
    simulator: Simulator | None
    quality: dict[str, Any]
    """``quality.toml``."""
    settings: dict[str, Any]
    """``golden/settings.toml``: ``zone``, ``profile``, ``config`` of the golden messages, ``running`` settings that
    make a source under test ask more often than a clinic would, and what ``scenes`` and ``faults`` need besides."""

    @property
    def name(self) -> str:
        """The adapter's name."""
        return self.adapter.info.name

    @property
    def zone(self) -> str:
        """The time zone of its made-up clinics."""
        return str(self.settings.get("zone", "America/Chicago"))

    @property
    def polled(self) -> bool:
        """Whether it asks its system for news."""
        return any(stream.mode == "poll" for stream in self.adapter.info.streams)

    def golden(self) -> list[Traversable]:
        """The golden inputs, by name."""
        folder = self.place / GOLDEN
        found = list(folder.iterdir()) if folder.is_dir() else []
        inputs = [one for one in found if one.is_file() and not one.name.endswith((EXPECTED, SETTINGS))]
        return sorted(inputs, key=lambda one: one.name)

    def bound(self) -> Source:
        """The adapter as a source of golden messages."""
        adapter = self.adapter
        try:
            config = adapter.config.model_validate(self.settings.get("config", {}))
        except ValidationError as error:
            lacking = ", ".join(".".join(map(str, one["loc"])) for one in error.errors())
            raise InvalidConfiguration(
                f"The settings of the golden messages cannot be used: {lacking}",
                where=f"{self.name}: {GOLDEN}/{SETTINGS}",
                fix="Set there, under [config], what the adapter cannot do without.",
            ) from None  # fmt: skip
        mapping = FieldMapping.load(adapter.mappings, None, adapter.path, self.settings.get("profile", ""))
        return Source.bind("certify", self.name, adapter, config, mapping.bind(zone=self.zone))


def find_subject(name: str) -> Subject:
    """The installed adapter of that name.

    Raises:
        PluginFailed: nothing installed offers it.
        InvalidConfiguration: its plugin offers no adapter of that name.
    """
    registry = Registry.load([name])
    adapter = registry.adapters.get(name)
    points = [one for one in importlib.metadata.entry_points(group=GROUP) if one.name == name]
    if adapter is None or not points:
        raise InvalidConfiguration(
            "This plugin offers no adapter of its name", where=name, fix="See `gateway adapters`."
        )
    place = files(points[0].module.rpartition(".")[0])
    acting = [one for one in simulators(points) if one.name == name]
    return Subject(
        adapter=adapter, place=place, simulator=acting[0] if acting else None, quality=_toml(place / "quality.toml"),
        settings=_toml(place / GOLDEN / SETTINGS),
    )  # fmt: skip


def _toml(file: Traversable) -> dict[str, Any]:
    return tomllib.loads(file.read_text("utf-8")) if file.is_file() else {}


# --- settings of a source, from what a simulator tells ---------------------------------------------------------------


def told_settings(model: type[BaseModel], told: Mapping[str, str], folder: Path) -> dict[str, Any]:
    """Settings as ``gateway.toml`` would hold them: nested, lists as lists, secrets in files of ``folder``."""
    made: dict[str, Any] = {}
    for name, text in told.items():
        *tables, leaf = name.split(".")
        part, kinds = made, kinds_of(model, name)
        for table in tables:
            part = part.setdefault(table, {})
        if Secret in kinds and not text.startswith(("env:", "file:")):
            secret = folder / f"{name}.secret"
            secret.touch(mode=0o600)
            secret.write_text(text, "utf-8")
            part[leaf] = [f"file:{secret}"] if kinds & {tuple, list} else f"file:{secret}"
        else:
            part[leaf] = text.split(",") if kinds & {tuple, list} else text
    return made


def laid_over(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with others over them, table by table."""
    made = dict(under)
    for key, value in over.items():
        below = made.get(key)
        made[key] = laid_over(below, value) if isinstance(value, dict) and isinstance(below, dict) else value
    return made


def kinds_of(model: type[BaseModel], name: str) -> frozenset[Any]:
    """The types that a setting may have, those of lists and tables around them included; none for an unknown name."""
    *tables, leaf = name.split(".")
    for table in tables:
        model = _model(model, table) if table in model.model_fields else model  # a name of the clinic's own choosing
    return frozenset(_kinds(model.model_fields[leaf].annotation)) if leaf in model.model_fields else frozenset()


def _model(model: type[BaseModel], field: str) -> type[BaseModel]:
    kinds = _kinds(model.model_fields[field].annotation) if field in model.model_fields else iter(())
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), BaseModel)


def _kinds(annotation: Any) -> Iterator[Any]:
    origin = get_origin(annotation)
    if origin is None:
        yield annotation
    elif origin in (tuple, list):
        yield from (origin, *_kinds(get_args(annotation)[0]))
    elif origin is dict:
        yield from (origin, *_kinds(get_args(annotation)[1]))
    elif origin is types.UnionType or origin:
        for inner in get_args(annotation):
            yield from _kinds(inner)
