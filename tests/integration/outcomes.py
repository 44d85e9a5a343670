"""What became of deliveries, as the store and its recount tell it, a crash in the middle, and a person's word."""

from __future__ import annotations

from typing import Any

from gateway.flow.clock import micros
from gateway.store import deliveries, route_states
from tests.integration.parts import TENANT, Parts


class Crash(BaseException):
    """The process ends here."""


def rows(parts: Parts, route: str = "desk") -> list[tuple[str, str]]:
    """(outcome, reason) of every delivery row of a route."""
    found = parts.store.read_sync(lambda connection: list(deliveries.outcomes(connection, TENANT, route)))
    return [(row.outcome, row.reason) for row in found]


def sound(parts: Parts) -> None:
    """The ledger adds up."""
    assert parts.ledger().problems == []


def counted(parts: Parts, route: str = "desk") -> Any:
    """The recount of a route, after a look that everything adds up."""
    ledger = parts.ledger()
    assert ledger.problems == []
    return next(one for one in ledger.routes if one.route == route)


def want(parts: Parts, state: str) -> None:
    """What a person wants of the route."""
    parts.store.write_sync(lambda connection: route_states.set_state(connection, TENANT, "desk", state, micros()))
