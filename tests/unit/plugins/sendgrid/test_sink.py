"""Reminders to SendGrid: once each, and nothing of them followed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from gateway.hookspecs import OpenSink
from gateway.model.exchange import HELD, Ambiguous, Delivered, Outcome, Rejected, Retry
from gateway.model.reminder import Reminder
from gateway_sendgrid.config import SendgridConfig
from gateway_sendgrid.plugin import SendgridSink
from gateway_sendgrid.simulator import SendgridSimulator
from gateway_sendgrid.translate import outcome
from tests.unit.plugins.twilio.due import delivery, dispatch
from tests.waiting import PATIENCE

ANN = "ann@example.com"
EMAIL: dict[str, Any] = {"channel": "email", "to": ANN, "subject": "Your visit", "text": "Tomorrow at 9."}


def against(
    check: Callable[[SendgridSimulator, OpenSink], Awaitable[None]], monkeypatch: pytest.MonkeyPatch, **settings: Any
) -> None:
    """Run a check against a simulated account."""

    async def run() -> None:
        account = SendgridSimulator()
        await account.start()
        monkeypatch.setenv("SENDGRID_KEY", account.key)
        monkeypatch.setenv("MAIL_LINKS", "a secret of links")
        told = {
            "key": "env:SENDGRID_KEY", "sender": "desk@northside.example", "url": account.base_url,
            "allow_loopback": True, "unsubscribe_url": "https://g.example.org/hooks/mail",
            "unsubscribe_secret": "env:MAIL_LINKS",
        }  # fmt: skip
        sink = SendgridSink().open("mails", SendgridConfig.model_validate(told | settings))
        try:
            await asyncio.wait_for(check(account, sink), PATIENCE)
        finally:
            await sink.close()
            await account.stop()

    asyncio.run(run())


async def one(sink: OpenSink, id: str = "r1", version: int = 2, **fields: Any) -> Outcome:
    (outcome,) = await sink.deliver(dispatch(delivery(id, version=version, **{**EMAIL, **fields})))
    return outcome


def test_an_e_mail_goes_out_once_with_all_following_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Click and open tracking are off, the link out is in headers and text, and a newer version is no second one."""

    async def check(account: SendgridSimulator, sink: OpenSink) -> None:
        sent = await one(sink)
        assert isinstance(sent, Delivered)
        assert sent.receipt.startswith("202 ")
        assert [item.kind for item in sent.answers] == ["mail"]
        (mail,) = account.messages
        assert mail["personalizations"] == [{"to": [{"email": ANN}]}]
        assert all(part == {"enable": False} for part in mail["tracking_settings"].values())
        assert mail["headers"]["List-Unsubscribe"].strip("<>") in mail["content"][0]["value"]
        assert await one(sink, version=3) == Delivered(f"already: {sent.receipt}")
        assert await one(sink, "r2", state="cancelled") == Delivered("not sent: not-due-cancelled")
        assert len(account.messages) == 1

    against(check, monkeypatch)


def test_a_request_that_is_refused_for_good_waits_for_a_person() -> None:
    """A 400 that is not about the recipient, and any other 4xx, is never tried again."""
    held = delivery("r1", **EMAIL)
    reminder = msgspec.json.decode(held.body, type=Reminder)
    for status, body in ((400, b'{"errors":[{"field":"content.0.value"}]}'), (400, b"no"), (413, b"{}")):
        assert outcome(status, {}, body, held, reminder, "2026-03-02T09:30:00Z") == Rejected(f"http-{status}")


def test_failures_by_what_to_do_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bad address is an answer, 500 and a lost answer doubts, a wrong key a pause."""

    async def check(account: SendgridSimulator, sink: OpenSink) -> None:
        account.refused.add("gone@example.com")
        refused = await one(sink, to="gone@example.com")
        assert isinstance(refused, Delivered)
        assert msgspec.json.decode(refused.answers[0].body)["failure"] == "invalid-address"
        assert isinstance(await one(sink, "r2", subject=None), Delivered)
        assert account.messages[-1]["subject"] == account.messages[-1]["from"]["email"]
        account.fail("lost-answer")
        assert await one(sink, "r3") == Ambiguous("no-answer")
        account.fail("500")
        assert await one(sink, "r4") == Ambiguous("http-500")
        account.fail("429")
        held = await sink.deliver(dispatch(delivery("r5", **EMAIL), delivery("r6", **EMAIL)))
        assert isinstance(held[0], Retry)
        assert held[1] == HELD
        account.key = "another"
        assert await one(sink, "r7") == Retry("not-authorized-401", 300.0)
        await account.stop()
        assert await one(sink, "r8") == Retry("no-connection")
        assert await sink.probe(delivery("r3")) == Ambiguous("cannot-be-found-out")

    against(check, monkeypatch)


def test_the_sandbox_sends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """With sandbox on, SendGrid checks the message and keeps it."""

    async def check(account: SendgridSimulator, sink: OpenSink) -> None:
        outcome = await one(sink)
        assert isinstance(outcome, Delivered)
        assert outcome.receipt == "200"
        assert account.messages == []

    against(check, monkeypatch, sandbox=True)
