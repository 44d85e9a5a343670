"""Reminders by e-mail: over TLS, once each, with a link that ends them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest

from gateway.hookspecs import OpenSink
from gateway.model.exchange import Ambiguous, Delivered, HookRequest, Outcome, Rejected, Retry
from gateway.testing.recording_intake import RecordingIntake
from gateway.wire.mail import link, linked
from gateway_smtp.config import SmtpConfig, SmtpSourceConfig
from gateway_smtp.plugin import SmtpSink, gateway_adapters
from gateway_smtp.simulator import MailSimulator
from tests.unit.plugins.twilio.due import delivery, dispatch
from tests.waiting import PATIENCE

ANN = "ann@example.com"
EMAIL: dict[str, Any] = {
    "channel": "email",
    "to": ANN,
    "subject": "Su cita",
    "text": "Mañana a las 9.",
    "language": "es",
}
HOOKS = "https://g.example.org/hooks/mail"


def against(
    check: Callable[[MailSimulator, OpenSink], Awaitable[None]], monkeypatch: pytest.MonkeyPatch, folder: Path,
    **settings: Any,
) -> None:  # fmt: skip
    """Run a check against a simulated server."""

    async def run() -> None:
        server = MailSimulator(folder)
        await server.start()
        monkeypatch.setenv("MAIL_PASSWORD", server.password)
        monkeypatch.setenv("MAIL_LINKS", "a secret of links")
        told = {
            "host": server.host, "port": server.port, "user": server.user, "password": "env:MAIL_PASSWORD",
            "sender": "desk@northside.example", "sender_name": "Northside PT", "ca_file": server.ca_file,
            "allow_private": True, "timeout": 5, "unsubscribe_url": HOOKS, "unsubscribe_secret": "env:MAIL_LINKS",
        }  # fmt: skip
        sink = SmtpSink().open("mails", SmtpConfig.model_validate(told | settings))
        try:
            await asyncio.wait_for(check(server, sink), PATIENCE)
        finally:
            await sink.close()
            await server.stop()

    asyncio.run(run())


async def one(sink: OpenSink, id: str = "r1", version: int = 2, **fields: Any) -> Outcome:
    (outcome,) = await sink.deliver(dispatch(delivery(id, version=version, **{**EMAIL, **fields})))
    return outcome


def test_one_message_to_one_recipient_with_a_way_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The message arrives over TLS with its headers and text; a newer version of the reminder is no second one."""

    async def check(server: MailSimulator, sink: OpenSink) -> None:
        sent = await one(sink)
        assert isinstance(sent, Delivered)
        (mail,) = server.messages
        assert (mail["To"], mail["From"], mail["Subject"]) == (ANN, "Northside PT <desk@northside.example>", "Su cita")
        assert sent.receipt == f"250 {mail['Message-ID']}"
        where = mail["List-Unsubscribe"].strip("<>")
        assert linked(where.removeprefix(HOOKS), "a secret of links") == "p1"
        assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        text = mail.get_payload(decode=True).decode()
        assert text.startswith("Mañana a las 9.")
        assert where in text
        assert await one(sink, version=3) == Delivered(f"already: {sent.receipt}")
        assert await one(sink, "r2", channel="sms") == Delivered("not sent: other-channel")
        assert len(server.messages) == 1

    against(check, monkeypatch, tmp_path)


def test_the_id_is_the_same_for_every_attempt(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """After 451 the next attempt carries the Message-ID that the first one would have had."""

    async def check(server: MailSimulator, sink: OpenSink) -> None:
        server.fail("busy")
        assert await one(sink) == Retry("smtp-451")
        await one(sink)
        again = SmtpSink().open("mails", sink._config)  # the process began anew
        await one(again)
        first, second = server.messages
        assert first["Message-ID"] == second["Message-ID"]

    against(check, monkeypatch, tmp_path)


def test_failures_by_what_to_do_next(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A refused recipient is an answer, a refused text an end, a lost answer a doubt, a wrong password a pause."""

    async def check(server: MailSimulator, sink: OpenSink) -> None:
        server.refused["gone@example.com"] = 550
        refused = await one(sink, to="gone@example.com")
        assert isinstance(refused, Delivered)
        assert msgspec.json.decode(refused.answers[0].body)["failure"] == "smtp-550"
        server.fail("rejects")
        assert await one(sink, "r2") == Rejected("smtp-554")
        server.fail("lost-answer")
        assert await one(sink, "r3") == Ambiguous("no-answer")
        assert await sink.probe(delivery("r3")) == Ambiguous("cannot-be-found-out")
        server.password = "another"
        assert await one(sink, "r4") == Retry("not-authorized", 300.0)
        await server.stop()
        assert await one(sink, "r5") == Retry("no-connection")

    against(check, monkeypatch, tmp_path)


def test_no_word_goes_to_a_server_that_cannot_show_who_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without trust in its certificate nothing is sent, and a private address needs leave."""

    async def strange(server: MailSimulator, sink: OpenSink) -> None:
        assert await one(sink) == Retry("tls-failed")
        assert server.messages == []

    async def private(server: MailSimulator, sink: OpenSink) -> None:
        assert await one(sink) == Retry("no-connection")

    against(strange, monkeypatch, tmp_path, ca_file=None)
    against(private, monkeypatch, tmp_path, allow_private=False)


def test_a_link_ends_e_mails_with_one_post(monkeypatch: pytest.MonkeyPatch) -> None:
    """A POST by the link is stored as the patient's wish; looking at it is not, and a made-up link is unknown."""
    monkeypatch.setenv("MAIL_LINKS", "a secret of links")
    hooks = gateway_adapters()[0].hooks(
        "mail", SmtpSourceConfig.model_validate({"unsubscribe_secret": "env:MAIL_LINKS"})
    )
    assert hooks is not None
    assert gateway_adapters()[0].hooks("mail", SmtpSourceConfig()) is None
    path = urlsplit(link(HOOKS, "a secret of links", "p1")).path.removeprefix("/hooks/mail/")
    intake = RecordingIntake()

    def asked(method: str, path: str) -> int:
        request = HookRequest(method=method, path=path, query="", headers={}, body=b"", url="")
        return asyncio.run(hooks.receive(request, intake)).status

    assert (asked("GET", path), len(intake.items)) == (200, 0)
    assert (asked("POST", path[:-1] + "0"[: path[-1] != "0"] + "1"[: path[-1] == "0"]), len(intake.items)) == (404, 0)
    assert (asked("POST", path.replace("p1", "p2")), len(intake.items)) == (404, 0)
    assert (asked("POST", path), [item.kind for item in intake.items]) == (200, ["unsubscribe"])
