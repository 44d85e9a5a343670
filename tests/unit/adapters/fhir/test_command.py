"""``gateway fhir``: what people at the command line see."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from gateway.errors import InvalidConfiguration, SourceUnavailable
from gateway_fhir.command import app
from gateway_fhir.config import FhirConfig
from gateway_fhir.transport_client import client
from gateway_fhir.transport_discovery import Plan, discover
from tests.unit.adapters.fhir.server import EC_PEM, Server, config, with_server

RUN = CliRunner()


def test_validate_tells_places_and_no_values(tmp_path) -> None:
    """A good file passes; a bad one fails with the path of each fault."""
    good, bad = tmp_path / "good.json", tmp_path / "bad.ndjson"
    good.write_text('{"resourceType":"Patient","id":"1"}')
    bad.write_text('{"resourceType":"Patient","id":"1"}\n{"resourceType":"Patient","id":"2","birthDate":"Jane Roe"}\n')
    (empty := tmp_path / "Slot.ndjson").touch()
    assert RUN.invoke(app, ["validate", str(good), str(empty)]).exit_code == 0
    told = RUN.invoke(app, ["validate", str(bad)])
    assert told.exit_code == 1
    assert "Patient.birthDate" in told.output
    assert "Roe" not in told.output


def test_jwks_prints_the_public_half(tmp_path) -> None:
    """What is registered with a server's operator holds no private part."""
    (tmp_path / "key.pem").write_text(EC_PEM)
    told = RUN.invoke(app, ["jwks", f"file:{tmp_path / 'key.pem'}", "--key-id", "k1"])
    (key,) = json.loads(told.output)["keys"]
    assert (key["kid"], key["alg"], key["crv"]) == ("k1", "ES384", "P-384")
    assert "d" not in key


@pytest.mark.parametrize(("flag", "private"), [([], False), (["--allow-private"], True)])
def test_discover_reaches_into_the_house_only_when_told(monkeypatch, flag: list[str], private: bool) -> None:
    """Before there is a source to configure, a server in the house's own network can be asked what it offers."""
    asked: list[FhirConfig] = []

    async def answered(_: object, config: FhirConfig) -> Plan:
        asked.append(config)
        return Plan(["Patient"], [], {"Slot": "the server does not serve it"}, offers_export=True)

    monkeypatch.setattr("gateway_fhir.transport_discovery.discover", answered)
    told = RUN.invoke(app, ["discover", "https://ehr.example.org/fhir", *flag])
    assert "missing: Slot" in told.output
    assert "bulk export: offered" in told.output
    assert [config.allow_private for config in asked] == [private]


@pytest.mark.parametrize("address", ["ehr.example.org", "http://ehr.example.org/fhir", "https://", "mailto:x"])
def test_discover_of_no_address_says_what_to_write(address: str) -> None:
    """A mistyped address is told in words, with the form it needs, and not as a traceback."""
    with pytest.raises(InvalidConfiguration, match="https://host/path"):
        RUN.invoke(app, ["discover", address], catch_exceptions=False)


def test_discover_of_an_address_without_fhir_says_what_base_means() -> None:
    """A server that has no CapabilityStatement there is one step beside its base address, as a rule."""

    async def body(server: Server) -> None:
        wanted = config(base_url=f"{server.simulator.base_url}/nothing", auth="none", retries=0)
        async with client([server.simulator.base_url], wanted) as http:
            with pytest.raises(SourceUnavailable, match="before /metadata"):
                await discover(http, wanted)

    with_server(body)
