"""Reminders to Twilio: once each, whatever becomes of the answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from gateway.errors import InvalidConfiguration
from gateway.hookspecs import OpenSink
from gateway.model.exchange import HELD, Ambiguous, Delivered, Outcome, Rejected, Retry
from gateway_twilio.config import TwilioConfig
from gateway_twilio.plugin import TwilioSink
from gateway_twilio.simulator import TwilioSimulator
from tests.unit.plugins.twilio.due import NUMBER, delivery, dispatch
from tests.waiting import PATIENCE

FROM = "+15005550006"
PAST = datetime(2020, 1, 1, tzinfo=UTC)


def config(twilio: TwilioSimulator, **settings: Any) -> TwilioConfig:
    told = {
        "account_sid": twilio.account, "secret": "env:TWILIO_SECRET", "from_number": FROM, "url": twilio.base_url,
        "allow_loopback": True, "voice_number": FROM, "timeout": 5,
    }  # fmt: skip
    return TwilioConfig.model_validate(told | settings)


def against(
    check: Callable[[TwilioSimulator, OpenSink], Awaitable[None]], monkeypatch: pytest.MonkeyPatch, **settings: Any
) -> None:
    """Run a check against a simulated account."""

    async def run() -> None:
        twilio = TwilioSimulator()
        await twilio.start()
        monkeypatch.setenv("TWILIO_SECRET", twilio.token)
        sink = TwilioSink().open("texts", config(twilio, **settings))
        try:
            await asyncio.wait_for(check(twilio, sink), PATIENCE)
        finally:
            await sink.close()
            await twilio.stop()

    asyncio.run(run())


async def one(sink: OpenSink, *args: Any, **fields: Any) -> Outcome:
    (outcome,) = await sink.deliver(dispatch(delivery(*args, **fields)))
    return outcome


def test_what_is_due_is_sent_once_and_nothing_else_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a due reminder of a channel served here goes out, and a newer version of it is no second message."""

    async def check(twilio: TwilioSimulator, sink: OpenSink) -> None:
        sent = await one(sink)
        assert isinstance(sent, Delivered)
        assert sent.receipt == f"201 {twilio.messages[0]['sid']}"
        again = await one(sink, version=3)
        assert again == Delivered(f"already: {sent.receipt}")
        for fields in (
            {"state": "planned"},
            {"state": "cancelled"},
            {"channel": "email"},
            {"until": PAST},
            {"text": None},
        ):
            outcome = await one(sink, id="r2", **fields)
            assert isinstance(outcome, Delivered)
            assert outcome.receipt.startswith("not sent: ")
        assert await one(sink, id="r2", kind="removed") == Delivered("nothing to send")
        assert len(twilio.messages) == 1
        message = twilio.messages[0]
        assert (message["to"], message["from"]) == (NUMBER, FROM)
        assert message["callback"] == "https://g.example.org/hooks/texts/status?owner=p1"
        assert 3500 < int(message["validity"]) <= 3600

    against(check, monkeypatch, hook_url="https://g.example.org/hooks/texts")


def test_an_answer_comes_back_with_what_it_is_about(monkeypatch: pytest.MonkeyPatch) -> None:
    """The resource is handed back as a message, in the order of its number, with the reminder's references beside."""

    async def check(twilio: TwilioSimulator, sink: OpenSink) -> None:
        sent = await one(sink)
        assert isinstance(sent, Delivered)
        (item,) = sent.answers
        assert (item.kind, item.order_key) == ("message", NUMBER)
        assert b'"patient":"p1"' in item.context
        assert twilio.messages[0]["sid"].encode() in item.body

    against(check, monkeypatch)


@pytest.mark.parametrize("fault", ["lost-answer", "error-after"])
def test_a_lost_answer_is_looked_for_before_anything_is_sent_again(monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    """After a message was taken and its answer lost, the list shows it; after one that never came, it does not."""

    async def check(twilio: TwilioSimulator, sink: OpenSink) -> None:
        twilio.fail(fault)
        assert isinstance(await one(sink), Ambiguous)
        found = await sink.probe(delivery())
        assert isinstance(found, Delivered)
        assert found.receipt == f"200 {twilio.messages[0]['sid']}"
        assert found.answers
        assert await sink.probe(delivery(id="r2")) == Retry("not-sent")
        assert await sink.probe(delivery(to="+13125550148")) == Retry("not-sent")
        twilio.fail("500")
        assert await sink.probe(delivery(id="r3")) == Ambiguous("list-http-500")
        assert len(twilio.messages) == 1

    against(check, monkeypatch)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (21610, Delivered),
        (21614, Delivered),
        (21211, Delivered),
        (21606, Retry("twilio-21606", 300.0)),
        (29999, Rejected("twilio-29999")),
    ],
)
def test_a_refusal_is_an_answer_a_pause_or_an_end(monkeypatch: pytest.MonkeyPatch, code: int, expected: Any) -> None:
    """What concerns the recipient comes back as a failed message, what concerns the account waits for a person."""

    async def check(twilio: TwilioSimulator, sink: OpenSink) -> None:
        twilio.refused[NUMBER] = code
        outcome = await one(sink)
        if expected is Delivered:
            assert isinstance(outcome, Delivered)
            assert outcome.receipt == f"refused {code}"
            assert [item.kind for item in outcome.answers] == ["refusal"]
        else:
            assert outcome == expected
        assert twilio.messages == []

    against(check, monkeypatch)


