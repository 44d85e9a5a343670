"""What ``gateway.toml`` names, loaded and checked: every plugin in use, and the settings of each by its own model.

All mistakes are told together: plugins that are misspelt, missing or broken, each at the setting that names it, beside
wrong settings of those that could be loaded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec
from pydantic import BaseModel

from gateway.access.views import NATIVE_ID
from gateway.diagnosis import InvalidSettings, Location, Problem, nearest, problem_at, validated
from gateway.hookspecs import GROUP
from gateway.registry import Registry, installed
from gateway.secret import located
from gateway.settings import Settings

_PREFIXES = {"provider": "keys-", "witness": "witness-"}
"""Setting -> what the entry points of its plugins begin with, and the setting leaves out."""


class Configured(NamedTuple):
    """The settings of every plugin in use, validated by the plugin's own model."""

    sources: dict[str, BaseModel]
    routes: dict[str, BaseModel]
    keys: BaseModel
    reactors: Mapping[str, BaseModel] = MappingProxyType({})
    previous_keys: BaseModel | None = None
    witnesses: Mapping[str, BaseModel] = MappingProxyType({})


class Part(msgspec.Struct, frozen=True):
    """One place of the settings that names a plugin."""

    place: Location
    key: str
    name: str
    offered: Mapping[str, Any]
    """Parts of this kind that loaded plugins offer, by name."""
    table: dict[str, Any]
    """The plugin's own settings, as written."""

    @property
    def plugin(self) -> str:
        """The entry point it means."""
        return _PREFIXES.get(self.key, "") + self.name


def load_plugins(settings: Settings, folder: Path, text: str = "") -> tuple[Registry, Configured]:
    """The plugins that the settings name, and their own settings.

    Args:
        settings: what :func:`gateway.settings.load` returned.
        folder: where relative paths begin: the folder of ``gateway.toml``.
        text: the file itself, to name lines.

    Raises:
        InvalidSettings: as :func:`check_plugins`.
    """
    registry = Registry.attempt(settings.plugin_names())
    return registry, check_plugins(settings, registry, folder, text)


def check_plugins(settings: Settings, registry: Registry, folder: Path, text: str = "") -> Configured:
    """Validate the ``config`` table of the keys and of every source and route with the plugin's own model.

    Args:
        settings: what :func:`gateway.settings.load` returned.
        registry: the plugins that could be loaded, and why others could not.
        folder: where relative paths begin: the folder of ``gateway.toml``.
        text: the file itself, to name lines.

    Raises:
        InvalidSettings: a plugin cannot be loaded or offers no part of that name, a setting is wrong, or production
            mode refuses the keys.
    """
    problems: list[Problem] = []
    found: dict[Location, BaseModel] = {}
    parts = list(_parts(settings, registry))
    for part in parts:
        if part.name not in part.offered:
            problems += _not_offered(part, registry, text)
            continue
        config, wrong = validated(part.offered[part.name].config, part.table, (*part.place, "config"), text)
        problems += wrong
        if config is not None:
            found[part.place] = located(config, folder)
    problems += _elsewhere(settings, registry, {part.plugin for part in parts}, text)
    if settings.mode == "production" and ("keys",) in found:
        weaknesses = registry.key_providers[settings.keys.provider].weaknesses(found["keys",], settings.data_folders())
        fix = "See docs/how-to/keys-and-backups.md."
        problems += [problem_at(f"Production mode refuses: {w.rstrip('.')}", ("keys",), text, fix) for w in weaknesses]
    problems += [*_circles(settings, registry, text), *_writes_back(settings, registry, text)]
    if problems:
        raise InvalidSettings("gateway.toml", problems)
    return Configured(
        {source.name: found["sources", number] for number, source in enumerate(settings.sources)},
        {route.name: found["routes", number] for number, route in enumerate(settings.routes)},
        found["keys",],
        {reactor.name: found["reactors", number] for number, reactor in enumerate(settings.reactors)},
        found.get(("keys", "previous")),
        {witness.name: found["witnesses", number] for number, witness in enumerate(settings.witnesses)},
    )


