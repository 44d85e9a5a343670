"""Our public keys over HTTP: who gets them, which ones, and how a rotated key appears."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest
from joserfc import jwk, jwt

from gateway.errors import InvalidConfiguration
from gateway.model.exchange import HookRequest, HookResponse
from gateway.testing.recording_intake import RecordingIntake
from gateway.transport.smart import SigningKey, signing_key
from gateway_fhir.transport_hook import receiver
from gateway_fhir.transport_jwks import PublishedKeys
from tests.unit.adapters.fhir.server import EC_PEM, RSA_PEM, config


def request(method: str = "GET", path: str = "jwks.json") -> HookRequest:
    return HookRequest(method=method, path=path, query="", headers={}, body=b"", url="https://us/hooks/ehr/jwks.json")


def ask(found, method: str = "GET", path: str = "jwks.json") -> HookResponse:
    return asyncio.run(found.receive(request(method, path), RecordingIntake()))


def keys(answer: HookResponse) -> list[dict[str, str]]:
    return msgspec.json.decode(answer.body)["keys"]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "now.pem").write_text(EC_PEM, "utf-8")
    (tmp_path / "next.pem").write_text(RSA_PEM, "utf-8")
    return tmp_path


def test_the_set_verifies_what_we_sign_and_holds_no_secret(files: Path) -> None:
    """Anybody may ask, without a secret; the set has the signing key and the next one, public halves alone."""
    wanted = config(client_id="us", private_key=f"file:{files}/now.pem", further_keys=(f"file:{files}/next.pem",))
    answer = ask(receiver("ehr", wanted))
    assert (answer.status, answer.content_type) == (200, "application/json")
    public = jwk.KeySet.import_key_set(msgspec.json.decode(answer.body))
    signed = signing_key(wanted).assertion("us", "https://them/token", 1000.0)
    assert jwt.decode(signed, public, algorithms=["ES384"]).claims["iss"] == "us"
    assert [one["alg"] for one in keys(answer)] == ["ES384", "RS384"]
    assert not {"d", "p", "q", "dp", "dq", "qi"} & {name for one in keys(answer) for name in one}


def test_a_replaced_key_file_is_published_within_a_minute(files: Path) -> None:
    """Rotation needs no restart; the old key is still published as a further one, and no key stands twice."""
    now = [0.0]
    wanted = config(client_id="us", private_key=f"file:{files}/now.pem", further_keys=(f"file:{files}/next.pem",))
    published = PublishedKeys(wanted, lambda: now[0])
    before = keys(ask(published))
    (files / "now.pem").write_text(RSA_PEM, "utf-8")
    now[0] = 59.0
    assert keys(ask(published)) == before
    now[0] = 60.0
    assert [one["kid"] for one in keys(ask(published))] == [SigningKey(RSA_PEM, None).key_id]
    assert signing_key(wanted).algorithm == "RS384"


def test_only_questions_for_the_set_are_answered(files: Path) -> None:
    """Without a secret for notifications every other path is unknown, and the set is read, never written."""
    found = receiver("ehr", config(client_id="us", private_key=f"file:{files}/now.pem"))
    assert ask(found, "HEAD").status == 200
    assert ask(found, "POST").status == 405
    assert ask(found, "POST", "").status == 404
    assert ask(found, "GET", "Patient/7").status == 404


def test_a_key_that_cannot_be_used_is_told_at_the_start(files: Path) -> None:
    """A further key of another kind stops the gateway before a server asks for the set."""
    (files / "next.pem").write_text("nonsense", "utf-8")
    wanted = config(client_id="us", private_key=f"file:{files}/now.pem", further_keys=(f"file:{files}/next.pem",))
    with pytest.raises(InvalidConfiguration):
        receiver("ehr", wanted)
