"""A local FHIR R4 server: SMART Backend Services, search with paging, Bulk Data export, writes, and usual faults.

Its clinic is drawn from a seed. It verifies assertions by the registered JWK set, refuses repeated ones, and gives out
tokens that end. Faults beyond those of every simulator are in :data:`FAULTS`.
"""

from __future__ import annotations

import base64
import itertools
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import web
from joserfc import jwk, jwt
from joserfc.errors import JoseError

from gateway.model.exchange import RateBudget
from gateway.testing.simulated_api import SimulatedApi, SimulatedSystem
from gateway.testing.synthetic_clinic import SyntheticClinic, synthetic_clinic
from gateway_fhir.simulator_bulk import SimulatedExports, outcome
from gateway_fhir.simulator_clinic import Row, resources, utc
from gateway_fhir.simulator_events import EVENTS
from gateway_fhir.simulator_search import SimulatedSearch
from gateway_fhir.simulator_subscribe import SUBSCRIBE_FAULTS, SimulatedSubscriptions
from gateway_fhir.simulator_write import WRITE_FAULTS, SimulatedWrites

FAULTS = {
    "401": "refuses a token that is still good",
    "wrong-total": "announces more resources than it gives",
    "looping-links": "names a page as its own next page",
    "endless-pages": "names ever new next pages",
    "foreign-link": "names a next page on another host",
    "refused-search": "refuses a search with an OperationOutcome",
    "export-changes": "makes other files of an export while it is read",
    "export-fails": "gives up an export",
    "short-file": "cuts a file of an export at a line",
}
CLIENT_ID = "emr-gateway"
CLIENT_SECRET = "not-a-real-secret"  # noqa: S105 - of a simulator, on loopback
BUDGET = RateBudget(requests=100_000, seconds=60.0)
_ALGORITHMS = ["RS384", "ES384"]
_BASE = "/fhir"


