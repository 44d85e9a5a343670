"""What was sent twice: rows and cursors that somebody takes back make the gateway send again; the recount sees it."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import Connection, delete, update

from gateway.audit.entry import entry
from gateway.flow.ending import Ending, end_route
from gateway.flow.ledger_sent import Sent
from gateway.model.exchange import Delivered, Rejected
from gateway.store.schema import deliveries, route_cursors
from tests.integration.parts import TENANT, Parts, Written, deliver_all, message, patient


def take_back(connection: Connection) -> None:
    """As if nothing had been delivered yet."""
    connection.execute(delete(deliveries))
    connection.execute(update(route_cursors).values(position=0))


def test_deliveries_that_are_made_twice_are_counted(parts: Parts) -> None:
    """The rows of a route that was set back are whole, before and after it sent again; the audit log counted both."""
    parts.take(*(message(patient(f"p{n}", "A")) for n in range(5)))
    deliver_all(parts.delivering(Written()))
    assert parts.ledger().problems == []
    parts.store.write_sync(take_back)
    (found,) = parts.ledger().problems
    assert (found.rule, found.found) == ("sent-is-logged", "the audit log counts 5 delivered, the rows hold 0")
    deliver_all(parts.delivering(again := Written()))
    assert len(again.sent()) == 5
    (found,) = parts.ledger().problems
    assert (found.row, found.found) == ("route desk", "the audit log counts 10 delivered, the rows hold 5")


@pytest.mark.parametrize(("outcome", "number"), [("delivered", 2), ("quarantined", 1)])
def test_one_verdict_less_is_named(parts: Parts, outcome: str, number: int) -> None:
    """Whatever a dispatch came to is counted by its outcome."""
    parts.take(*(message(patient(f"p{n}", "A")) for n in range(3)))
    refused = parts.vault.record_id(TENANT, "told", "Patient", "p1")
    deliver_all(
        parts.delivering(
            Written(lambda one: Rejected("no-such-chart") if one.record_id == refused else Delivered("ok"))
        )
    )
    parts.store.write_sync(lambda c: c.execute(delete(deliveries).where(deliveries.c.outcome == outcome)))
    assert f"the audit log counts {number} {outcome}, the rows hold 0" in [one.found for one in parts.ledger().problems]


def test_the_end_of_a_route_is_no_dispatch(parts: Parts) -> None:
    """What a route still had to deliver when it ended was suppressed and not sent; what it delivered is counted."""
    parts.take(*(message(patient(f"p{n}", "A")) for n in range(3)))
    deliver_all(parts.delivering(Written()))
    parts.take(*(message(patient(f"p{n}", "B")) for n in range(4)))
    ending = Ending(TENANT, "desk", "front desk", "operations", {})
    assert asyncio.run(end_route(ending, parts.store, parts.vault)) == 4
    assert parts.ledger().problems == []
    parts.store.write_sync(lambda c: c.execute(delete(deliveries).where(deliveries.c.outcome == "delivered")))
    assert "the audit log counts 3 delivered, the rows hold 0" in [one.found for one in parts.ledger().problems]


def test_what_is_no_dispatch_counts_nothing() -> None:
    """Only entries of deliveries are counted, each route apart."""
    sent = Sent()
    for action, route in (("deliver", "a"), ("deliver", "b"), ("replay", "a"), ("deliver", "a")):
        told = entry("t", action=action, actor=f"route:{route}", purpose="p", counts={"delivered": 2, "retry": 1})
        sent.take(told.body)
    assert sent.counts.items() >= {(("a", "delivered"), 4), (("b", "delivered"), 2)}
    assert sent.counts.total() == 6
