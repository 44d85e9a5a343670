"""Remittances and bank lines by trace number, claims and payments by claim number: one settlement for each group."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any, cast

from pydantic import BaseModel

from gateway.hookspecs import API_VERSION
from gateway.model.bank import BankTransaction, trace_key
from gateway.model.claim import Claim
from gateway.model.exchange import Derivation, Derived, ReactorInfo, Snapshot
from gateway.model.remittance import ClaimPayment, Remittance
from gateway_reassociation.config import ReassociationConfig
from gateway_reassociation.translate import Match, claim_match, deposit_match


class Reassociation:
    """Derives a Settlement for every trace number and claim number, and a Task when one stays open."""

    info = ReactorInfo(
        name="reassociation",
        version="2",
        api=API_VERSION,
        summary="Remittances against the bank, claims against their payments",
        reads=frozenset({"Remittance", "BankTransaction", "Claim", "ClaimPayment"}),
        writes=frozenset({"Settlement", "Task"}),
    )
    config: type[BaseModel] = ReassociationConfig

    def groups(self, snapshot: Snapshot, config: BaseModel) -> Sequence[str]:
        """The number that both sides carry; a bank line without one belongs to nothing."""
        del config
        match snapshot.record:
            case Remittance(trace_number=number) | BankTransaction(trace_number=str(number)):
                return (f"trace:{trace_key(number)}",)
            case Claim(control_number=number) | ClaimPayment(patient_control_number=str(number)):
                return (f"claim:{number}",)
        return ()

    def derive(self, key: str, members: Sequence[Snapshot], config: BaseModel, now: datetime) -> Derivation:
        """The settlement of one number, as far as it has come."""
        settings = cast("ReassociationConfig", config)
        there = sorted((one for one in members if not one.removed), key=lambda one: (one.observed_at, one.record_id))
        kind, _, number = key.partition(":")
        if not there:
            return Derivation()
        match = deposit_match(there) if kind == "trace" else claim_match(there)
        days = settings.patience_days if kind == "trace" else settings.claim_days
        due = None
        if match.state == "open" and match.since is not None:
            due = datetime.combine(match.since + timedelta(days=days), time(12), UTC)
        records = [_settlement(kind, number, match)]
        if match.state in ("short", "over") or (due is not None and due <= now):
            records.append(_task(kind, number, match))
        return Derivation(records=tuple(records), again=due if due is not None and due > now else None)


_NUMBER = {"trace": "Trace number", "claim": "Claim"}


def _settlement(kind: str, number: str, match: Match) -> Derived:
    fields: dict[str, Any] = {
        "kind": "deposit" if kind == "trace" else "claim", "state": match.state, "number": match.number or number,
        "expected": match.expected, "received": match.received, "difference": match.received - match.expected,
        **match.fields,
    }  # fmt: skip
    if match.since is not None:
        fields["since"] = match.since
    return Derived(type="Settlement", native_id=f"{kind}/{number}", fields=fields, patient=match.patient)


def _task(kind: str, number: str, match: Match) -> Derived:
    gap = abs(match.received - match.expected)
    if kind == "trace":
        lacking = "money" if match.expected else "remittance"
        told = {
            "open": f"Find the {lacking}: the other side has been there since {match.since}.",
            "short": "Ask the payer about a deposit that is smaller than its remittance.",
            "over": "Find the remittance of what the bank has more.",
        }
    else:
        told = {
            "open": "Ask the payer what became of a claim that has no answer.",
            "short": "See what of the claim neither payer, patient nor contract accounts for.",
            "over": "See why a claim was answered for more than it charged.",
        }
    fields: dict[str, Any] = {
        "title": told[match.state], "state": "open", "kind": f"reassociation-{kind}-{match.state}", "role": "biller",
        "reason": f"{_NUMBER[kind]} {match.number or number}: {match.expected} expected, {match.received} found.",
        "money": gap, "about": match.about,
    }  # fmt: skip
    if match.patient is not None:
        fields["patient"] = match.patient
    return Derived(type="Task", native_id=f"settlement/{kind}/{number}", fields=fields, patient=match.patient)
