"""What would keep sound settings from working here and now: secrets and files that are not there, ports that two want.

``gateway check`` tells it before ``gateway serve`` meets it. Plugins take part by what they call their settings: those
of :data:`FILES` name a file that must be there, and ``host`` with ``port`` of a source say where it listens.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from gateway.access.views import compile_views
from gateway.configured import Configured
from gateway.diagnosis import Location, Problem, problem_at
from gateway.errors import InvalidConfiguration
from gateway.secret import Secret, resolve_secret
from gateway.settings import Settings

FILES = frozenset(
    {"ca", "ca_file", "certificate", "certificate_key", "client_ca", "crl", "denied_serials", "key", "module", "roots"}
)
"""Settings that name a file which somebody else made: certificates, lists, libraries."""


def unready(settings: Settings, configured: Configured, text: str) -> list[Problem]:
    """Everything that the settings lean on and that is not there, each with its setting and line.

    Args:
        settings: the checked settings.
        configured: the plugins' own settings.
        text: the file itself, to name lines.
    """
    models: list[tuple[Location, BaseModel]] = [
        ((), settings),
        (("keys", "config"), configured.keys),
        *((("sources", n, "config"), configured.sources[one.name]) for n, one in enumerate(settings.sources)),
        *((("routes", n, "config"), configured.routes[one.name]) for n, one in enumerate(settings.routes)),
        *((("reactors", n, "config"), configured.reactors[one.name]) for n, one in enumerate(settings.reactors)),
        *((("witnesses", n, "config"), configured.witnesses[one.name]) for n, one in enumerate(settings.witnesses)),
    ]
    found = [problem for place, model in models for problem in _missing(model, place, text)]
    return [*found, *_ports(settings, configured, text), *_not_granted(settings, text)]


def _missing(value: Any, place: Location, text: str) -> Iterator[Problem]:
    """Secrets and files below one place that cannot be read."""
    if isinstance(value, Secret):
        try:
            resolve_secret(value)
        except InvalidConfiguration as error:
            yield problem_at(error.what, place, text, error.fix)
    elif isinstance(value, Path):
        if place[-1] in FILES and not value.is_file():
            yield problem_at("There is no such file", place, text, "Put it there, or name another one.")
    elif isinstance(value, BaseModel):
        for name, inner in value:
            yield from _missing(inner, (*place, name), text)
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _missing(inner, (*place, name), text)
    elif isinstance(value, tuple | list):
        for number, inner in enumerate(value):
            yield from _missing(inner, (*place, number), text)


def _ports(settings: Settings, configured: Configured, text: str) -> Iterator[Problem]:
    """Sources that would listen where another one of this process does."""
    taken: dict[tuple[str, int], str] = {}
    if settings.http is not None and settings.http.port:
        taken[settings.http.host, settings.http.port] = "http"
    for number, source in enumerate(settings.sources):
        config = configured.sources[source.name]
        host, port = getattr(config, "host", None), getattr(config, "port", None)
        if not isinstance(host, str) or not isinstance(port, int) or not port or not getattr(config, "listen", True):
            continue
        place: Location = ("sources", number, "config", "port")
        if (host, port) in taken:
            what = f"{taken[host, port]} listens on port {port} already"
            yield problem_at(what, place, text, "Give each a port of its own.")
        taken.setdefault((host, port), f"sources[{number}]")


def _not_granted(settings: Settings, text: str) -> Iterator[Problem]:
    """Record types that a route asks for and its view grants nothing of."""
    views = compile_views(settings.views)
    for number, route in enumerate(settings.routes):
        for position, name in enumerate(route.types):
            if name not in views[route.view].grants:
                what = "The route's view grants nothing of this type, so none of it would be sent"
                fix = f"Grant fields of {name} in a view of your own, or take the type out."
                yield problem_at(what, ("routes", number, "types", position), text, fix)
