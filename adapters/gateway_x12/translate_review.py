"""Reviews (278) to Authorizations: requests as asked, answers as decided, under the number of the request."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from gateway.model.patch import Patch
from gateway.model.values import ZERO
from gateway.wire.x12_835 import Elements, element, quantity
from gateway_x12.records_level import Message
from gateway_x12.translate_claim import read_period
from gateway_x12.translate_rejection import rejection

_STATUS = {
    "A1": "approved",
    "A2": "modified",
    "A3": "denied",
    "A4": "pended",
    "A6": "modified",
    "C": "cancelled",
    "CT": "pended",
    "NA": "not-required",
}
"""HCR01. A2, certified in part, gives less than was asked, as A6 does; CT asks to call the payer."""
_PERIODS = {"DA": "7", "WK": "35", "MO": "34", "YR": "36"}
"""HSD03 and the HSD05 that counts the same: day, week, month, year."""
_DIAGNOSES = frozenset({"ABK", "ABF", "BK", "BF", "ABJ", "BJ"})
_READ = frozenset({"TRN", "UM", "HCR", "HSD", "SV1", "SV2", "DTP", "HI", "AAA", "MSG", "HL", "ST", "BHT", "SE"})


def add_review(read: Message, patch: Patch, left: set[str]) -> None:
    """Complete the Authorization from the event's level and those of its services."""
    event, services = _levels(read.body)
    fields = patch.fields
    rejections = [*read.above.rejections, *(one for one in read.body if one[0] == "AAA")]
    decisions = [one for level in ([event] if _of(event, "HCR") else services) for one in _of(level, "HCR")]
    answered = read.above.answered or bool(decisions) or bool(rejections)
    fields["status"] = _status(decisions, rejections, answered=answered)
    if answered:
        fields.update(rejection(rejections))
    _decided(decisions, fields)
    _asked(read, event, services, fields)
    _granted(event, services, fields, granted=answered)
    if notes := tuple(one[1] for one in _of(read.body, "MSG") if element(one, 1)):
        fields["notes"] = notes
    for one in read.body:
        if one[0] not in _READ and not (one[0] == "REF" and element(one, 1) == "NT"):
            left.add(f"{one[0]}[{element(one, 1)}]" if one[0] in {"REF", "NM1", "PER"} else one[0])


def _levels(body: list[Elements]) -> tuple[list[Elements], list[list[Elements]]]:
    """The segments of the event, and those of each service below it."""
    event: list[Elements] = []
    services: list[list[Elements]] = []
    into = event
    for elements in body:
        if elements[0] == "HL" and element(elements, 3) == "SS":
            into = []
            services.append(into)
        into.append(elements)
    return event, services


def _of(level: list[Elements], id: str) -> list[Elements]:
    return [one for one in level if one[0] == id]


def _status(decisions: list[Elements], rejections: list[Elements], *, answered: bool) -> str:
    found = {_STATUS.get(element(one, 1), "pended") for one in decisions}
    if len(found) == 1:
        return found.pop()
    if found:
        return "modified" if found & {"approved", "modified"} else "pended"
    if rejections:
        return "rejected"
    return "pended" if answered else "requested"


def _decided(decisions: list[Elements], fields: dict[str, Any]) -> None:
    """Number and reason; a number given while pended is the payer's tracking number."""
    for one in decisions:
        if element(one, 2):
            name = "tracking_number" if _STATUS.get(element(one, 1)) == "pended" else "number"
            fields.setdefault(name, one[2])
        if element(one, 3):
            fields.setdefault("reason", one[3])


def _asked(read: Message, event: list[Elements], services: list[list[Elements]], fields: dict[str, Any]) -> None:
    """What it is about: tracking number, service type, procedures, diagnoses, period."""
    component = read.loop.component
    segments = [*event, *(one for level in services for one in level)]
    for one in segments:
        if one[0] == "REF" and element(one, 1) == "NT" and element(one, 2):
            fields.setdefault("tracking_number", one[2])
        elif one[0] == "UM" and element(one, 3):
            fields.setdefault("service_type", one[3])
        elif one[0] == "DTP" and element(one, 1) in {"AAH", "472"}:
            first, last = read_period(element(one, 2), element(one, 3))
            if first is not None:
                fields.setdefault("starts_on", first)
                fields.setdefault("ends_on", last or first)
    procedures = [element(one[1].split(component), 1) for one in segments if one[0] == "SV1" and len(one) > 1]
    if codes := tuple(dict.fromkeys(code for code in procedures if code)):
        fields["service_codes"] = codes
    found = [part.split(component) for one in segments if one[0] == "HI" for part in one[1:]]
    if diagnoses := tuple(parts[1] for parts in found if len(parts) > 1 and parts[0] in _DIAGNOSES):
        fields["diagnoses"] = diagnoses


def _granted(event: list[Elements], services: list[list[Elements]], fields: dict[str, Any], *, granted: bool) -> None:
    """Visits and units: asked for in a request, given in an answer that certifies something."""
    if granted and fields["status"] not in {"approved", "modified"}:
        return
    visits, units = _visits(event), ZERO
    counted = [level for level in services if not granted or not _refused(level)]
    if visits is None:
        found = [some for level in counted if (some := _visits(level)) is not None]
        visits = sum(found) if found else None
    for one in (one for level in (event, *counted) for one in _of(level, "SV1")):
        if element(one, 3) == "UN" and element(one, 4):
            units += quantity(one, 4)
    suffix = "approved" if granted else "requested"
    if visits is not None:
        fields[f"visits_{suffix}"] = visits
    if units:
        fields[f"units_{suffix}"] = units.normalize() if units == units.to_integral() else units


def _refused(level: list[Elements]) -> bool:
    """Whether a service of an answer was decided and not certified."""
    decisions = _of(level, "HCR")
    return bool(decisions) and not any(_STATUS.get(element(one, 1)) in {"approved", "modified"} for one in decisions)


def _visits(level: list[Elements]) -> int | None:
    """Visits of a level's HSD: a total, or so many a period for so many periods."""
    for hsd in _of(level, "HSD"):
        if element(hsd, 1) != "VS" or not element(hsd, 2):
            continue
        visits, every = quantity(hsd, 2), element(hsd, 3)
        if every:
            periods, unit = element(hsd, 6), element(hsd, 5)
            if not periods or _PERIODS.get(every) != unit:
                return None  # a rate without a total
            modulus = quantity(hsd, 4) if element(hsd, 4) else Decimal(1)
            visits = visits * quantity(hsd, 6) / modulus if modulus else visits
        return int(visits)
    return None
