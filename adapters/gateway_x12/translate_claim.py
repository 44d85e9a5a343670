"""Submitted claims (837): the mapping moves fields, this builds lines, diagnoses and what must add up."""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from typing import Any

from gateway.model.patch import Patch
from gateway.model.values import ZERO
from gateway.wire.x12_835 import Elements, amount, element, quantity
from gateway.wire.x12_loop import name_of
from gateway_x12.records import read_date
from gateway_x12.records_claim import Submitted

_DIAGNOSES = frozenset({"ABK", "ABF", "BK", "BF", "ABJ", "BJ", "APR", "PR", "ABN", "BN"})
"""Kinds of diagnosis in HI: principal, other, admitting, reason for visit, external cause; ICD-10 and ICD-9."""
_KINDS = {"SV1": "professional", "SV2": "institutional", "SV3": "dental"}
_BY_VERSION = {"096": "institutional", "223": "institutional", "097": "dental", "224": "dental"}
_RANGE = 2


def add_claim(read: Submitted, patch: Patch, left: set[str]) -> None:
    """Complete the Claim: lines, diagnoses, kind, transmission, and the difference of its lines to its charge."""
    loop = read.message.loop
    clm = loop.segments["CLM"][0]
    diagnoses = _diagnoses(read.codes, loop.component, left)
    total = ZERO
    lines: list[dict[str, Any]] = []
    kind = ""
    for segments in read.lines:
        line, service = _line(segments, loop.component, diagnoses, left)
        if line is not None:
            kind = kind or _KINDS[service]
            total += line["charge"]
            lines.append(line)
    fields = patch.fields
    fields["lines"] = lines
    if diagnoses:
        fields["diagnoses"] = tuple(dict.fromkeys(diagnoses))
    fields["kind"] = kind or _kind_of(element(loop.segments.get("GS", [[]])[0], 8))
    difference = amount(clm, 2) - total if element(clm, 2) else ZERO
    if difference and lines:
        fields["difference"] = difference
    names = ("interchange", "group", "transaction", "batch", "set")
    fields["transmission"] = {
        name: value for name, value in zip(names, read.message.above.sent[1:], strict=True) if value
    }


@lru_cache(maxsize=64)
def _kind_of(version: str) -> str:
    """The form of claim by its guide (GS08): 005010X222 professional, X223 institutional, X224 dental."""
    return next((kind for mark, kind in _BY_VERSION.items() if f"X{mark}" in version), "professional")


def _diagnoses(segments: list[Elements], component: str, left: set[str]) -> list[str]:
    """Diagnosis codes in the order that lines point to: principal first."""
    found: list[str] = []
    for elements in segments:
        for composite in elements[1:]:
            qualifier, _, rest = composite.partition(component)
            if qualifier in _DIAGNOSES and rest:
                found.append(rest.partition(component)[0])
            elif rest:
                left.add(f"HI[{qualifier}]")
    return found


def _line(
    segments: list[Elements], component: str, diagnoses: list[str], left: set[str]
) -> tuple[dict[str, Any] | None, str]:
    """One service line, and the segment that says what was done; None when there is none."""
    line: dict[str, Any] | None = None
    service = ""
    for elements in segments:
        id = elements[0]
        if id == "LX":
            continue
        if id in _KINDS and line is None:
            service, line = id, _SERVICES[id](elements, component, diagnoses)
        elif line is None or not _detail(elements, line):
            left.add(name_of(elements) if id != "DTP" else f"DTP[{element(elements, 1)}]")
    if line is not None and (number := element(segments[0], 1)).isdecimal() and len(number) <= 6:
        line["line_number"] = int(number)
    return line, service


def _detail(elements: Elements, line: dict[str, Any]) -> bool:
    """Read what is said of a line beside the service itself; False when it is something else."""
    id, qualifier = elements[0], element(elements, 1)
    if id == "DTP" and qualifier == "472":
        first, last = read_period(element(elements, 2), element(elements, 3))
        if first is None:
            return False
        line["service_date"] = first
        if last is not None and last != first:
            line["ends_on"] = last
    elif id == "REF" and qualifier == "6R" and element(elements, 2):
        line["line_control_number"] = elements[2]
    elif id == "REF" and qualifier == "G1" and element(elements, 2):
        line["authorization_number"] = elements[2]
    elif id == "NM1" and qualifier == "82" and element(elements, 8) == "XX" and element(elements, 9):
        line["rendering_npi"] = elements[9]
    else:
        return False
    return True


@lru_cache(maxsize=4096)
def read_period(form: str, text: str) -> tuple[date | None, date | None]:
    """A date or a range as DTP02 and DTP03 have it (D8, RD8); the last day is None for a single one."""
    if form == "RD8":
        parts = text.split("-")
        if len(parts) != _RANGE:
            return None, None
        return read_date(parts[0]), read_date(parts[1])
    return (read_date(text[:8]) if form in {"D8", "DT"} else None), None


@lru_cache(maxsize=4096)
def _procedure(composite: str, component: str) -> tuple[str, tuple[str, ...]]:
    parts = composite.split(component)
    return element(parts, 1).strip(), tuple(one for one in parts[2:6] if one)


@lru_cache(maxsize=1024)
def _pointers(composite: str, component: str) -> tuple[int, ...]:
    """Places of diagnoses on the claim, from 1."""
    digits = [one for one in composite.split(component) if one.isascii() and one.isdecimal() and len(one) <= _RANGE]
    return tuple(number for one in digits if (number := int(one)))


def _professional(elements: Elements, component: str, diagnoses: list[str]) -> dict[str, Any]:
    code, modifiers = _procedure(element(elements, 1), component)
    line = _priced(elements, 2, 4, code, modifiers)
    pointed = _pointers(element(elements, 7), component)
    if codes := tuple([diagnoses[one - 1] for one in pointed if one <= len(diagnoses)]):
        line["diagnoses"] = codes
    return line


def _institutional(elements: Elements, component: str, diagnoses: list[str]) -> dict[str, Any]:
    del diagnoses  # lines of institutional claims point to none
    code, modifiers = _procedure(element(elements, 2), component)
    revenue = element(elements, 1)
    line = _priced(elements, 3, 5, code or revenue, modifiers)
    if revenue:
        line["revenue_code"] = revenue
    return line


def _dental(elements: Elements, component: str, diagnoses: list[str]) -> dict[str, Any]:
    del diagnoses  # a dental line points to claim diagnoses in an element that clinics do not send
    code, modifiers = _procedure(element(elements, 1), component)
    return _priced(elements, 2, 6, code, modifiers)


def _priced(elements: Elements, charge: int, units: int, code: str, modifiers: tuple[str, ...]) -> dict[str, Any]:
    line: dict[str, Any] = {
        "procedure_code": code,
        "charge": amount(elements, charge) if element(elements, charge) else ZERO,
    }
    if modifiers:
        line["modifiers"] = modifiers
    if element(elements, units):
        line["units"] = quantity(elements, units)
    return line


_SERVICES = {"SV1": _professional, "SV2": _institutional, "SV3": _dental}
