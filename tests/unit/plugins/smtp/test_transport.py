"""Where a mail server's name leads: looked at once, and the connection goes to what was looked at."""

from __future__ import annotations

import socket
from email.message import EmailMessage
from typing import Any

import pytest

from gateway.model.exchange import Retry
from gateway_smtp.config import SmtpConfig
from gateway_smtp.transport import Submission

PUBLIC, PRIVATE = "93.184.216.34", "10.0.0.7"


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_a_name_cannot_lead_elsewhere_in_between(monkeypatch: pytest.MonkeyPatch, tls: str) -> None:
    """The address that was found public is the one that is connected to, whatever the name leads to a moment later."""
    answers = [[PUBLIC], [PRIVATE]]
    connected: list[Any] = []

    def resolve(*_: Any, **__: Any) -> list[Any]:
        return [(0, 0, 0, "", (address, 587)) for address in answers.pop(0)]

    def connect(address: Any, *_: Any) -> socket.socket:
        connected.append(address)
        raise OSError

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket, "create_connection", connect)
    assert sent(tls) == Retry("no-connection")
    assert connected == [(PUBLIC, 587)]


@pytest.mark.parametrize("found", [[PRIVATE], [PUBLIC, PRIVATE], []])
def test_nothing_goes_to_a_private_address(monkeypatch: pytest.MonkeyPatch, found: list[str]) -> None:
    """One address that is not public is enough: nothing is connected to."""
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(0, 0, 0, "", (one, 587)) for one in found])
    monkeypatch.setattr(socket, "create_connection", lambda *_: pytest.fail("it was connected to"))
    assert sent("starttls") == Retry("no-connection")


def sent(tls: str) -> object:
    """What came of one message."""
    told = {"host": "mail.example", "user": "u", "password": "env:X", "sender": "desk@northside.example", "tls": tls}
    message = EmailMessage()
    message["To"] = "ann@example.com"
    return Submission(SmtpConfig.model_validate(told), "secret").send(message)
