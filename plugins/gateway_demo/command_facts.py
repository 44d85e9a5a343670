"""What the demo proves, read from the gateway's own records and held against what the world outside saw."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from gateway.bootstrap import Gateway
from gateway.cli.looking import contents_of
from gateway.client import Client
from gateway.store import journal
from gateway_demo.config import ACCOUNTS, CLINICS, TENANT
from gateway_demo.simulator import World
from gateway_demo.simulator_billing import TYPES
from gateway_demo.simulator_texts import sent
from gateway_quickbooks.simulator import Company

MOST = 10_000
CATCH_UP_SECONDS = 60.0
Fields = Mapping[str, Any]


def facts(gateway: Gateway, world: World) -> dict[str, Any]:
    """The five stories, each as counts and as yes or no. Every look at a record is in the audit log."""
    return {
        "group": _group(gateway, world),
        "clearinghouse": _clearinghouse(gateway, world),
        "reminders": _reminders(gateway, world),
        "billing": _billing(world),
        "accounting": _accounting(world),
    }


def _records(gateway: Gateway, type_: str) -> list[Fields]:
    rows: Any = gateway.store.read_sync(lambda c: journal.recent_records(c, TENANT, type_, None, MOST))
    kept = [row for row in rows if not row.removed]
    return [one["fields"] for one in contents_of(gateway, TENANT, kept).values()] if kept else []


def _group(gateway: Gateway, world: World) -> dict[str, Any]:
    """Clinics beside each other, and what is in two of them."""
    rows: Any = gateway.store.read_sync(lambda c: journal.recent_records(c, TENANT, "Appointment", None, MOST))
    kinds = Counter(str(one.get("kind")) for one in _records(gateway, "Task"))
    return {
        "appointments": dict(Counter(row.source for row in rows if row.source in CLINICS and not row.removed)),
        "persons_in_two_systems": sum(len(one["links"]) > 1 for one in _records(gateway, "Person")),
        "visits_seen_twice": kinds["duplicate-visit"],
        "visits_in_two_systems": world.group.seen_twice,
    }


def _clearinghouse(gateway: Gateway, world: World) -> dict[str, Any]:
    made = _records(gateway, "Submission")
    numbers = {kind: {one["control_number"] for one in made if one["kind"] == kind} for kind in _kinds(made)}
    asked = {one["control_number"]: one["due_at"] for one in made if one["kind"] == "eligibility"}
    answered = {one.get("trace_number") for one in _records(gateway, "Benefit")}
    decided = [
        one for one in _records(gateway, "Authorization")
        if one.get("trace_number") in numbers.get("authorization", ())
    ]  # fmt: skip
    reports = _records(gateway, "ClaimStatusReport")
    claims = numbers.get("claim", set())
    taken = {one.get("control_number") for one in reports if one["report"] == "277CA" and one["outcome"] == "accepted"}
    settled = _records(gateway, "Settlement")
    remittance = next(
        (one for one in _records(gateway, "Remittance") if one["trace_number"] == world.paid.trace), dict[str, Any]()
    )
    deposit = next((one for one in settled if one["number"] == world.paid.trace), dict[str, Any]())
    matched = {one["number"] for one in settled if one["kind"] == "claim" and one["state"] == "matched"}
    denials = _records(gateway, "Denial")
    return {
        "eligibility_asked": len(asked),
        "eligibility_answered": len(asked.keys() & answered),
        "eligibility_before_visits": bool(asked) and all(
            number in answered and datetime.fromisoformat(due) > datetime.now(UTC) for number, due in asked.items()
        ),
        "authorizations_requested": len(numbers.get("authorization", ())),
        "authorizations": dict(Counter(one["status"] for one in decided)),
        "authorization_granted": any(one["status"] in ("approved", "modified") for one in decided),
        "claims_sent": len(claims),
        "claims_acknowledged": len(claims & taken),
        "acknowledgements": dict(Counter(one["report"] for one in reports)),
        "remittance_balanced": bool(remittance.get("balanced")),
        "remittance_amount": remittance.get("amount"),
        "claims_matched": len(claims & matched),
        "matched_with_bank": deposit.get("state") == "matched",
        "denials": dict(Counter(one["category"] for one in denials)),
        "money_at_risk": str(sum((Decimal(one.get("at_risk") or 0) for one in denials), Decimal(0))),
    }  # fmt: skip


def _kinds(made: Iterable[Fields]) -> set[str]:
    return {str(one["kind"]) for one in made}


def _reminders(gateway: Gateway, world: World) -> dict[str, Any]:
    planned = _records(gateway, "Reminder")
    because = Counter(str(one["held_because"]) for one in planned if one.get("held_because"))
    texts = {patient: sent(world.twilio, patient) for patient in ("r1", "r2", "r3")}
    revoked = [one for one in _records(gateway, "Consent") if one["status"] == "revoked" and one["channel"] == "sms"]
    answers = Counter(str(one["answer"]) for one in _records(gateway, "Communication") if one.get("answer"))
    return {
        "sent": len(world.twilio.messages),
        "by_state": dict(Counter(str(one["state"]) for one in planned)),
        "held_because": dict(because),
        "answers": dict(answers),
        "cancelled_visit_suppressed": texts["r3"] == 0 and because["visit-cancelled"] > 0,
        "stop_honoured": texts["r1"] == 1 and texts["r2"] == 2 and bool(revoked) and because["no-consent"] > 0,
    }


def _billing(world: World) -> dict[str, Any]:
    """Every change there is, against what the vendor's program booked in its two lives."""
    if world.vendor is None:
        return {}
    ends = time.monotonic() + CATCH_UP_SECONDS
    everything = Client(world.vendor.url, world.vendor.key, patience=CATCH_UP_SECONDS)
    there = {(one.id, one.version) for one in everything.changes(types=TYPES, follow=False)}
    while there - set(world.vendor.booked(1, 2)) and time.monotonic() < ends:
        time.sleep(0.2)
    first, second = world.vendor.booked(1), world.vendor.booked(2)
    return {
        "changes": len(there),
        "before_crash": len(first),
        "after_crash": len(second),
        "came_again": len(set(first) & set(second)),
        "missed": len(there - {*first, *second}),
        "resumed_from_cursor": bool(first) and 0 < len(second) < len(there),
    }


def _accounting(world: World) -> dict[str, Any]:
    trace = world.paid.trace
    booked = {kind: _sides(world.company, f"{kind} {trace}") for kind in ("remittance", "deposit")}
    announced = booked["remittance"].get(ACCOUNTS["clearing"])
    came = booked["deposit"].get(ACCOUNTS["cash"])
    return {
        "journals": len(world.company.entries),
        "balanced": all(not sum(_lines(one).values()) for one in world.company.entries.values()),
        "trace": trace,
        "remittance_journal": str(announced),
        "deposit_journal": str(came),
        "bank_line": f"{world.paid.amount:.2f}",
        "ties_to_bank": announced == came == world.paid.amount,
    }


def _sides(company: Company, note: str) -> dict[str, Decimal]:
    return next((_lines(one) for one in company.entries.values() if one["PrivateNote"] == note), {})


def _lines(entry: Fields) -> dict[str, Decimal]:
    """Amounts by account; debits are positive."""
    found: dict[str, Decimal] = {}
    for line in entry["Line"]:
        detail = line["JournalEntryLineDetail"]
        account = detail["AccountRef"]["value"]
        sign = 1 if detail["PostingType"] == "Debit" else -1
        found[account] = found.get(account, Decimal(0)) + sign * Decimal(line["Amount"])
    return found
