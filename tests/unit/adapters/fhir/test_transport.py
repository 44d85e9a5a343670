"""The whole transport against the simulated server: discovery, token, every type, mutual TLS, until it is stopped."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import InvalidConfiguration, SourceUnavailable
from gateway.testing.recording_intake import RecordingIntake
from gateway.transport.smart import tls
from gateway_fhir.config import FhirConfig
from gateway_fhir.simulator import CLIENT_ID, FhirSimulator
from gateway_fhir.transport import ServerTransport, transports
from gateway_fhir.transport_client import client
from gateway_fhir.transport_discovery import discover
from tests.unit.adapters.fhir.server import CLINIC, Server, config, with_server
from tests.unit.transport.test_egress import certificate
from tests.waiting import PATIENCE


def test_everything_the_server_has_arrives_by_search_and_by_export() -> None:
    """Types are searched, those that are only exported are exported, and nothing is brought twice."""

    async def body(server: Server) -> None:
        server.simulator.unsearchable = {"Coverage", "Claim"}
        server.simulator.fail("500", 2)
        opened = asyncio.Event()
        running = asyncio.create_task(ServerTransport("ehr", server.config).run(server.intake, opened.set))
        wanted = sum(len(rows) for rows in server.simulator.tables.values())
        while len(server.intake.items) < wanted and not running.done():
            await asyncio.sleep(0.02)
        assert opened.is_set()
        assert len(server.intake.items) == wanted
        assert len(server.simulator.exports.asked) == 1
        assert sorted(server.simulator.exports.asked[0]["_type"].split(",")) == ["Claim", "Coverage"]
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    with_server(body, poll_seconds=0.2)


def test_without_an_address_there_is_nothing_to_ask() -> None:
    """A source for files and hooks only has no poller."""
    assert transports("ehr", config()) == []


def over_tls(folder: Path, body: Callable[[FhirSimulator, FhirConfig], Awaitable[None]], **settings: Any) -> None:
    """Run a test against a server that lets nobody in without our certificate."""
    trusted, context = certificate(folder, "localhost")
    ours, _ = certificate(folder, "gateway")
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(ours)
    shown = {"certificate": folder / "gateway.key", "certificate_key": folder / "gateway.key"}

    async def run() -> None:
        simulator = FhirSimulator(CLINIC)
        simulator.tls = context
        await simulator.start(host="localhost")
        chosen = {"auth": "mutual-tls", "client_id": CLIENT_ID, "ca_file": trusted, "types": ["Patient"], "retries": 0}
        if settings.pop("with_token", False):
            chosen["token_url"] = f"{simulator.base_url}/token"
        try:
            async with asyncio.timeout(PATIENCE):
                made = {**chosen, **shown, **settings}
                await body(simulator, config(base_url=simulator.fhir_base, **made))
        finally:
            await simulator.stop()

    asyncio.run(run())


@pytest.mark.parametrize("with_token", [True, False])
def test_a_certificate_opens_the_server_alone_or_for_a_token(tmp_path: Path, with_token: bool) -> None:
    """Discovery, the token where there is one, and every search show the certificate; everything arrives."""

    async def body(simulator: FhirSimulator, wanted: FhirConfig) -> None:
        simulator.by_certificate = not with_token
        intake = RecordingIntake()
        running = asyncio.create_task(ServerTransport("ehr", wanted).run(intake, lambda: None))
        while len(intake.items) < len(simulator.tables["Patient"]) and not running.done():
            await asyncio.sleep(0.02)
        assert len(simulator.tokens) == with_token
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert len(intake.items) == len(simulator.tables["Patient"])

    over_tls(tmp_path, body, with_token=with_token)


@pytest.mark.parametrize("lacking", [{"ca_file": None}, {"auth": "client-secret", "client_secret": "env:X"}])
def test_without_trust_on_both_sides_there_is_no_exchange(tmp_path: Path, lacking: dict[str, Any]) -> None:
    """A server of an unknown authority is asked nothing, and one that sees no certificate answers nothing."""

    async def body(simulator: FhirSimulator, wanted: FhirConfig) -> None:
        async with client([simulator.base_url], wanted, context=tls(wanted)) as http:
            with pytest.raises(SourceUnavailable):
                await discover(http, wanted)
        assert not simulator.answered

    over_tls(tmp_path, body, **lacking)


def test_authorities_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    """The file of authorities must be PEM, whatever way of access is chosen."""
    (tmp_path / "ca.pem").write_text("none")
    chosen = {"auth": "client-secret", "client_id": "c", "client_secret": "env:X", "ca_file": tmp_path / "ca.pem"}
    with pytest.raises(InvalidConfiguration, match="authorities"):
        tls(config(base_url="https://ehr.example/fhir", **chosen))
