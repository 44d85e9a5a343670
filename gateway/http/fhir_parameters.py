"""Values of search parameters: references and tokens, read as R4 means them.

Commas part alternatives, and a parameter that comes again narrows the search. A value that belongs to another server,
another resource or another code system finds nothing of ours, however much it looks like one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.http.records import record_bytes
from gateway.http.refusal import bad

IDS = 100
NONE = ""
"""The id, or the status, of nothing."""
_STATUS = "http://hl7.org/fhir/"
STATUS_SYSTEMS: Mapping[str, str] = {
    "Appointment": f"{_STATUS}appointmentstatus", "Slot": f"{_STATUS}slotstatus", "Task": f"{_STATUS}task-status",
    "Encounter": f"{_STATUS}encounter-status", "EpisodeOfCare": f"{_STATUS}episode-of-care-status",
    "CarePlan": f"{_STATUS}request-status", "ServiceRequest": f"{_STATUS}request-status",
    "Location": f"{_STATUS}location-status", "Coverage": f"{_STATUS}fm-status", "Claim": f"{_STATUS}fm-status",
    "ClaimResponse": f"{_STATUS}fm-status", "CoverageEligibilityResponse": f"{_STATUS}fm-status",
    "PaymentReconciliation": f"{_STATUS}fm-status",
    "ExplanationOfBenefit": f"{_STATUS}explanationofbenefit-status",
}  # fmt: skip
"""Resource -> the code system of its element ``status``; the others have no such element."""
_ALTERNATIVE = re.compile(r"(?:[^\\,]|\\.?)+", re.DOTALL)
_BAR = re.compile(r"(?<!\\)\|")
_ESCAPED = re.compile(r"\\([\\,|$])")


def alternatives(name: str, value: str) -> Iterator[tuple[str | None, str]]:
    """(system, code) of each alternative of a token; system None when none was named."""
    found = _ALTERNATIVE.findall(value)
    if not found:
        raise bad("This parameter has no value", name, "Leave it out, or say what you search for.")
    for one in found:
        *system, code = (_ESCAPED.sub(r"\1", part) for part in _BAR.split(one))
        yield "|".join(system) if system else None, code


def ids(name: str, value: str, found: dict[str, Any]) -> None:
    """``_id``: ids of resources."""
    named = tuple(dict.fromkeys(code for _, code in alternatives(name, value)))
    if len(named) > IDS:
        raise bad(f"At most {IDS} ids are taken at a time", name)
    held = found["ids"]
    found["ids"] = named if not held else tuple(one for one in held if one in named) or (NONE,)


def status(resource: str, name: str, value: str, found: dict[str, Any]) -> None:
    """``status``: codes, alone or with the system that the resource has them from."""
    codes = set()
    for system, code in alternatives(name, value):
        if not code:
            raise bad("A status is found by its code", name, "Write code, or system|code.")
        if system in {None, "", STATUS_SYSTEMS[resource]}:
            codes.add(code)
    held = found["statuses"]
    found["statuses"] = frozenset(codes if not held else codes & held) or frozenset({NONE})


def identifier(name: str, value: str, found: dict[str, Any]) -> None:
    """``identifier``: values, alone or with their systems."""
    wanted = tuple(alternatives(name, value))
    if not all(code for _, code in wanted):
        raise bad("An identifier is found by its value", name, "Write value, or system|value.")
    found["identifiers"] += (wanted,)


def patient(base: str, name: str, value: str, found: dict[str, Any]) -> None:
    """``patient``: one patient of this server, by id, by ``Patient/<id>`` or by its whole address."""
    text = value.removeprefix(f"{base}/").removeprefix("Patient/")
    several = "," in text
    if not several and "/" in text:
        raise bad("This is no patient of this server", name, "Write the id, or Patient/<id>.")
    id = None if several else record_bytes(text, name)
    if several or found["patient"] not in {None, id}:
        raise bad("A search is about one patient", name, "Ask for each patient by itself.")
    found["patient"] = id
