"""What a server offers decides how it is read; what is missing is said."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from yarl import URL

from gateway.errors import InvalidConfiguration
from gateway.transport.smart import SmartConfiguration, token_endpoint
from gateway_fhir.transport_discovery import Capabilities, plan, scopes
from tests.unit.adapters.fhir.server import config


def statement(*types: str, export: bool = False, by_time: bool = True, search: bool = True) -> Capabilities:
    resource: list[dict[str, Any]] = [
        {
            "type": type,
            "interaction": [{"code": "search-type" if search else "read"}],
            "searchParam": [{"name": "_lastUpdated" if by_time else "patient"}],
        }
        for type in types
    ]
    rest = {"resource": resource, "operation": [{"name": "export"}] if export else []}
    return msgspec.convert({"fhirVersion": "4.0.1", "rest": [rest]}, Capabilities)


@pytest.mark.parametrize(
    ("offered", "settings", "way"),
    [
        ({}, {}, "search"),
        ({"by_time": False}, {}, "missing"),
        ({"by_time": False}, {"assume_last_updated": True}, "search"),
        ({"by_time": False, "export": True}, {}, "export"),
        ({"search": False}, {}, "missing"),
        ({"search": False, "export": True}, {}, "export"),
        ({"export": True}, {}, "search"),
        ({"export": True}, {"stay_current": "bulk"}, "export"),
        ({"export": True}, {"profile": "theraoffice"}, "export"),
        ({}, {"stay_current": "bulk"}, "missing"),
        ({"by_time": False, "export": True}, {"stay_current": "search"}, "missing"),
    ],
)
def test_the_way_follows_from_what_is_offered(offered: dict[str, bool], settings: dict[str, Any], way: str) -> None:
    """Search where it is declared by time, export where that is offered, otherwise a reason and no guess."""
    found = plan(statement("Patient", **offered), config(types=["Patient"], **settings))
    assert {"search": list(found.search), "export": list(found.export), "missing": list(found.missing)}[way] == [
        "Patient"
    ]


BASE = "https://fhir.example.org/r4"


class Named:
    """Stands for a server whose configuration names one token endpoint."""

    def __init__(self, endpoint: str) -> None:
        self._found = SmartConfiguration(token_endpoint=endpoint)

    async def get(self, url: URL, decode: object) -> SmartConfiguration:
        """The configuration."""
        del url, decode
        return self._found


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://127.0.0.1:8200/v1/token", "https://localhost/token", "https://127.0.0.1/token", "/token", "",
        "mailto:x",
        "http://idp.example.org/token", "https://user@idp.example.org/token", "https://[::1]/token",
    ],
)  # fmt: skip
def test_a_server_cannot_send_our_secret_to_this_machine_or_in_the_clear(endpoint: str) -> None:
    """A token endpoint that a server names must be over TLS and not on our own machine; no other is used."""
    settings = config(base_url=BASE, auth="smart", client_id="c", private_key="env:KEY")
    with pytest.raises(InvalidConfiguration):
        asyncio.run(token_endpoint(Named(endpoint), settings, BASE))  # type: ignore[arg-type]  # only `get` is asked of it


def test_a_server_names_a_token_endpoint_of_its_own_house() -> None:
    """Another host over TLS is usual, and is used."""
    settings = config(base_url=BASE, auth="smart", client_id="c", private_key="env:KEY")
    found, _ = asyncio.run(token_endpoint(Named("https://idp.example.org/token"), settings, BASE))  # type: ignore[arg-type]  # only `get` is asked of it
    assert str(found) == "https://idp.example.org/token"


def test_a_type_that_is_not_served_is_told() -> None:
    """US Core servers need not serve appointments: the user learns it, in words."""
    found = plan(statement("Patient"), config())
    assert found.search == ["Patient"]
    assert found.missing["Appointment"] == "the server does not serve it"


def test_scopes_follow_the_servers_version() -> None:
    """Version 2 letters where the server has them, .read otherwise, the configured ones before both."""
    types = ("Patient",)
    assert scopes(config(), SmartConfiguration(capabilities=("permission-v2",)), types) == ("system/Patient.rs",)
    assert scopes(config(), SmartConfiguration(capabilities=("permission-v1",)), types) == ("system/Patient.read",)
    assert scopes(config(scopes=["system/*.rs"]), SmartConfiguration(), types) == ("system/*.rs",)
