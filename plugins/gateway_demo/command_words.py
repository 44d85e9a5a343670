"""The day in plain words, for the end of the screen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def story(summary: Mapping[str, Any]) -> Iterator[str]:
    """One paragraph for each part of the day."""
    payers, texts = summary["clearinghouse"], summary["reminders"]
    billing, books = summary["billing"], summary["accounting"]
    group = summary["group"]
    yield (
        f"\nclinics   {len(group['appointments'])} beside each other with {sum(group['appointments'].values())}"
        f" appointments; {group['persons_in_two_systems']} persons and {group['visits_seen_twice']} visits are in two"
        " of them: flagged, not merged"
    )
    refused = ", ".join(f"{count} {kind}" for kind, count in sorted(payers["denials"].items()))
    yield (
        f"payers    {payers['eligibility_answered']} of {payers['eligibility_asked']} policies checked,"
        f" {_truth(payers['eligibility_before_visits'], 'all before the visit', 'NOT all before the visit')};"
        f" {payers['authorizations_requested']} authorizations requested: {_counts(payers['authorizations'])}"
    )
    yield (
        f"claims    {payers['claims_sent']} sent, {payers['claims_acknowledged']} acknowledged by the payer,"
        f" {payers['claims_matched']} matched with their payment; refused lines: {refused}"
    )
    yield (
        f"money     a remittance of {payers['remittance_amount']}"
        f" {_truth(payers['remittance_balanced'], 'that balances', 'that does NOT balance')},"
        f" {_truth(payers['matched_with_bank'], 'and the bank has it', 'and the bank does NOT have it')}"
    )
    yield (
        f"books     {books['journals']} journals; the one of the remittance"
        f" {_truth(books['ties_to_bank'], 'ties', 'does NOT tie')} to the bank line of {books['bank_line']}"
    )
    yield (
        f"texts     {texts['sent']} sent;"
        f" STOP {_truth(texts['stop_honoured'], 'honoured', 'NOT honoured')};"
        f" the reminder of a cancelled visit {_truth(texts['cancelled_visit_suppressed'], 'kept back', 'SENT')}"
    )
    yield (
        f"billing   a client was killed after {billing['before_crash']} changes and went on from its cursor:"
        f" {billing['missed']} of {billing['changes']} missed, {billing['came_again']} came again"
    )


def _truth(value: object, yes: str, no: str) -> str:
    return yes if value else no


def _counts(found: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {state}" for state, count in sorted(found.items())) or "none answered"
