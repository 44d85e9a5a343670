"""A system's own ids leave by a route only where sink, route and view all say so; then they count as disclosed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gateway.access import View
from gateway.errors import InvalidConfiguration
from gateway.flow.disclosed import accounting
from gateway.flow.dispatch import Opener
from gateway.flow.places import change_row
from gateway.flow.policy import Policy
from gateway.model.exchange import SinkInfo
from gateway.store import audit, deliveries, journal
from tests.integration.parts import ROUTE, SINK, TENANT, Parts, Written, appointment, deliver_all, message, patient

INFO = SinkInfo(
    name="back", version="1", api=1, summary="", idempotency="native-key", residual_risk="", batch=16,
    native=(("Task", "about"), ("Patient", "")),
)  # fmt: skip
GRANTS = {"Task": ["title"], "Appointment": ["native_id"], "Patient": ["language", "native_id"]}
BACK = View("back", GRANTS)


def task(native_id: str, about: Any, of: str = "p1") -> dict[str, Any]:
    """Something to do, about a record."""
    fields = {"title": "Call", "state": "open"} | ({"about": {"ref": about}} if about else {})
    return {"type": "Task", "native_id": native_id, "patient": of, "fields": fields}


def rows(parts: Parts) -> dict[tuple[str, str], int]:
    """How often each outcome and reason is among the route's delivery rows."""
    found = parts.store.read_sync(lambda connection: list(deliveries.outcomes(connection, TENANT, "desk")))
    told = [(row.outcome, row.reason) for row in found]
    return {one: told.count(one) for one in told}


def sent(parts: Parts, **options: Any) -> Written:
    """What a sink was sent that asks for ids."""
    sink = Written()
    deliver_all(parts.delivering(sink, **{"info": INFO, "view": BACK, "policy": Policy(writes_to="told")} | options))
    assert parts.ledger().problems == []
    return sink


def test_the_id_of_what_a_record_is_about_is_told_and_disclosed(parts: Parts) -> None:
    """The sink gets it beside the body, the delivery row names it, and the look at that record is in the log."""
    parts.take(message(appointment("CHART-77", "p1")), message(task("t1", ["Appointment", "CHART-77"])))
    (delivery,) = sent(parts).effects
    assert (delivery.type, delivery.native_id, delivery.body) == ("Task", "CHART-77", b'{"title":"Call"}')
    owner = parts.record("Patient", "p1")
    told = parts.store.read_sync(lambda c: list(accounting(c, TENANT, owner, 0, 2**62)))
    assert [one.fields for one in told] == [("title", "about.native_id")]
    parts.sequence()
    entries = parts.store.read_sync(lambda c: [bytes(one.body) for one in audit.leaves_with_rows(c, TENANT)])
    named = change_row(parts.record("Appointment", "CHART-77"), 1).encode()
    assert any(named in one and b"route:desk" in one for one in entries)


def test_a_record_may_be_meant_itself(parts: Parts) -> None:
    """An empty field stands for the record that changed."""
    parts.take(message(patient("p9", "Roe", language="en")))
    (delivery,) = sent(parts).effects
    assert (delivery.native_id, delivery.fields[-1]) == ("p9", "native_id")


@pytest.mark.parametrize(
    "options",
    [
        {"policy": Policy(writes_to="elsewhere")},
        {"policy": Policy()},
        {"view": View("few", GRANTS | {"Appointment": ["status"]})},
        {"view": View("all", GRANTS | {"Appointment": ["*"]})},
    ],
    ids=["another-source", "no-source", "not-granted", "star-is-no-grant"],
)
def test_an_id_stays_where_one_of_them_does_not_agree(parts: Parts, options: dict[str, Any]) -> None:
    """Another system's id, or one that no word of the view grants, is not told; nothing is sent without it."""
    parts.take(message(appointment("CHART-77", "p1")), message(task("t1", ["Appointment", "CHART-77"])))
    types = replace(ROUTE.filter, types=frozenset({"Task"}))
    assert sent(parts, filter=types, **options).dispatches == []
    assert rows(parts) == {("suppressed", "no-id-to-write-to"): 1}


@pytest.mark.parametrize("about", [None, ["Appointment", "never-came"]])
def test_what_is_about_nothing_known_goes_nowhere(parts: Parts, about: Any) -> None:
    """It is suppressed with its reason, not refused by the system written to."""
    parts.take(message(task("t1", about)))
    assert sent(parts).dispatches == []
    assert rows(parts) == {("suppressed", "no-id-to-write-to"): 1}


def test_a_sink_that_does_not_ask_is_told_no_id(parts: Parts) -> None:
    """Whatever route and view say."""
    parts.take(message(appointment("CHART-77", "p1")), message(task("t1", ["Appointment", "CHART-77"])))
    assert [one.native_id for one in sent(parts, info=SINK).effects] == [None]


def test_a_rehearsal_shows_the_same(parts: Parts) -> None:
    """What would be suppressed for want of an id is shown so before anything is sent."""
    parts.take(message(task("t1", None)))
    route = replace(ROUTE, info=INFO, view=BACK, policy=Policy(writes_to="told"))
    (change,) = parts.store.read_sync(lambda c: journal.history(c, TENANT, parts.record("Task", "t1")))
    opener = Opener(route, parts.store, parts.vault, parts.audit)
    assert opener.open([(change.lane, change.position, 0)])[0].would == ("suppressed", "no-id-to-write-to")


def test_a_view_without_identifiers_grants_no_id() -> None:
    """The de-identified view cannot be widened by it."""
    with pytest.raises(InvalidConfiguration):
        View("veiled", {"Patient": ["sex", "native_id"]}, veiled=True)
