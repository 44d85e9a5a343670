"""What a payer decided about a request for authorization: by Da Vinci's review actions, else by outcome and number."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gateway_fhir.records import Extension
from gateway_fhir.records_financial import Answer, ClaimItem

_REVIEW = "/extension-reviewAction"
_DECIDED = {
    "A1": "approved", "A2": "modified", "A3": "denied", "A4": "pended", "A6": "modified", "C": "cancelled",
    "CT": "pended", "NA": "approved",
}  # fmt: skip
"""X12 306 by the words of an authorization."""
_WORST = ("denied", "cancelled", "pended", "modified", "approved")


def authorization(read: Answer) -> dict[str, Any]:
    """The payer's decision: by Da Vinci's review actions where it sends them, else by outcome and number."""
    reviews = [
        extension
        for item in (*read.item, *read.add_item)
        for holder in (item, *item.adjudication)
        for extension in holder.extension
        if extension.url.endswith(_REVIEW)
    ]
    reviews += [one for one in read.extension if one.url.endswith(_REVIEW)]
    states = {_DECIDED[code] for one in reviews if (code := _action(one)) in _DECIDED}
    number = getattr(read, "pre_auth_ref", None)
    number = number if isinstance(number, str) else next(filter(None, number or ()), None)
    numbers = [one.value_string for each in reviews if (one := each.named("number")) and one.value_string]
    fields = codes((*read.item, *read.add_item))
    fields["status"] = next((one for one in _WORST if one in states), None) or _by_outcome(read.outcome, number)
    if fields["status"] == "denied" and "approved" in states:
        fields["status"] = "modified"
    if number or numbers:
        fields["number"] = number or numbers[0]
    reasons = [
        one.value_codeable_concept.code
        for each in reviews
        if (one := each.named("reasonCode")) and one.value_codeable_concept
    ]
    if reasons and reasons[0]:
        fields["reason"] = reasons[0]
    return fields


def _by_outcome(outcome: str | None, number: str | None) -> str:
    if outcome == "queued":
        return "pended"
    if outcome == "partial":
        return "modified"
    return "approved" if outcome == "complete" and number else "denied"


def _action(review: Extension) -> str | None:
    found = review.named("extension-reviewActionCode") or review.named("code")
    return found.value_codeable_concept.code if found and found.value_codeable_concept else None


def codes(items: Iterable[ClaimItem]) -> dict[str, Any]:
    """The services an authorization is about, and the units where every item counts them."""
    codes = [one.product_or_service.code for one in items if one.product_or_service and one.product_or_service.code]
    return {"service_codes": list(dict.fromkeys(codes))} if codes else {}
