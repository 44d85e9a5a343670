"""HL7 over HTTP: only with the token, and a 200 only once the message is stored."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path

import pytest

from gateway.model.exchange import HookRequest, HookResponse
from gateway.testing.recording_intake import RecordingIntake
from gateway_hl7.config import Hl7Config
from gateway_hl7.plugin import Hl7Adapter
from tests.waiting import PATIENCE

MESSAGE = b"MSH|^~\\&|APP|NORTH|GW|HUB|20260105||SIU^S12|42|P|2.5.1|||%s\rPID|1||7^^^A^MR\r"
BEARER = "Bearer s3cret"


@pytest.fixture
def token(tmp_path: Path) -> str:
    """A reference to the token."""
    (tmp_path / "token").write_text("s3cret\n")
    return f"file:{tmp_path / 'token'}"


def post(token: str, body: bytes, intake=None, authorization: str = BEARER, method="POST", **settings) -> HookResponse:
    config = Hl7Config.model_validate({"http": {"token": token}} | settings)
    receiver = Hl7Adapter().hooks("north", config)
    assert receiver is not None
    request = HookRequest(
        method=method, path="", query="", headers={"authorization": authorization}, body=body, url="https://x/hooks/n"
    )
    return asyncio.run(asyncio.wait_for(receiver.receive(request, intake or RecordingIntake()), PATIENCE))


def test_a_stored_message_is_answered_with_its_acknowledgement(token):
    """200 with AA after the receipt; a repeat gets the first answer again, byte for byte."""
    intake = RecordingIntake()
    first = post(token, MESSAGE % b"", intake)
    assert (first.status, first.content_type.partition(";")[0]) == (200, "application/hl7-v2")
    assert b"MSA|AA|42" in first.body
    assert post(token, MESSAGE % b"", intake).body == first.body
    assert len(intake.items) == 1


@pytest.mark.parametrize("header", ["", "Bearer wrong", "Basic !", "Basic " + base64.b64encode(b"u:no").decode(), "x"])
def test_nobody_without_the_token(token, header):
    """A request without the token is refused and leaves nothing behind."""
    intake = RecordingIntake()
    assert post(token, MESSAGE % b"", intake, header).status == 401
    assert (intake.items, intake.refused) == ([], [])


def test_basic_carries_the_token_too(token):
    """Senders that know only Basic give the token as the password."""
    assert post(token, MESSAGE % b"", authorization="Basic " + base64.b64encode(b"emr:s3cret").decode()).status == 200


@pytest.mark.parametrize(
    ("body", "settings", "status", "code"),
    [(b"nothing", {}, 400, b"MSA|AR|"), (MESSAGE % b"" + b"Z" * 2000, {"max_message_bytes": 1024}, 400, b"MSA|AR|42"),
     (MESSAGE % b"AL|NE", {"acknowledgement": "enhanced"}, 200, b"MSA|CA|42"),
     (MESSAGE % b"NE|NE", {"acknowledgement": "enhanced"}, 204, b"")],
)  # fmt: skip
def test_the_status_follows_the_acknowledgement(token, body, settings, status, code):
    """What the header alone refuses is 400 with AR; enhanced mode answers as asked."""
    answer = post(token, body, **settings)
    assert answer.status == status
    assert code in answer.body


def test_a_store_that_cannot_commit_gives_no_acknowledgement(token):
    """503 without an acknowledgement: the sender keeps the message."""
    intake = RecordingIntake()
    intake.fail_next = 1
    answer = post(token, MESSAGE % b"", intake, hold_seconds=0)
    assert (answer.status, b"MSA" in answer.body) == (503, False)


def test_it_is_off_without_a_token(token):
    """A source without http takes nothing there; only POST does something."""
    assert Hl7Adapter().hooks("north", Hl7Config()) is None
    assert post(token, b"", method="GET").status == 405
