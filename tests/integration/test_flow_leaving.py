"""Leaving: who reads one location is told at once that a record was taken to another, and no more of it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.flow.policy import Policy
from gateway.flow.route import Filter
from gateway.http import directory
from gateway.store import journal
from tests.integration.parts import TENANT, Parts, Written, appointment, deliver_all, message
from tests.integration.serving import Served, serving
from tests.integration.test_http_feed import add_client


def at(place: str, reason: str, **more: Any) -> dict[str, Any]:
    """A visit at a clinic."""
    return appointment("a1", "p1", location={"ref": ["Location", place]}, reason=reason, **more)


def of(parts: Parts, *places: str) -> Filter:
    """What a route of some clinics wants."""
    return Filter(locations=frozenset(parts.record("Location", place) for place in places))


def heard(sink: Written) -> list[tuple[str, Any]]:
    """Kind and reason of everything that was delivered."""
    return [(one.change, json.loads(one.body)["reason"]) for one in sink.effects]


def test_a_route_is_told_that_a_record_left(parts: Parts) -> None:
    """To the old clinic's route it is gone, as it was there; the new one's and those of both hear of an update."""
    sinks = {"a": Written(), "b": Written(), "ab": Written(), "": Written()}
    for told in (at("a", "knee"), at("b", "hip"), at("b", "hand"), at("a", "foot")):
        parts.take(message(told))
        for name, sink in sinks.items():
            deliver_all(parts.delivering(sink, name=f"to-{name}x", filter=of(parts, *name)))
    assert heard(sinks["a"]) == [("created", "knee"), ("removed", "knee"), ("updated", "foot")]
    assert heard(sinks["b"]) == [("updated", "hip"), ("updated", "hand"), ("removed", "hand")]
    everything = [("created", "knee"), ("updated", "hip"), ("updated", "hand"), ("updated", "foot")]
    assert heard(sinks["ab"]) == heard(sinks[""]) == everything
    assert [one.version for one in sinks["a"].effects] == [1, 2, 4]
    assert len({one.key for one in sinks["a"].effects}) == 3
    ledger = parts.ledger()
    assert ledger.problems == []
    assert {one.route: (one.delivered, one.pending) for one in ledger.routes} == {
        "to-ax": (3, 0), "to-bx": (3, 0), "to-abx": (4, 0), "to-x": (4, 0),
    }  # fmt: skip


def test_a_newer_version_elsewhere_does_not_silence_it(parts: Parts) -> None:
    """On a route that wants the latest only, the end of what it holds is told although the record went on elsewhere."""
    sink, latest = Written(), Policy(latest_only=True)
    parts.take(message(at("a", "knee")))
    deliver_all(parts.delivering(sink, filter=of(parts, "a"), policy=latest))
    parts.take(message(at("b", "hip")), message(at("b", "hand")))
    deliver_all(parts.delivering(sink, filter=of(parts, "a"), policy=latest))
    assert heard(sink) == [("created", "knee"), ("removed", "knee")]


def test_what_was_opened_is_what_was_named(parts: Parts) -> None:
    """The look into the version before is in the audit log as that version, and the log is whole."""
    parts.take(message(at("a", "knee")), message(at("b", "hip")))
    sink = Written()
    deliver_all(parts.delivering(sink, filter=of(parts, "a")))
    assert [(one.change, one.version) for one in sink.effects] == [("created", 1), ("removed", 2)]
    assert b"hip" not in b"".join(one.body for one in sink.effects)
    parts.sequence()
    assert parts.store.read_sync(parts.audited).valid


@pytest.fixture
def served(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """A server for a client of one clinic."""
    monkeypatch.setattr(directory, "HOLD_SECONDS", 0.1)
    with serving(parts) as running:
        running.key = add_client(parts, locations=json.dumps([parts.record("Location", "a").hex()]))[1]
        yield running


def test_the_feed_tells_it_too(parts: Parts, served: Served) -> None:
    """A client of the old clinic reads a removal, with what it knew; lists and ids show it no more."""
    parts.take(message(at("a", "knee")))
    first = told(served, "")
    parts.take(message(at("b", "hip")), message(at("b", "hand")))
    (gone,) = (second := told(served, first["cursor"]))["changes"]
    assert (gone["change"], gone["version"], gone["record"]["reason"]) == ("removed", 2, "knee")
    assert told(served, second["cursor"])["changes"] == []
    assert served.ask("/v1/Appointment").json["records"] == []
    assert served.ask(f"/v1/Appointment/{gone['id']}").status == 404
    assert parts.ledger().problems == []


def told(served: Served, cursor: str) -> Any:
    """The next page of the feed that holds something, or an empty one at the journal's end."""
    ends = time.monotonic() + 60
    while True:
        page = served.ask(f"/v1/changes?after={cursor}").json
        if page["changes"] or not page.get("more") or time.monotonic() > ends:
            return page
        cursor = page["cursor"]


def test_what_stays_where_it_is_left_nothing(parts: Parts) -> None:
    """Only a change of place is noted: not a first place, nor news at the same one."""
    parts.take(
        message(appointment("a1", "p1")), message(at("a", "knee")), message(at("a", "hip")), message(at("b", "hip"))
    )
    rows = parts.store.read_sync(lambda c: journal.history(c, TENANT, parts.record("Appointment", "a1")))
    assert [row.left_location for row in rows] == [None, None, None, parts.record("Location", "a")]
