"""Callbacks: signed, whole, and whose they are."""

from __future__ import annotations

import asyncio
from urllib.parse import urlencode

import pytest

from gateway.model.exchange import HookRequest
from gateway.testing.recording_intake import RecordingIntake
from gateway_twilio.records import read
from gateway_twilio.translate_signature import signature
from gateway_twilio.transport import Callbacks

ACCOUNT, TOKEN, URL = "AC" + "0" * 32, "12345", "https://g.example.org/hooks/texts/status"
OWNER = "0193c7a1-0000-8000-8000-000000000001"
FIELDS = {"AccountSid": ACCOUNT, "MessageSid": "SM1", "MessageStatus": "sent", "To": "+13125550147"}


def called(query: str, signed: str | None = None) -> tuple[int, RecordingIntake]:
    """The answer to a callback with this query, signed for an address with that one."""
    url, body = f"{URL}?{query}", urlencode(FIELDS).encode()
    shown = signature(TOKEN, f"{URL}?{query if signed is None else signed}", {k: [v] for k, v in FIELDS.items()})
    request = HookRequest(
        method="POST", path="status", query=query, headers={"x-twilio-signature": shown}, body=body, url=url
    )
    intake = RecordingIntake()
    return asyncio.run(Callbacks(ACCOUNT, TOKEN, "").receive(request, intake)).status, intake


def test_a_callback_is_whose_its_address_says() -> None:
    """The patient we named in the address stands in the context of what is stored."""
    status, intake = called(f"owner={OWNER}")
    (item,) = intake.items
    assert (status, read(item.body, item.context)[1]["patient"]) == (200, OWNER)
    (item,) = called("")[1].items
    assert "patient" not in read(item.body, item.context)[1]


@pytest.mark.parametrize("query", ["owner=Ann", f"owner={OWNER}x", "owner=../x"])
def test_what_is_no_record_id_is_refused(query: str) -> None:
    """An address that we did not make stores nothing, signed or not."""
    status, intake = called(query)
    assert (status, intake.items) == (400, [])


def test_nobody_can_name_another() -> None:
    """A signature covers the whole address: one for another patient or for none is refused."""
    for signed in ("", "owner=0193c7a1-0000-8000-8000-000000000002"):
        status, intake = called(f"owner={OWNER}", signed)
        assert (status, intake.items) == (403, [])