def test_limits_and_credentials_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """429 waits as long as it was told; a wrong secret and a closed port wait too, and nothing is lost."""

    async def check(twilio: TwilioSimulator, sink: OpenSink) -> None:
        twilio.fail("429")
        assert await one(sink) == Retry("twilio-20429", 1.0)
        twilio.token = "another"
        assert await one(sink) == Retry("not-authorized-401", 300.0)
        await twilio.stop()
        assert await one(sink) == Retry("no-connection")

    against(check, monkeypatch)


def test_order_is_kept_for_each_patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """After one that did not go, the patient's next is held; other patients go on."""

    async def check(twilio: TwilioSimulator, sink: OpenSink) -> None:
        twilio.refused["+13125550199"] = 21606
        outcomes = await sink.deliver(
            dispatch(delivery("r1", to="+13125550199"), delivery("r2"), delivery("r3", order="p2"))
        )
        assert [type(outcome) for outcome in outcomes] == [Retry, Retry, Delivered]
        assert outcomes[1] == HELD

    against(check, monkeypatch)


def test_a_call_reads_the_text_and_takes_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The words are escaped inside the call's instructions; a call that may have rung is never made again."""

    async def check(twilio: TwilioSimulator, sink: OpenSink) -> None:
        text = "Hola <Ann> & co."
        sent = await one(sink, channel="voice", language="es", text=text)
        assert isinstance(sent, Delivered)
        (call,) = twilio.calls
        assert call["twiml"] == (
            '<Response><Gather input="dtmf" numDigits="1" action="https://g.example.org/hooks/texts/keys?owner=p1"'
            ' method="POST"><Say language="es-MX">Hola &lt;Ann&gt; &amp; co.</Say></Gather><Hangup/></Response>'
        )
        twilio.fail("lost-answer")
        assert isinstance(await one(sink, id="r2", channel="voice"), Ambiguous)
        assert await sink.probe(delivery("r2", channel="voice")) == Rejected("call-outcome-unknown")

    against(check, monkeypatch, hook_url="https://g.example.org/hooks/texts/")


def test_without_a_number_for_calls_none_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """A route without a voice number leaves calls to another."""

    async def check(twilio: TwilioSimulator, sink: OpenSink) -> None:
        assert await one(sink, channel="voice") == Delivered("not sent: other-channel")
        assert await one(sink) != Delivered("not sent: other-channel")
        assert twilio.messages[0]["messaging_service_sid"] == "MG" + "0" * 32

    against(check, monkeypatch, voice_number="", from_number="", messaging_service_sid="MG" + "0" * 32)


def test_mistakes_in_settings_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two senders, none, and plain HTTP off this machine are refused."""
    good = {"account_sid": "AC" + "0" * 32, "secret": "env:TWILIO_SECRET", "from_number": FROM}
    monkeypatch.setenv("TWILIO_SECRET", "x")
    for wrong in ({"messaging_service_sid": "MG" + "0" * 32}, {"from_number": ""}, {"account_sid": "AC1"}):
        with pytest.raises(ValidationError):
            TwilioConfig.model_validate(good | wrong)
    with pytest.raises(InvalidConfiguration, match="https"):
        TwilioSink().open("texts", TwilioConfig.model_validate(good | {"url": "http://api.example.org"}))


def test_a_view_that_lacks_fields_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reminder without its state cannot be judged, so it is refused."""
    from msgspec.structs import replace

    async def check(twilio: TwilioSimulator, sink: OpenSink) -> None:
        narrow = replace(delivery(), body=b'{"channel":"sms"}')
        assert list(await sink.deliver(dispatch(narrow))) == [Rejected("view-lacks-fields")]

    against(check, monkeypatch)


def test_too_late_is_judged_at_the_moment_of_sending(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reminder that waited past its visit is not sent, whatever its state says."""

    async def check(twilio: TwilioSimulator, sink: OpenSink) -> None:
        late = await one(sink, until=None, start=datetime.now(UTC) - timedelta(seconds=1))
        assert late == Delivered("not sent: too-late")
        assert twilio.messages == []

    against(check, monkeypatch)
