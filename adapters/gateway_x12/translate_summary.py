"""Figures that an 835 states beside its balance: MIA and MOA of a claim, TS2 and TS3 of a provider.

They decide nothing. An amount that is none is named as residue and holds up neither claim nor remittance.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gateway.model.values import money
from gateway.wire.x12_835 import Elements, element
from gateway_x12.records import read_date

_CLAIM = {"MIA": (2, 4, *range(6, 15), *range(16, 20), 24), "MOA": (2, 8, 9)}
_SUMMARY = {"TS3": (*range(6, 23), 24), "TS2": (*range(1, 7), 8, 9, 15, 17, 18, 19)}
"""Elements that are amounts (data element 782); the others are remarks, rates, averages and counts."""


def stated(segments: Mapping[str, Sequence[Elements]], left: set[str]) -> list[dict[str, Any]]:
    """Amounts of a claim's MIA and MOA."""
    return [
        one
        for id, places in _CLAIM.items()
        if id in segments
        for elements in segments[id]
        for one in _amounts(elements, places, left)
    ]


def summaries(segments: Mapping[str, Sequence[Elements]], left: set[str]) -> list[dict[str, Any]]:
    """One for each TS3 with its TS2; where not each has one, whose they are is not told, and they are left out."""
    threes, twos = list(segments.get("TS3", ())), list(segments.get("TS2", ()))
    if twos and len(twos) != len(threes):
        left.add("TS2")
        twos = []
    made = []
    for place, elements in enumerate(threes):
        if not element(elements, 1):
            continue
        one: dict[str, Any] = {"provider_id": elements[1], "amounts": _amounts(elements, _SUMMARY["TS3"], left)}
        if place < len(twos):
            one["amounts"] += _amounts(twos[place], _SUMMARY["TS2"], left)
        if element(elements, 2):
            one["facility"] = elements[2]
        ends = read_date(element(elements, 3))
        if ends is not None:
            one["fiscal_period_end"] = ends
        count = element(elements, 4)
        if count.isascii() and count.isdecimal() and len(count) <= 9:
            one["claim_count"] = int(count)
        for total in _amounts(elements, (5,), left):
            one["charge_total"] = total["amount"]
        made.append(one)
    return made


def _amounts(elements: Elements, places: Iterable[int], left: set[str]) -> list[dict[str, Any]]:
    """The amounts at these places of a segment."""
    id = elements[0]
    found = []
    for place in places:
        text = element(elements, place)
        if not text:
            continue
        try:
            found.append({"place": f"{id}{place:02d}", "amount": money(text)})
        except ValueError:
            left.add(f"{id}-{place:02d}")
    return found
