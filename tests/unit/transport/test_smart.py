"""Keys, assertions and tokens, verified by the simulated server's own reading of the registered key set."""

from __future__ import annotations

import asyncio
import os
import time

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from joserfc import jwk, jwt
from structlog.testing import capture_logs
from yarl import URL

from gateway.errors import InvalidConfiguration, SourceUnavailable
from gateway.transport.smart import SigningKey, Token, _token, lacking, tls
from gateway_fhir.simulator import CLIENT_ID, CLIENT_SECRET, FhirSimulator
from gateway_fhir.transport_client import client
from tests.unit.adapters.fhir.server import CLINIC, EC_PEM, RSA_PEM, config, pem
from tests.waiting import PATIENCE


@pytest.mark.parametrize(("key", "algorithm"), [(EC_PEM, "ES384"), (RSA_PEM, "RS384")])
def test_an_assertion_says_who_we_are_once_and_briefly(key: str, algorithm: str) -> None:
    """Issuer and subject are the client, the audience is the token endpoint, it ends soon, its id is new each time."""
    signing = SigningKey(key, None)
    public = jwk.KeySet.import_key_set(signing.jwks())
    first, second = (
        jwt.decode(signing.assertion("us", "https://them/token", 1000.0), public, algorithms=[algorithm])
        for _ in range(2)
    )
    assert first.header["kid"] == signing.key_id
    assert first.claims["iss"] == first.claims["sub"] == "us"
    assert first.claims["aud"] == "https://them/token"
    assert 0 < first.claims["exp"] - 1000 <= 300
    assert first.claims["jti"] != second.claims["jti"]
    assert not {"d", "p", "q"} & set(signing.jwks()["keys"][0])


@pytest.mark.parametrize(
    "key", ["nonsense", pem(ec.generate_private_key(ec.SECP256R1())), pem(rsa.generate_private_key(65537, 1024))]
)
def test_a_key_of_another_kind_is_refused_without_showing_it(key: str) -> None:
    """Neither a wrong curve, nor a short key, nor a text that is none gets as far as a server."""
    with pytest.raises(InvalidConfiguration) as refused:
        SigningKey(key, None)
    assert refused.value.where == "private_key"
    assert key[30:60] not in str(refused.value) or not key[30:60]


def ask(key: str | None, registered: str, skew: float = 0.0, grants: str | None = None, **settings) -> Token:
    """Ask the simulated server for a token."""
    os.environ |= {"FHIR_TEST_KEY": key or "x", "FHIR_TEST_SECRET": CLIENT_SECRET}

    async def run() -> Token:
        simulator = FhirSimulator(CLINIC, jwks=SigningKey(registered, "k").jwks(), lifetime=300)
        simulator.skew, simulator.grants = skew, grants
        await simulator.start()
        chosen = {"client_id": CLIENT_ID, "private_key": "env:FHIR_TEST_KEY", "key_id": "k", **settings}
        wanted = config(base_url=simulator.fhir_base, retries=0, **chosen)
        try:
            async with client([simulator.base_url], wanted) as http, asyncio.timeout(PATIENCE):
                token = Token(http, wanted, URL(f"{simulator.base_url}/token"), ("system/Patient.rs",))
                await token.headers()
                await token.headers()
                assert len(simulator.tokens) == 1
                return token
        finally:
            await simulator.stop()

    return asyncio.run(run())


@pytest.mark.parametrize("key", [EC_PEM, RSA_PEM])
def test_a_registered_key_gets_a_token_that_is_used_again(key: str) -> None:
    """Both algorithms are accepted, the scope is asked for, and a token serves until it is about to end."""
    assert ask(key, key).granted == "system/Patient.rs"


def test_a_key_that_is_not_registered_gets_none() -> None:
    """The refusal says what to check and shows nothing of the answer."""
    with pytest.raises(SourceUnavailable, match="no access token"):
        ask(EC_PEM, RSA_PEM)


@pytest.mark.parametrize("skew", [-3600.0, 3600.0])
def test_a_server_whose_clock_is_wrong_gives_a_token_all_the_same(skew: float) -> None:
    """An assertion that it refuses is signed once more, dated by the clock that its answer shows."""
    ask(EC_PEM, EC_PEM, skew=skew)


def test_scopes_that_were_not_granted_are_told() -> None:
    """A token with fewer scopes than asked for is no reason to stop, and nothing to keep silent about."""
    with capture_logs() as logs:
        ask(EC_PEM, EC_PEM, grants="system/Coverage.rs")
    assert [(line["event"], line["absent"]) for line in logs] == [("scope not granted", "system/Patient.rs")]


@pytest.mark.parametrize(
    ("granted", "missing"),
    [
        ("system/Patient.rs system/Slot.rs", []), ("system/*.read", []), ("system/*.cruds", []), ("", []),
        ("system/Patient.r system/Patient.s system/Slot.*", []), ("system/Patient.rs?active=true", ["system/Slot.rs"]),
        ("system/Patient.r system/Slot.rs", ["system/Patient.rs"]), ("openid", ["system/Patient.rs", "system/Slot.rs"]),
    ],
)  # fmt: skip
def test_scopes_of_both_versions_are_compared(granted: str, missing: list[str]) -> None:
    """`.read` and `.rs` are the same, a star is every type or what there is, letters may come apart; silence is all."""
    assert lacking(["system/*.rs"], "system/Patient.rs") == []
    assert lacking(["system/Patient.rs", "system/Slot.rs", "api://them/.default"], granted) == missing


@pytest.mark.parametrize(("told", "seconds"), [("3599", 3599.0), (300, 300.0), ("soon", 300.0)])
def test_a_life_written_as_a_string_is_read(told: object, seconds: float) -> None:
    """`expires_in` is a number, and some servers write it as a string."""
    assert _token(msgspec.json.encode({"access_token": "t", "expires_in": told})).lives == seconds


def test_a_client_secret_is_the_fallback() -> None:
    """Servers without key registration get id and secret by HTTP basic authentication."""
    ask(None, EC_PEM, auth="client-secret", client_secret="env:FHIR_TEST_SECRET")


def test_a_token_is_replaced_before_it_ends() -> None:
    """Thirty seconds before its end a token is no longer sent; after a refusal neither."""
    token = ask(EC_PEM, EC_PEM)
    assert time.time() < token._until <= time.time() + 271
    assert token.refused()
    assert token._text is None


def test_certificates_that_cannot_be_used_are_told(tmp_path) -> None:
    """Mutual TLS needs PEM files that belong together."""
    (tmp_path / "c.pem").write_text("none")
    chosen = {"auth": "mutual-tls", "certificate": tmp_path / "c.pem", "certificate_key": tmp_path / "c.pem"}
    with pytest.raises(InvalidConfiguration, match="certificate"):
        tls(config(base_url="https://ehr.example/fhir", **chosen))
