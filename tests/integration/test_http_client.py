"""The shipped client and the command line against a served gateway, and requests made up from the description."""

from __future__ import annotations

import json
import os
import socket
import socketserver
import threading
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from typer.testing import CliRunner

from benchmarks import house
from gateway.access import secrets
from gateway.cli import app
from gateway.client import Change, Client, FeedError
from gateway.http import directory
from tests.integration.parts import Parts, message, patient
from tests.integration.serving import Served, serving
from tests.integration.test_http_feed import add_client
from tests.waiting import PATIENCE

SCALE = float(os.environ.get("GATEWAY_FAULT_SCALE", "1"))


@pytest.fixture(scope="module")
def served(shared: Parts) -> Iterator[Served]:
    """A server with 30 patients of two versions each."""
    patch = pytest.MonkeyPatch()
    patch.setattr(directory, "HOLD_SECONDS", 0.1)
    for name in range(30):
        shared.take(message(patient(f"p{name}", "A")), message(patient(f"p{name}", "B")))
    with serving(shared) as running:
        running.key = add_client(shared)[1]
        yield running
    patch.undo()


def test_a_client_resumes_from_its_cursor(served: Served) -> None:
    """A reader that dies in the middle and begins again from its saved cursor misses nothing."""
    client = Client(served.url, served.key)
    everything = list(client.changes(follow=False))
    assert len(everything) == 60
    feed = client.changes(follow=False)
    before = list(islice(feed, 25))
    after = list(client.changes(after=feed.cursor, follow=False))
    assert {(one.id, one.version) for one in before + after} == {(one.id, one.version) for one in everything}
    assert list(client.changes(after=served_cursor(client), follow=False)) == []


def served_cursor(client: Client) -> str:
    """The cursor at the journal's end."""
    feed = client.changes(follow=False)
    for _ in feed:
        pass
    return feed.cursor


def test_a_snapshot_leads_to_the_changes_after_it(served: Served) -> None:
    """Records as they stand, one by id, a list, and the next change by following the snapshot's cursor."""
    client = Client(served.url, served.key)
    snapshot = client.snapshot(["Patient"])
    records = list(snapshot)
    assert {record.version for record in records} == {2}
    assert client.get("Patient", records[0].id) == records[0]
    assert len(list(client.list("Patient", limit=7))) == len(records)
    assert snapshot.cursor
    timer = threading.Timer(0.3, lambda: served.parts.take(message(patient(f"new-{served.parts.place.url}", "C"))))
    timer.start()
    change = next(iter(client.changes(after=snapshot.cursor, wait=10)))
    timer.join()
    assert isinstance(change, Change)
    assert change.change == "created"
    with pytest.raises(FeedError) as refused:
        client.get("Patient", "nobody")
    assert (refused.value.status, refused.value.where) == (400, "id")
    assert served.key not in repr(client)
    with pytest.raises(ValueError, match="https"):
        Client("http://gateway.example.org", served.key)


def test_a_lost_connection_is_taken_up_again(served: Served) -> None:
    """Through a line that cuts every answer short, the reader still gets every change at least once."""
    target = served.url.removeprefix("http://").split(":")
    allowed = iter([600, 2500, 5000, 8000])

    class Cutting(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            most = next(allowed, 10**9)
            with socket.create_connection((target[0], int(target[1])), timeout=PATIENCE) as server:
                server.sendall(self.request.recv(65_536).replace(b"\r\n\r\n", b"\r\nX-Through: line\r\n\r\n"))
                server.settimeout(PATIENCE)
                while most > 0 and (data := server.recv(min(most, 4096))):
                    self.request.sendall(data)
                    most -= len(data)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Cutting) as line:
        threading.Thread(target=line.serve_forever, daemon=True).start()
        client = Client(f"http://127.0.0.1:{line.server_address[1]}", served.key, timeout=PATIENCE, patience=PATIENCE)
        got = {(one.id, one.version) for one in client.changes(follow=False)}
        line.shutdown()
    assert got == {(one.id, one.version) for one in Client(served.url, served.key).changes(follow=False)}


def test_no_made_up_request_finds_a_server_error(served: Served) -> None:
    """Requests made from the OpenAPI description, valid and not, never get a 5xx and always what is described."""
    schema = schemathesis.openapi.from_url(f"{served.url}/openapi.json")
    seen: list[int] = []

    for operation in schema.get_all_operations():

        @given(case=operation.ok().as_strategy())
        @settings(max_examples=max(1, int(6 * SCALE)), deadline=None, suppress_health_check=list(HealthCheck))
        def ask(case: Any) -> None:
            if case.query and "wait" in case.query:
                case.query["wait"] = 0
            answer = case.call(headers={"Authorization": f"Bearer {served.key}"}, timeout=PATIENCE)
            seen.append(answer.status_code)
            assert answer.status_code < 500, (case.method, case.path, answer.status_code)

        ask()
    assert len(seen) > 50
    assert 200 in seen


def test_clients_are_made_shown_rotated_and_revoked_at_the_command_line(tmp_path: Path) -> None:
    """A key is shown once; rotation adds one and gives the old an end; every step is in the audit log."""
    with house.opened(tmp_path):
        pass
    config = ["--config", str(tmp_path / "gateway.toml"), "--json"]
    run = CliRunner()

    def told(*arguments: str) -> Any:
        answer = run.invoke(app, ["clients", *arguments, *config])
        assert answer.exit_code == 0, answer.output
        return json.loads(answer.stdout)

    made = told("add", "Acme billing", "--view", "billing", "--purpose", "payment", "--scope", "system/Claim.rs")
    assert secrets.public_part(made["key"])
    again = told("rotate", made["client"], "--overlap", "1")
    assert again["key"] != made["key"]
    told("revoke", made["client"])
    (row,) = told("list")
    assert (row["view"], row["scopes"], row["revoked_at"] is None) == ("billing", ["system/Claim.rs"], False)
    assert sorted(key["ends_at"] is None for key in row["keys"]) == [False, True]
    assert made["key"] not in json.dumps(row)
    for wrong in (["--view", "nobody"], ["--view", "billing", "--scope", "system/Claim.write"]):
        answer = run.invoke(app, ["clients", "add", "x", "--purpose", "payment", *wrong, *config])
        assert answer.exit_code != 0
