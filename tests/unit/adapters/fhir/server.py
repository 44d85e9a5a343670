"""A simulated FHIR server on loopback and the streams that read it, for the tests beside this file."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from yarl import URL

from gateway.mapping import Mapping
from gateway.model.identity import Ref
from gateway.model.patch import Patch
from gateway.testing.recording_intake import RecordingIntake
from gateway.testing.synthetic_clinic import synthetic_clinic
from gateway.transport.http import HttpClient
from gateway.transport.smart import SigningKey, Token
from gateway_fhir.config import FhirConfig
from gateway_fhir.plugin import FhirAdapter
from gateway_fhir.simulator import CLIENT_ID, FhirSimulator
from gateway_fhir.transport_bulk import Exports
from gateway_fhir.transport_client import client
from gateway_fhir.transport_search import ChangedResources
from tests.waiting import PATIENCE

ROOT = Path(__file__).parents[4]
EXAMPLES = Path(os.environ.get("GATEWAY_CORPORA", ROOT.parent / "shared" / "corpora")) / "fhir"
CLINIC = synthetic_clinic(seed=5, patients=40, visits=80)
SETTINGS = """
[keys.config]
path = "root.key"
[[tenants]]
name = "north"
[http]
port = {port}
[[sources]]
name = "ehr"
tenant = "north"
adapter = "fhir"
zone = "America/Chicago"
[sources.config]
base_url = "{url}"
auth = "client-secret"
client_id = "{client}"
client_secret = "env:EHR_SECRET"
hook_secret = "env:EHR_NOTICES"
types = ["Patient", "Appointment"]
"""
"""A gateway with such a server as its source, by port, url and client."""
ADAPTER = FhirAdapter()
START = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


def pem(key: Any) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


EC_PEM = pem(ec.generate_private_key(ec.SECP384R1()))
RSA_PEM = pem(rsa.generate_private_key(65537, 2048))
KEY = SigningKey(EC_PEM, "key-1")


def config(**settings: Any) -> FhirConfig:
    return FhirConfig.model_validate(settings)


def normalize(overlay: Any = None, **settings: Any) -> Callable[[bytes, bytes], Any]:
    mapping = Mapping.load(files("gateway_mappings") / "fhir", overlay, ADAPTER.path).bind(zone="America/Chicago")
    return ADAPTER.normalizer(config(**settings), mapping)


def values(value: Any) -> Any:
    """Canonical field values with a native id where a reference stands."""
    if isinstance(value, Ref):
        return value.native_id
    if isinstance(value, dict):
        return {name: values(inner) for name, inner in value.items()}
    return [values(one) for one in value] if isinstance(value, list | tuple) else value


def told(patch: Patch) -> dict[str, Any]:
    """The fields of a patch that hold something."""
    return {name: values(value) for name, value in patch.fields.items() if value not in (None, [])}


class Server:
    """The simulator with an intake and a clock that tests move."""

    def __init__(self, simulator: FhirSimulator, settings: dict[str, Any]) -> None:
        self.simulator = simulator
        self.intake = RecordingIntake()
        self.now = START
        self.waits: list[float] = []
        self.config = config(
            base_url=simulator.fhir_base,
            client_id=CLIENT_ID,
            private_key="env:FHIR_TEST_KEY",
            key_id="key-1",
            **settings,
        )
        self.http: HttpClient
        self.plain: HttpClient

    def tick(self, seconds: float = 60.0) -> None:
        self.now += timedelta(seconds=seconds)

    def search(self, type: str) -> ChangedResources:
        return ChangedResources(type, self.http, self.config, lambda: self.now)

    def exports(self, *types: str) -> Exports:
        async def sleep(seconds: float) -> None:
            self.waits.append(seconds)

        return Exports(types, self.http, self.config, files=self.plain, sleep=sleep, now=self._seconds)

    def _seconds(self) -> float:
        return self.now.timestamp()

    def ids(self, type: str) -> list[str]:
        return [msgspec.json.decode(one.body)["id"] for one in self.intake.items if one.kind == type]


def elsewhere(simulator: FhirSimulator) -> str:
    """The same listener under another name: to whoever compares addresses it is another place."""
    return simulator.base_url.replace("127.0.0.1", "localhost")


def with_server(body: Callable[[Server], Awaitable[None]], *, lifetime: float = 300.0, **settings: Any) -> None:
    """Run a test against a fresh server, within half a minute."""
    os.environ["FHIR_TEST_KEY"] = EC_PEM

    async def run() -> None:
        simulator = FhirSimulator(CLINIC, jwks=KEY.jwks(), lifetime=lifetime)
        await simulator.start()
        server = Server(simulator, {"timeout_seconds": 5.0, "retries": 2, **settings})
        simulator._now = simulator.exports._now = lambda: server.now
        origin = [simulator.base_url, elsewhere(simulator)]
        try:
            async with client(origin, server.config) as plain:
                server.plain = plain
                endpoint = URL(f"{simulator.base_url}/token")
                token = Token(plain, server.config, endpoint, ("system/*.rs",))
                async with client(origin, server.config, credential=token) as server.http:
                    async with asyncio.timeout(PATIENCE):
                        await body(server)
        finally:
            await simulator.stop()

    asyncio.run(run())
