"""The HTTP port: hooks reach their source and nothing else does."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from io import StringIO
from typing import cast

import pytest
import structlog

from gateway.errors import Backpressure
from gateway.model.exchange import HookRequest, HookResponse, Intake
from gateway.store import messages
from gateway.testing.ports import free_port
from tests.integration.parts import TENANT, Parts
from tests.integration.serving import Kept, Served, serving
from tests.waiting import PATIENCE, wait_until


@pytest.fixture
def served(parts: Parts) -> Iterator[Served]:
    """A server with one source that takes hooks."""
    with serving(parts, hook_bytes=2000, admin_port=free_port()) as running:
        yield running


def kept(served: Served) -> Kept:
    """The receiver behind the hook."""
    return cast("Kept", served.house.hooks["told"][0])


def test_a_hook_is_stored_before_it_is_answered(served: Served) -> None:
    """The receiver gets method, path, query, headers and body as sent, and its 202 follows a stored message."""
    answer = served.ask("/hooks/told/orders/7?a=1%202", method="POST", body=b'{"patches":[]}', headers={"X-Sig": "s"})
    assert (answer.status, answer.body) == (202, b"stored")
    (request,) = kept(served).requests
    assert (request.method, request.path, request.query) == ("POST", "orders/7", "a=1%202")
    assert request.body == b'{"patches":[]}'
    assert request.headers["x-sig"] == "s"
    assert request.url == f"{served.url}/hooks/told/orders/7?a=1%202"
    stored = served.parts.store.read_sync(lambda c: messages.latest(c, TENANT, limit=5))
    assert [row.kind for row in stored] == ["told"]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_receivers_are_asked_by_every_method_of_rest(served: Served, method: str) -> None:
    """A FHIR server puts and deletes what it tells of; who takes only some methods refuses the others itself."""
    answer = served.ask("/hooks/told/Patient/7", method=method, body=b"{}" if method == "PUT" else None)
    assert answer.status == 202
    assert [(one.method, one.path) for one in kept(served).requests] == [(method, "Patient/7")]


@pytest.mark.parametrize(
    ("method", "path", "size", "status"),
    [
        ("POST", "/hooks/nobody", 2, 404),
        ("PATCH", "/hooks/told", 2, 405),
        ("OPTIONS", "/hooks/told", 0, 405),
        ("TRACE", "/hooks/told", 0, 405),
        ("POST", "/hooks/told", 2001, 413),
        ("GET", "/nothing", 0, 404),
        ("GET", "/" + "x" * 9000, 0, 414),
    ],
)
def test_what_is_not_allowed_goes_no_further(served: Served, method: str, path: str, size: int, status: int) -> None:
    """Unknown sources, other methods, and bodies or addresses over their limits reach no receiver."""
    answer = served.ask(path, method=method, body=b"x" * size if size else None)
    assert answer.status == status
    assert kept(served).requests == []


def test_a_body_without_a_length_keeps_the_limit(served: Served) -> None:
    """A chunked body is cut off at the limit, however it was announced."""
    host, port = served.url.removeprefix("http://").split(":")
    head = b"POST /hooks/told HTTP/1.1\r\nHost: gateway\r\nTransfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as connection:
        connection.sendall(head + (b"384\r\n" + b"x" * 900 + b"\r\n") * 4 + b"0\r\n\r\n")
        try:
            answer = connection.recv(4096)
        except ConnectionResetError:  # hung up on before all was sent: that is a refusal too
            answer = b""
    assert not answer or answer.startswith(b"HTTP/1.1 413 ")
    assert kept(served).requests == []


def test_every_answer_carries_the_security_headers(served: Served) -> None:
    """Answers are not stored by caches, not sniffed and not framed, refusals included."""
    for path in ("/health", "/hooks/told", "/nothing"):
        headers = served.ask(path, method="GET").headers
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers.get("Server") is None


def test_a_failing_receiver_tells_the_sender_what_to_do_and_no_more(
    served: Served, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Back-pressure is 429 with a time, a defect is 500; neither answer nor log repeats what was sent."""

    log = StringIO()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(log))

    async def busy(self: Kept, request: HookRequest, intake: Intake) -> HookResponse:
        raise Backpressure("Too much", after=7)

    async def broken(self: Kept, request: HookRequest, intake: Intake) -> HookResponse:
        raise ValueError(request.body)

    monkeypatch.setattr(Kept, "receive", busy)
    answer = served.ask("/hooks/told", method="POST", body=b"SECRETNAME")
    assert (answer.status, answer.headers["Retry-After"]) == (429, "7")
    monkeypatch.setattr(Kept, "receive", broken)
    answer = served.ask("/hooks/told", method="POST", body=b"SECRETNAME")
    assert answer.status == 500
    assert b"SECRETNAME" not in answer.body
    wait_until(lambda: "request-failed" in log.getvalue() and log.getvalue().endswith("\n"))  # after the answer
    assert "ValueError" in log.getvalue()
    assert "SECRETNAME" not in log.getvalue() + "".join(capfd.readouterr())


def test_health_has_a_word_for_all_and_figures_for_this_machine(served: Served) -> None:
    """The public port says ok; the admin port adds how much waits."""
    assert served.ask("/health").json == {"status": "ok"}
    port = served.house.settings.admin_port
    detailed = json.loads(served.ask(f"http://127.0.0.1:{port}/health").body)
    assert detailed["unsettled_messages"] == 0
