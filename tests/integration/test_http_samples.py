"""Samples of a trigger, which a flow builder shows before it subscribes: the hook's shape, view and disclosure."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.http import directory
from gateway.http.samples import MOST
from gateway.store.schema_http import disclosures
from gateway.testing.ports import free_port
from tests.integration.parts import Parts, appointment, message, patient, removed
from tests.integration.serving import Served, serving
from tests.integration.test_http_feed import NARROW, add_client
from tests.integration.test_subscriptions import HOSTS, Push, post


@pytest.fixture
def served(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """A server with a client that may name this machine, three patients and their appointments."""
    monkeypatch.setattr(directory, "HOLD_SECONDS", 0.1)
    for id in ("p1", "p2", "p3"):
        parts.take(message(patient(id, "A")), message(appointment(f"a-{id}", id, reason="knee")))
    with serving(parts, hook_loopback=True, views={"narrow": NARROW}) as running:
        running.key = add_client(parts, hook_hosts=HOSTS)[1]
        yield running


def shown(served: Served, query: str = "", **asked: Any) -> list[dict[str, Any]]:
    answer = served.ask(f"/v1/hooks/samples{query}", **asked)
    assert answer.status == 200, answer.body
    return list(answer.json)


def told(parts: Parts) -> list[tuple[int, str]]:
    """Every page's line on a disclosure list: how many records, of which types."""
    rows = parts.store.read_sync(lambda c: c.execute(disclosures.select()).fetchall())
    return [(row.records, row.types) for row in rows]


def test_a_sample_is_what_the_hook_then_sends(parts: Parts, served: Served, tmp_path: Path) -> None:
    """The newest item has the very bytes that a subscription was sent for the same change."""
    port = free_port()
    made = post(served, "/v1/hooks", {"url": f"http://127.0.0.1:{port}/hook", "types": ["Patient"]}).json
    push = Push(parts, tmp_path / "ledger", [made["secret"]], port)

    def changed() -> int:
        parts.take(message(patient("p2", "B")))
        return 1

    push.until(changed)
    (line,) = push.receiver.lines
    sample = served.ask("/v1/hooks/samples?types=Patient&limit=1").body
    assert (sample[:1], sample[-1:]) == (b"[", b"]")
    assert hashlib.sha256(sample[1:-1]).hexdigest() == line.digest


def test_samples_are_newest_first_and_only_what_is_there(parts: Parts, served: Served) -> None:
    """Each record once as it stands now, three unless asked otherwise, and none that was removed."""
    parts.take(message(patient("p1", "B")))
    parts.take(message(removed("Appointment", "a-p2")))
    assert [one["type"].partition(".")[0] for one in shown(served, "?limit=1")] == ["patient"]
    every = shown(served, f"?limit={MOST}")
    assert [one["timestamp"] for one in every] == sorted((one["timestamp"] for one in every), reverse=True)
    assert sorted(one["type"].partition(".")[0] for one in every) == ["appointment"] * 2 + ["patient"] * 3
    assert (every[0]["type"], every[0]["data"]["version"]) == ("patient.updated", 2)
    assert len(shown(served)) == 3
    assert {one["type"] for one in shown(served, "?types=Appointment")} == {"appointment.created"}


def test_records_older_than_the_journals_end_serve_as_samples(parts: Parts, served: Served) -> None:
    """A type that nothing changed lately still has items: a flow can be set up on a quiet day."""
    for number in range(6):
        parts.take(*(message(patient(id, f"N{number}")) for id in ("p1", "p2", "p3")))
    assert len(shown(served, "?types=Appointment")) == 3


def test_every_sample_is_disclosed_under_the_clients_view(parts: Parts, served: Served) -> None:
    """A line for each patient shown, only granted fields; thin samples hold no field."""
    narrow = add_client(parts, view="narrow")[1]
    items = shown(served, key=narrow)
    assert [set(one["data"]["record"]) for one in items] == [{"start"}] * 3
    assert told(parts) == [(1, "Appointment")] * 3
    assert served.ask("/v1/hooks/samples?types=Patient", key=narrow).status == 400
    thin = shown(served, "?types=Patient&payload=thin&limit=2")
    assert [set(one["data"]) for one in thin] == [{"id", "version", "source", "observed_at"}] * 2
    assert told(parts)[3:] == [(1, "Patient")] * 2
    assert parts.ledger().problems == []


def test_samples_are_of_the_clients_clinics_alone(parts: Parts, served: Served) -> None:
    """A client of a clinic in which nothing happened sees nothing, and nothing is disclosed."""
    elsewhere = add_client(parts, locations=json.dumps(["00" * 16]))[1]
    time.sleep(0.15)  # clients are held for a tenth of a second here
    assert shown(served, key=elsewhere) == []
    assert told(parts) == []


def test_what_no_sample_can_be_is_refused(parts: Parts, served: Served) -> None:
    """Beyond the bounds nothing is read, nor where the sink of subscriptions shows no samples."""
    for query in ("?limit=0", f"?limit={MOST + 1}", "?payload=empty", "?limit=x"):
        assert served.ask(f"/v1/hooks/samples{query}").status == 422
    object.__setattr__(served.house, "sampling", None)
    assert served.ask("/v1/hooks/samples").status == 404
    assert told(parts) == []