class FhirSimulator(SimulatedApi):
    """One server. ``tables`` may be read and changed by tests; :meth:`touch` moves ``meta.lastUpdated``.

    Args:
        clinic: whose data it serves.
        jwks: the client's registered public keys.
        lifetime: seconds a token lives.
        now: the server's clock.
    """

    def __init__(
        self,
        clinic: SyntheticClinic,
        *,
        jwks: Mapping[str, Any] | None = None,
        lifetime: float = 300.0,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        super().__init__(BUDGET)
        self.jwks = jwks
        self.lifetime = lifetime
        self.tables: dict[str, dict[str, Row]] = {}
        self.unsearchable: set[str] = set()
        """Types that the server only exports."""
        self.by_certificate = False
        """Whether a certificate that the listener trusts is enough, without a token."""
        self.tokens: dict[str, float] = {}
        self.scopes: list[str] = []
        self.grants: str | None = None
        """The scopes of every token, where they are not those that were asked for."""
        self._now: Callable[[], datetime] = lambda: now() + timedelta(seconds=self.skew)
        self.exports = SimulatedExports(self.tables, self._now, self.takes)
        self.writes = SimulatedWrites(self.tables, self._now, self.takes)
        self.subscriptions = SimulatedSubscriptions(self, self._now)
        self.search = SimulatedSearch(self, self.tables)
        self._used: set[str] = set()
        self._numbers = itertools.count(1)
        made = utc(min(datetime(2026, 3, 1, tzinfo=UTC), now()))
        for row in resources(clinic):
            row["meta"] = {"versionId": "1", "lastUpdated": made}
            self.tables.setdefault(row["resourceType"], {})[row["id"]] = row

    @property
    def fhir_base(self) -> str:
        """Base address while it listens."""
        return self.base_url + _BASE

    def routes(self, router: web.UrlDispatcher) -> None:
        """Discovery, tokens, export, search."""
        router.add_get(f"{_BASE}/metadata", self._metadata)
        router.add_get(f"{_BASE}/.well-known/smart-configuration", self._smart)
        router.add_post("/token", self._token)
        self.exports.routes(router, _BASE)
        self.subscriptions.routes(router, _BASE)
        router.add_post(_BASE, self.writes.take)
        router.add_get(f"{_BASE}/{{type}}", self.search.answer)
        router.add_get(f"{_BASE}/{{type}}/{{id}}", self._read)

    async def stop(self) -> None:
        """Close the listener, and let go of what it was telling."""
        await self.subscriptions.close()
        await super().stop()

    def refusal(self, request: web.Request) -> web.Response | None:
        """401 without a token that lives; discovery and the token endpoint are open."""
        if request.path.endswith(("/metadata", "/smart-configuration", "/token")):
            return None
        if self.exports.open_files and request.path.endswith(".ndjson"):
            return self.exports.refusal(request)
        if self.by_certificate and _certified(request):
            return None
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        good = kind == "Bearer" and self.tokens.get(token, 0.0) > time.monotonic()
        return None if good and not self.takes("401") else outcome(401, "login")

    def touch(self, type: str, id: str, **fields: Any) -> Row:
        """Change a resource; its version and time move."""
        row = self.tables[type][id]
        row.update(fields)
        row["meta"] = {"versionId": str(int(row["meta"]["versionId"]) + 1), "lastUpdated": utc(self._now())}
        self.subscriptions.changed(type, id, row)
        return row

    def forget(self, type: str, id: str) -> None:
        """Delete a resource without a trace: only a full list shows that it is gone."""
        del self.tables[type][id]
        self.subscriptions.changed(type, id, None)

    def remove(self, type: str, id: str) -> None:
        """Delete a resource; exports tell of it."""
        self.forget(type, id)
        self.exports.gone.append((type, id))

    async def _metadata(self, _: web.Request) -> web.Response:
        types = [
            {
                "type": type,
                "interaction": [{"code": "read"}] + [{"code": "search-type"}] * (type not in self.unsearchable),
                "searchParam": [{"name": "_lastUpdated", "type": "date"}],
            }
            for type in self.tables
        ]
        rest = {"mode": "server", "resource": [*types, self.subscriptions.statement], "operation": [{"name": "export"}]}
        body = {"resourceType": "CapabilityStatement", "status": "active", "fhirVersion": "4.0.1", "rest": [rest]}
        return web.json_response(body, content_type="application/fhir+json")

    async def _smart(self, _: web.Request) -> web.Response:
        return web.json_response(
            {
                "token_endpoint": f"{self.base_url}/token", "grant_types_supported": ["client_credentials"],
                "token_endpoint_auth_methods_supported": ["private_key_jwt", "client_secret_basic"],
                "token_endpoint_auth_signing_alg_values_supported": _ALGORITHMS,
                "capabilities": ["client-confidential-asymmetric", "permission-v2"],
            }
        )  # fmt: skip

    async def _token(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        if form.get("grant_type") != "client_credentials" or not self._knows(form, request):
            return web.json_response({"error": "invalid_client"}, status=401)
        token = f"token-{next(self._numbers)}"
        self.tokens[token] = time.monotonic() + self.lifetime
        self.scopes.append(form.get("scope", ""))
        granted = self.scopes[-1] if self.grants is None else self.grants
        return web.json_response(
            {"access_token": token, "token_type": "bearer", "expires_in": self.lifetime, "scope": granted}
        )

    def _knows(self, form: dict[str, str], request: web.Request) -> bool:
        if _certified(request):
            return form.get("client_id") == CLIENT_ID
        if "client_assertion" not in form:
            pair = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
            return request.headers.get("Authorization") == f"Basic {pair}"
        if self.jwks is None:
            return False
        try:
            keys = jwk.KeySet.import_key_set(dict(self.jwks))  # type: ignore[arg-type]  # a JWK set as JSON
            claims = jwt.decode(form["client_assertion"], keys, algorithms=_ALGORITHMS).claims
        except (JoseError, ValueError):
            return False
        sound = claims.get("iss") == claims.get("sub") == CLIENT_ID and claims.get("aud") == f"{self.base_url}/token"
        now = time.time() + self.skew
        fresh = now < claims.get("exp", 0) <= now + 300 and claims.get("jti") not in self._used
        self._used.add(claims.get("jti", ""))
        return bool(sound and fresh)

    async def _read(self, request: web.Request) -> web.Response:
        found = self.tables.get(request.match_info["type"], {}).get(request.match_info["id"])
        return web.json_response(found, content_type="application/fhir+json") if found else outcome(404, "not-found")


def _certified(request: web.Request) -> bool:
    """Whether the client showed a certificate that the listener trusts."""
    return request.transport is not None and bool(request.transport.get_extra_info("peercert"))


def _settings(api: SimulatedApi) -> Mapping[str, str]:
    """Settings for a source; the secret is written to a file of this user alone, because settings name secrets."""
    handle, path = tempfile.mkstemp(prefix="fhir-simulator-")
    with os.fdopen(handle, "w") as file:
        file.write(CLIENT_SECRET)
    return {
        "base_url": api.base_url + _BASE, "auth": "client-secret", "client_id": CLIENT_ID,
        "client_secret": f"file:{Path(path)}",
    }  # fmt: skip


SIMULATORS = (
    SimulatedSystem(
        "fhir",
        "A FHIR R4 server: SMART Backend Services, search, Bulk Data export.",
        lambda seed, size: FhirSimulator(synthetic_clinic(seed, patients=size, visits=2 * size)),
        _settings,
        FAULTS,
        EVENTS,
        write_faults=WRITE_FAULTS | SUBSCRIBE_FAULTS,
    ),
)
