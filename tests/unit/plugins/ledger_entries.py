"""Ledger entries as deliveries, and the core's own way of sending them again, for the tests of bookkeeping sinks."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec

from gateway.flow.call import Caller
from gateway.hookspecs import OpenSink
from gateway.model.exchange import Ambiguous, Delivered, Delivery, Dispatch, Outcome, Rejected, SinkInfo
from tests.integration.parts import ROUTE

ACCOUNTS = {
    "cash": "35", "payer-receivable": "84", "patient-receivable": "85", "revenue": "79", "contractual-adjustment": "80",
    "write-off": "81", "refund-liability": "33", "interest": "90", "fees": "91", "clearing": "36",
}  # fmt: skip
DAY = date(2026, 7, 14)


def entry(number: int, amounts: dict[str, str] | None = None, *, version: int = 1, **changes: Any) -> Delivery:
    """The delivery of one ledger entry; ``amounts`` by role, cash against the payer's receivable by default."""
    told = amounts or {"cash": f"{number}.25", "payer-receivable": f"-{number}.25"}
    fields = {
        "booked_on": DAY, "kind": "remittance", "trace_number": f"EFT{number}",
        "lines": [{"account": role, "amount": Decimal(amount), "location": "L1"} for role, amount in told.items()],
    }  # fmt: skip
    values: dict[str, Any] = {
        "key": f"key-{number}-{version}", "change": "created", "type": "LedgerEntry", "record_id": f"entry-{number}",
        "order": f"order-{number}", "version": version, "at": "2026-07-15T17:00:00Z", "source": "reactor.books",
        "observed_at": "2026-07-15T17:00:00Z", "fields": ("lines",), "body": msgspec.json.encode(fields),
    }  # fmt: skip
    return Delivery(**(values | changes))


def removed(number: int, amounts: dict[str, str] | None = None, *, version: int = 2) -> Delivery:
    """The removal of that entry."""
    return entry(number, amounts, version=version, change="removed")


def dispatch(*rows: Delivery) -> Dispatch:
    """Deliveries that go together."""
    return Dispatch(id="0000000000000001", route="books", deliveries=rows)


async def settle(sink: OpenSink, info: SinkInfo, rows: Sequence[Delivery], tries: int = 60) -> dict[str, Outcome]:
    """Send as the core does, probes and held ones included, until each delivery is delivered or refused for good."""
    caller = Caller(replace(ROUTE, info=info), sink)
    done: dict[str, Outcome] = {}
    doubtful: set[str] = set()
    for _ in range(tries):
        waiting = [one for one in rows if one.key not in done][: info.batch]
        if not waiting:
            return done
        outcomes = await caller.send(dispatch(*waiting), doubtful)
        for one, outcome in zip(waiting, outcomes, strict=True):
            doubtful.discard(one.key)
            if isinstance(outcome, Delivered | Rejected):
                done[one.key] = outcome
            elif isinstance(outcome, Ambiguous):
                doubtful.add(one.key)
    raise AssertionError("the deliveries never came to rest")


def storm(faults: Sequence[str], count: int, seed: int = 20260714) -> list[str]:
    """So many faults in an order that is always the same."""
    chance = random.Random(seed)
    return [chance.choice(list(faults)) for _ in range(count)]
