"""What a server offers, read from ``/metadata``: which types by search, which by export, and what is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct
from yarl import URL

from gateway.errors import InvalidConfiguration, SourceUnavailable
from gateway.transport.http import HttpClient
from gateway.transport.smart import SmartConfiguration, letters
from gateway.wire.json_decoder import decoder
from gateway_fhir.config import FhirConfig
from gateway_fhir.records import Part

_TOPICS = "/capabilitystatement-subscriptiontopic-canonical"
_PREFERS_EXPORT = frozenset({"gateway", "theraoffice"})
"""Profiles that document Bulk Data for system access and no search, or whose export alone tells what is gone."""


class _Coded(Part, frozen=True, kw_only=True):
    code: str = ""


class _Named(Part, frozen=True, kw_only=True):
    name: str = ""
    definition: str = ""


class _Extension(Part, frozen=True, kw_only=True):
    url: str = ""
    value_canonical: str = ""


class Served(Part, frozen=True, kw_only=True):
    """What a server says about one resource type."""

    type: str = ""
    extension: tuple[_Extension, ...] = ()
    interaction: tuple[_Coded, ...] = ()
    search_param: tuple[_Named, ...] = ()
    operation: tuple[_Named, ...] = ()

    def offers(self, code: str) -> bool:
        """Whether an interaction is declared."""
        return any(one.code == code for one in self.interaction)

    @property
    def topics(self) -> list[str]:
        """Topics that can be subscribed to, where the server lists them as the R4 backport has it."""
        return [one.value_canonical for one in self.extension if one.url.endswith(_TOPICS)]

    @property
    def tells_events(self) -> bool:
        """Whether past events of a subscription can be asked for (``$events`` of the R4 backport)."""
        return any(one.name.lstrip("$").endswith("events") for one in self.operation)


class _Rest(Part, frozen=True, kw_only=True):
    mode: str = "server"
    resource: tuple[Served, ...] = ()
    search_param: tuple[_Named, ...] = ()
    operation: tuple[_Named, ...] = ()


class Capabilities(Part, frozen=True, kw_only=True):
    """A CapabilityStatement, as far as it decides how to read the server."""

    fhir_version: str = ""
    instantiates: tuple[str, ...] = ()
    rest: tuple[_Rest, ...] = ()

    def served(self) -> dict[str, Served]:
        """What it says about each resource type."""
        return {one.type: one for rest in self.rest for one in rest.resource}

    def by_time(self, served: Served) -> bool:
        """Whether a type can be searched by the time of its last change."""
        common = [one for rest in self.rest for one in rest.search_param]
        return any(one.name == "_lastUpdated" for one in (*served.search_param, *common))

    def exports(self) -> bool:
        """Whether it offers Bulk Data export at any level."""
        operations = [one for rest in self.rest for one in rest.operation]
        operations += [one for served in self.served().values() for one in served.operation]
        return any("bulk-data" in one for one in self.instantiates) or any(
            one.name.lstrip("$").endswith("export") for one in operations
        )


class Plan(Struct, frozen=True):
    """How a server is read."""

    search: Sequence[str]
    export: Sequence[str]
    missing: Mapping[str, str]
    """Why a type cannot be had, in words for the user."""
    offers_export: bool = False
    """Whether the server offers Bulk Data, needed or not."""
    subscriptions: Served = Served()
    """What it says about the type Subscription; nothing where it does not serve it."""


_capabilities = decoder(Capabilities)


async def discover(client: HttpClient, config: FhirConfig) -> Plan:
    """Ask for ``/metadata`` and decide. Raises ``InvalidConfiguration`` when the server speaks another FHIR."""
    return plan(await capabilities(client, config), config)


async def capabilities(client: HttpClient, config: FhirConfig) -> Capabilities:
    """What ``/metadata`` says. Raises ``InvalidConfiguration`` when the server speaks another FHIR."""
    try:
        found = await client.get(URL(config.base_url or "") / "metadata", _capabilities)
    except SourceUnavailable as error:
        error.fix = error.fix or "base_url is what stands before /metadata: look at both in a browser."
        raise
    if not found.fhir_version.startswith(("4.0", "4.3")):
        raise InvalidConfiguration(
            "The server does not speak FHIR R4", where="base_url", fix="Ask its operator for the address of its R4 API."
        )
    return found


def plan(found: Capabilities, config: FhirConfig) -> Plan:
    """By search where it is offered by time, by export where that is offered, and never by guessing."""
    served, exports = found.served(), found.exports() and config.stay_current in ("auto", "bulk")
    prefers_export = config.stay_current == "bulk" or (exports and config.profile in _PREFERS_EXPORT)
    search: list[str] = []
    export: list[str] = []
    missing: dict[str, str] = {}
    for type in config.types:
        one = served.get(type)
        if one is None:
            missing[type] = "the server does not serve it"
            continue
        searchable = one.offers("search-type")
        if searchable and not prefers_export and (config.assume_last_updated or found.by_time(one)):
            search.append(type)
        elif exports:
            export.append(type)
        elif config.stay_current == "bulk":
            missing[type] = "the server offers no $export"
        elif searchable:
            missing[type] = "the server declares no search by _lastUpdated, and no $export (see assume_last_updated)"
        else:
            missing[type] = "the server offers neither search nor $export for it"
    return Plan(search, export, missing, found.exports(), served.get("Subscription", Served()))


def scopes(config: FhirConfig, found: SmartConfiguration, types: Sequence[str]) -> tuple[str, ...]:
    """What to ask for: the configured scopes, else ``.rs`` where the server speaks version 2 of them and ``.read``."""
    if config.scopes:
        return config.scopes
    end = letters(found, "rs", "read")
    return tuple(f"system/{type}.{end}" for type in types)
