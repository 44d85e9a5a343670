"""What a person decided at the command line, handed in as a message: ledgered, traced and replayed like any other."""

from __future__ import annotations

from gateway.bootstrap import Gateway
from gateway.flow.decisions import NAME, Decision, decision_item


def decide(gateway: Gateway, tenant: str, decision: Decision, at: str) -> None:
    """Store a decision made ``at`` (ISO 8601); returns once it is synced."""
    gateway.receiver(gateway.origins[tenant, NAME]).hand_in([decision_item(decision, at)], lambda _: None).result()
