"""What Twilio tells, as communications."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest

from gateway.errors import InvalidContent
from gateway.mapping import Mapping
from gateway.model.patch import Patch
from gateway_twilio.plugin import TwilioAdapter
from gateway_twilio.records import Context
from tests.unit.plugins.twilio.due import NUMBER

ADAPTER = TwilioAdapter()
NORMALIZE = ADAPTER.normalizer(
    ADAPTER.config(account_sid="AC" + "0" * 32),
    Mapping.load(ADAPTER.mappings, None, ADAPTER.path).bind(zone="America/Chicago"),
)


def told(body: bytes, kind: str, **context: Any) -> tuple[Patch, ...]:
    return NORMALIZE(body, msgspec.json.encode(Context(kind=kind, **context))).patches


def said(**fields: str) -> bytes:
    return urlencode({"MessageSid": "SM1", "From": NUMBER, "To": "+15005550006", **fields}).encode()


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("STOP", "stop"),
        (" stop. ", "stop"),
        ("Cancel", "stop"),
        ("start", "start"),
        ("Ayuda", "help"),
        ("c", "confirm"),
        ("Sí, gracias", "confirm"),
        ("x", "cancel"),
        ("R please", "reschedule"),
        ("I am running late", "other"),
    ],
)
def test_the_first_word_is_the_answer(text: str, answer: str) -> None:
    """In either language and any case; what is no word of the list is read by a person."""
    (patch,) = told(said(Body=text), "inbound", at="2026-07-15T12:00:00+00:00")
    assert (patch.fields["answer"], patch.fields["direction"], patch.fields["address"]) == (answer, "inbound", NUMBER)


def test_the_carriers_word_comes_first() -> None:
    """YES confirms, unless Twilio says that it lifted an opt-out."""
    assert told(said(Body="YES"), "inbound")[0].fields["answer"] == "confirm"
    assert told(said(Body="YES", OptOutType="START"), "inbound")[0].fields["answer"] == "start"


def test_a_refusal_is_a_failed_message_about_its_visit() -> None:
    """21610 says that the patient opted out; references and address come from what we gave along."""
    told_by = {
        "number": NUMBER,
        "patient": "p1",
        "about": "a1",
        "occasion": "a1/x/late/sms",
        "key": "k",
        "channel": "sms",
    }
    sent, status = told(b'{"code":21610,"status":400}', "refusal", **told_by)
    assert (sent.fields["patient"], sent.fields["about"]) == ("p1", "a1")
    assert (status.fields["status"], status.fields["failure"]) == ("failed", "opted-out")
    assert sent.native_id == status.native_id == "refused-k"


def test_what_we_sent_belongs_to_whom_we_named() -> None:
    """Answers, what became of them and keys pressed are the named patient's; of a text from outside nobody is named."""
    for body, kind in (
        (b'{"sid":"SM1"}', "message"),
        (said(MessageStatus="sent"), "status"),
        (said(Digits="1"), "keys"),
    ):
        assert {one.owner for one in told(body, kind, patient="p1", number=NUMBER)} == {"p1"}, kind
        assert {one.patient for one in told(body, kind, patient="p1", number=NUMBER)} == {NUMBER}, kind
    assert {one.owner for one in told(said(Body="C"), "inbound")} == {""}


def test_a_later_status_has_the_higher_version() -> None:
    """Statuses that overtake each other cannot move a message back."""
    ranks = [told(said(MessageStatus=word), "status")[-1].source_version for word in ("queued", "sent", "delivered")]
    assert ranks == sorted(set(ranks))


def test_what_is_not_twilios_is_refused() -> None:
    """A body that is no resource, and a kind that is not known, are content errors without a value."""
    for body, kind in ((b"[]", "message"), (b"\xff", "inbound"), (b"{}", "letter")):
        with pytest.raises(InvalidContent):
            told(body, kind)
