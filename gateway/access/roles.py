"""Roles: which powers people have, and through which view they see records. All of it is data, in ``roles.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, NamedTuple

from gateway.errors import InvalidConfiguration

ALL = "*"


class Role(NamedTuple):
    """A set of powers with a name."""

    name: str
    summary: str
    powers: frozenset[str]
    """``*`` written out."""
    view: str
    """The view of its people, unless one is named for a person; empty when they see no records."""


class Roles(NamedTuple):
    """All that ``roles.toml`` says."""

    powers: Mapping[str, str]
    """Every power with its meaning."""
    named: Mapping[str, Role]
    emergency: Role

    def role(self, name: str) -> Role:
        """The role of that name; ``InvalidConfiguration`` when there is none."""
        found = self.named.get(name)
        if found is None:
            raise InvalidConfiguration("There is no such role", fix=f"Known are: {', '.join(self.named)}.")
        return found


@cache
def built_in_roles() -> Roles:
    """The roles that come with the gateway."""
    return read_roles(tomllib.loads(files("gateway.access").joinpath("roles.toml").read_text("utf-8")))


def read_roles(document: Mapping[str, Any]) -> Roles:
    """Roles from their document; ``InvalidConfiguration`` when one names a power that is not among ``powers``."""
    powers = MappingProxyType(dict(document["powers"]))
    named = {name: _role(name, table, powers) for name, table in document["roles"].items()}
    return Roles(powers, MappingProxyType(named), _role("emergency", document["emergency"], powers))


def _role(name: str, table: Mapping[str, Any], powers: Mapping[str, str]) -> Role:
    given = frozenset(powers) if ALL in table["powers"] else frozenset(table["powers"])
    if strange := sorted(given - set(powers)):
        raise InvalidConfiguration(f"There is no power {strange[0]!r}", where=f"roles.{name}")
    return Role(name, table["summary"], given, table["view"])
