"""Where an agreement is needed, nothing is opened for a recipient without one, and nothing is lost meanwhile."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.flow.clock import micros
from gateway.model.exchange import Delivery, Outcome
from gateway.store import agreements, deliveries
from tests.integration.parts import TENANT, Parts, Written, drain, message, patient


def agree(parts: Parts, **more: Any) -> None:
    """Enter an agreement with the front desk."""
    row = {
        "tenant": TENANT, "agreement": "a1", "party": "front desk", "document": "safe 3", "starts_at": 0,
        "ends_at": None, "added_at": micros(), "ended_at": None,
    } | more  # fmt: skip
    parts.store.write_sync(lambda c: agreements.add(c, row))


def attempt(parts: Parts, sink: Written) -> str:
    """Start the route and deliver what may be; why nothing may be, if so."""
    route = parts.delivering(sink, agreement=True)

    async def main() -> str:
        await route.recover()
        await drain(route)
        return route.valve.shut(micros())

    return asyncio.run(main())


@pytest.mark.parametrize(
    "lacking",
    [None, {"party": "somebody else"}, {"tenant": "other"}, {"ends_at": 1}, {"ended_at": 1}, {"starts_at": 2**60}],
    ids=str,
)
def test_nothing_leaves_without_an_agreement(parts: Parts, lacking: dict[str, Any] | None) -> None:
    """No agreement, another party's, another clinic's, a lapsed, ended or later one: the route is held and says why."""
    if lacking is not None:
        agree(parts, **lacking)
    parts.take(message(patient("p1", "A")))
    sink = Written()
    assert attempt(parts, sink) == "no-agreement"
    assert sink.dispatches == []
    ledger = parts.ledger()
    assert (ledger.routes[0].pending, ledger.problems) == (1, [])
    agree(parts, agreement="a2")
    assert attempt(parts, sink) == ""
    assert (len(sink.effects), parts.ledger().routes[0].delivered) == (1, 1)


def test_what_was_claimed_before_waits_as_well(parts: Parts) -> None:
    """A claim that a crash left open is not sent again without an agreement, and is sent when there is one."""
    agree(parts)
    parts.take(message(patient("p1", "A")))

    class Crash(BaseException):
        pass

    def crash(delivery: Delivery) -> Outcome:
        raise Crash

    with pytest.raises(Crash):
        attempt(parts, Written(crash))
    parts.store.write_sync(lambda c: agreements.end(c, TENANT, "a1", micros() - 1))
    sink = Written()
    assert attempt(parts, sink) == "no-agreement"
    assert len(parts.store.read_sync(lambda c: deliveries.open_claims(c, TENANT, "desk"))) == 1
    assert sink.dispatches == []
    agree(parts, agreement="a2")
    assert attempt(parts, sink) == ""
    assert len(sink.effects) == 1