def _parts(settings: Settings, registry: Registry) -> Iterator[Part]:
    """Every table that a plugin has in the settings."""
    keys, offered = settings.keys, registry.key_providers
    yield Part(("keys",), "provider", keys.provider, offered, keys.config)
    if keys.previous is not None:
        yield Part(("keys", "previous"), "provider", keys.previous.provider, offered, keys.previous.config)
    for number, source in enumerate(settings.sources):
        yield Part(("sources", number), "adapter", source.adapter, registry.adapters, source.config)
    for number, reactor in enumerate(settings.reactors):
        yield Part(("reactors", number), "reactor", reactor.reactor, registry.reactors, reactor.config)
    for number, witness in enumerate(settings.witnesses):
        yield Part(("witnesses", number), "witness", witness.witness, registry.witnesses, witness.config)
    for number, route in enumerate(settings.routes):
        yield Part(("routes", number), "sink", route.sink, registry.sinks, route.config)


def _not_offered(part: Part, registry: Registry, text: str) -> Iterator[Problem]:
    """Why what a setting names is not there: its plugin is not installed, cannot be loaded, or is of another kind."""
    place = (*part.place, part.key)
    names = installed()
    if any(failed.rpartition(":")[2] == part.plugin for failed in registry.failures if ":" in failed):
        return  # its pin has failed, and is told where it stands
    if part.plugin not in names:
        known = sorted({*_of_kind(part.key, names), *part.offered})
        listed = f"Known are: {', '.join(known)}." if part.key in _PREFIXES else "See `gateway adapters`."
        fix = nearest(part.name, known) or listed
        yield problem_at(f"No installed plugin offers this {part.key}", place, text, fix)
    elif part.plugin in registry.failures:
        yield _unloaded(registry, part.plugin, place, text)
    else:
        fix = nearest(part.name, part.offered) or "See `gateway adapters`."
        yield problem_at(f"No loaded plugin offers this {part.key}", place, text, fix)


def _of_kind(key: str, names: frozenset[str]) -> list[str]:
    """What this setting may hold, as far as names of entry points tell."""
    prefix = _PREFIXES.get(key)
    if prefix is not None:
        return sorted(name.removeprefix(prefix) for name in names if name.startswith(prefix))
    return sorted(name for name in names if not name.startswith(tuple(_PREFIXES.values())))


def _unloaded(registry: Registry, name: str, place: Location, text: str) -> Problem:
    failure = registry.failures[name]
    inside = f" at {failure.where}" if failure.where not in {"", GROUP} else ""
    return problem_at(failure.what + inside, place, text, failure.fix)


def _elsewhere(settings: Settings, registry: Registry, told: set[str], text: str) -> Iterator[Problem]:
    """Plugins that could not be loaded and that no table of their own names: pins, and the sink of subscriptions."""
    for name in registry.failures.keys() - told:
        known = name in settings.plugins
        place = ("plugins", settings.plugins.index(name)) if known else ("http", "hook_sink")
        yield _unloaded(registry, name, place, text)


def _circles(settings: Settings, registry: Registry, text: str) -> Iterator[Problem]:
    """Reactors that read what they make, alone or by way of others of their tenant: they might never come to rest."""
    for number, one in enumerate(settings.reactors):
        if one.reactor not in registry.reactors:
            continue
        start = registry.reactors[one.reactor].info
        peers = [
            registry.reactors[other.reactor].info
            for other in settings.reactors
            if other.tenant == one.tenant and other.reactor in registry.reactors
        ]
        reached, grown = start.writes, start.writes
        while grown:
            grown = frozenset().union(*(peer.writes for peer in peers if peer.reads & reached)) - reached
            reached |= grown
        if reached & start.reads:
            named = ", ".join(sorted(reached & start.reads))
            what = f"This reactor would be shown what follows from what it makes: {named}"
            yield problem_at(what, ("reactors", number, "reactor"), text, "Take out one of the reactors in the circle.")


def _writes_back(settings: Settings, registry: Registry, text: str) -> Iterator[Problem]:
    """Routes whose sink writes back to a system, and which do not say to which, or with a view that grants no id."""
    for number, route in enumerate(settings.routes):
        if route.sink not in registry.sinks or not registry.sinks[route.sink].info.native:
            continue
        if route.writes_to is None:
            fix = "Name the source whose system it is in writes_to."
            yield problem_at("This sink writes back to a system", ("routes", number, "writes_to"), text, fix)
        grants = settings.views.get(route.view, {})
        if not any(NATIVE_ID in paths for paths in grants.values()):
            fix = f"Use a view of your own that grants {NATIVE_ID} of the records it writes to."
            yield problem_at("This sink needs ids that the view does not grant", ("routes", number, "view"), text, fix)
