"""FHIR search: parameters read strictly, and matched against what the client may see, never against more.

``patient``, ``_id`` and ``_lastUpdated`` are answered by the store. ``date``, ``status`` and ``identifier`` are values
of sealed records: candidates are opened a bounded number at a time and compared as resources, so a field that the view
does not grant matches nothing, and a page may hold fewer than were asked for and still have a next one. The search
index, where it can be used, keeps the candidates few.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from gateway.http import fhir_parameters as parameters
from gateway.http import fhir_results as results
from gateway.http.fhir import FHIR_JSON
from gateway.http.fhir_dates import Range, moment_range, parse_range, window_of, within
from gateway.http.fhir_parameters import STATUS_SYSTEMS
from gateway.http.fhir_results import WHOLE, Part
from gateway.http.refusal import HttpRefusal, bad
from gateway.wire.fhir_values import Json

COUNT, MOST = 50, 500
LONGEST = 4096
"""Characters of one parameter's value: enough for as many ids as are taken at a time."""
CANDIDATES = 1000
"""Records opened for one page of a search by content."""
ORIGINS = "Provenance:target"
"""What ``_revinclude`` offers."""
JSON_TYPES = frozenset({FHIR_JSON, "application/json"})

DATES: Mapping[str, str] = {
    "Appointment": "start", "Slot": "start", "Encounter": "period", "EpisodeOfCare": "period", "CarePlan": "period",
    "Claim": "created", "ClaimResponse": "created", "ExplanationOfBenefit": "billablePeriod",
    "CoverageEligibilityResponse": "created", "PaymentReconciliation": "paymentDate", "ServiceRequest": "authoredOn",
    "Task": "authoredOn", "Patient": "birthDate", "Coverage": "period",
}  # fmt: skip
"""Resource -> the element that ``date`` is compared with."""
DATE_NAMES = {
    "Patient": "birthdate", "Task": "authored-on", "ServiceRequest": "authored", "Claim": "created", "Slot": "start",
    "ClaimResponse": "created", "CoverageEligibilityResponse": "created",
}  # fmt: skip
"""What R4 calls the parameter where it is not ``date``; both names are understood."""
OVER = {"ExplanationOfBenefit": frozenset({"active"}), "Encounter": frozenset({"finished", "cancelled"})}
"""Resource -> the states in which it is about a time that is over, though its period names one end of it alone."""
ONCE = frozenset({"_count", "_sort", "_page", "_total"})
"""Parameters of which a second one would only take the first one's place."""
NUMBERED = frozenset(
    {
        "Appointment", "Patient", "Practitioner", "Location", "Organization", "Coverage", "ServiceRequest", "Claim",
        "ClaimResponse", "ExplanationOfBenefit", "PaymentReconciliation",
    }
)  # fmt: skip
"""Resources that show numbers by which ``identifier`` finds them; of the others it finds none."""
OF_NOBODY = frozenset({"Patient", "Practitioner", "Location", "Organization", "Slot", "PaymentReconciliation"})
"""Resources that are not searched by a patient."""
_PATIENT = {"patient": ("Patient",)}
_SUBJECT = {**_PATIENT, "subject": ("Patient",)}
_PRACTITIONER, _LOCATION = {"practitioner": ("Practitioner",)}, {"location": ("Location",)}
_INSURED = {**_PATIENT, "insurer": ("Organization",), "coverage": ("Coverage",)}
INCLUDES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "Appointment": {
        **_PATIENT, **_PRACTITIONER, **_LOCATION, "actor": ("Patient", "Practitioner", "Location"),
        "supporting-info": ("ClaimResponse", "EpisodeOfCare"),
    },
    "Patient": {"general-practitioner": ("Practitioner",), "link": ("Patient",)},
    "Location": {"organization": ("Organization",)},
    "Organization": {"partof": ("Organization",)},
    "Encounter": {
        **_SUBJECT, **_PRACTITIONER, **_LOCATION, "participant": ("Practitioner",), "appointment": ("Appointment",),
        "episode-of-care": ("EpisodeOfCare",),
    },
    "Coverage": {**_PATIENT, "beneficiary": ("Patient",), "payor": ("Organization",)},
    "CoverageEligibilityResponse": {**_PATIENT, "coverage": ("Coverage",)},
    "ServiceRequest": {**_SUBJECT, **_LOCATION, "requester": ("Practitioner",)},
    "CarePlan": {**_SUBJECT, "author": ("Practitioner",), "episode-of-care": ("EpisodeOfCare",)},
    "EpisodeOfCare": {
        **_PATIENT, "care-manager": ("Practitioner",), "incoming-referral": ("ServiceRequest",),
    },
    "Claim": _INSURED,
    "ClaimResponse": _INSURED,
    "ExplanationOfBenefit": {**_PATIENT, "claim": ("Claim",)},
    "PaymentReconciliation": {"payment-issuer": ("Organization",)},
    "Task": {**_SUBJECT, **_LOCATION},
}  # fmt: skip
"""Resource -> parameter of ``_include`` -> the resources it brings along: all that the resource can refer to."""


@dataclass(frozen=True)
class Search:
    """A search, read."""

    resource: str
    patient: bytes | None
    ids: tuple[str, ...]
    updated: tuple[Range, ...]
    dates: tuple[Range, ...]
    statuses: frozenset[str]
    identifiers: tuple[tuple[tuple[str | None, str], ...], ...]
    """(system, value), one of each group; system None when any will do."""
    includes: frozenset[str]
    count: int
    """Matches of one page."""
    page: str
    sort: tuple[tuple[str, bool], ...] = ()
    """(``_lastUpdated``, ``_id`` or ``date``; whether the last comes first), the first of them above all."""
    count_only: bool = False
    """Whether the number of matches is the whole answer."""
    total: bool = False
    """Whether that number is wanted beside the matches."""
    part: Part = WHOLE
    """How much of each resource is shown."""
    origins: bool = False
    """Whether the Provenance of each match comes along."""
    ignored: tuple[str, ...] = ()
    """Parameters that are not offered, where the client said that it can do without."""

    @property
    def by_content(self) -> bool:
        """Whether candidates must be opened to know."""
        return bool(self.dates or self.statuses or self.identifiers)

    @property
    def newest_first(self) -> bool:
        """Whether what changed last comes first."""
        return ("_lastUpdated", True) in self.sort

    def window(self) -> tuple[int | None, int | None]:
        """From and before when a record must have changed, microseconds."""
        return window_of(self.updated)

    def matches(self, resource: Json) -> bool:
        """Whether a resource as the client sees it is one of those searched for."""
        if self.statuses and resource.get("status") not in self.statuses:
            return False
        if self.dates and not all(within(dated(resource), one) for one in self.dates):
            return False
        return all(any(_identified(resource, *one) for one in group) for group in self.identifiers)


def dated(resource: Json) -> Any:
    """The date, instant or period that ``date`` is compared with; None when the resource shows none.

    A visit that is over and a payer's answer are not open-ended where one end of their period is all that is known.
    """
    type = resource["resourceType"]
    found = resource.get(DATES.get(type, ""))
    if DATES.get(type) == "created" and len(found or "") == len("2026-03-02"):
        return None  # the day on which the gateway took it: none of the record's own
    if isinstance(found, dict) and len(found) == 1 and resource.get("status") in OVER.get(type, ()):
        return next(iter(found.values()))
    return found


def read_search(resource: str, pairs: Sequence[tuple[str, str]], *, base: str = "", lenient: bool = False) -> Search:
    """Read the parameters of a search.

    Args:
        resource: what is searched for.
        pairs: the parameters as they were given.
        base: ``https://host/fhir``, with which references to this server may begin.
        lenient: leave out what is not offered, and name it, instead of refusing (``Prefer: handling=lenient``).

    Raises:
        HttpRefusal: 400 for a parameter that is not offered or has a wrong form; its place is the parameter.
    """
    found: dict[str, Any] = {
        "patient": None, "ids": (), "updated": (), "dates": (), "statuses": frozenset(), "identifiers": (),
        "includes": frozenset(), "count": COUNT, "page": "", "sort": (), "count_only": False, "total": False,
        "part": WHOLE, "origins": False, "ignored": (),
    }  # fmt: skip
    readers = _readers(resource, base)
    given: set[str] = set()
    for name, value in pairs:
        if len(value) > LONGEST:
            raise bad("A parameter is too long", place_name(name))
        if name in ONCE and name in given:
            raise bad("This parameter is taken once", name)
        given.add(name)
        reader = readers.get(name)
        if reader is not None and not value:
            raise bad("This parameter has no value", name, "Leave it out, or say what you search for.")
        if reader is not None and not (lenient and name == "_sort" and _order(resource, value) is None):
            reader(name, value, found)
        elif lenient:
            found["ignored"] += (name,)
        else:
            offers = ", ".join(sorted(readers))
            raise bad("This search parameter is not offered", place_name(name), f"Offered: {offers}.")
    return Search(resource=resource, **found)


def place_name(parameter: str) -> str:
    """A parameter's name as an OperationOutcome may tell it: what is no name is not told."""
    return parameter if re.fullmatch(r"[\w.:$-]{1,60}", parameter, re.ASCII) else "?"


def _readers(resource: str, base: str) -> dict[str, Callable[[str, str, dict[str, Any]], None]]:
    patient = partial(parameters.patient, base)
    known: dict[str, Callable[[str, str, dict[str, Any]], None]] = {
        "_id": parameters.ids, "_lastUpdated": _updated, "identifier": parameters.identifier, "patient": patient,
        "status": partial(parameters.status, resource), "subject": patient,
    }  # fmt: skip
    found = {name: known.get(name, _date) for name, _ in offered(resource)}
    if resource in DATES:
        found["date"] = _date
    found |= {
        "_count": _count, "_include": partial(_include, resource), "_revinclude": _revinclude, "_page": _page,
        "_format": _format, "_sort": partial(_sort, resource), "_total": results.total, **results.OF_READ,
    }  # fmt: skip
    return found


def offered(resource: str) -> Iterator[tuple[str, str]]:
    """(name, type) of the search parameters of a resource, for the CapabilityStatement."""
    yield from (("_id", "token"), ("_lastUpdated", "date"))
    if resource in NUMBERED:
        yield "identifier", "token"
    if resource in STATUS_SYSTEMS:
        yield "status", "token"
    if resource not in OF_NOBODY:
        yield "patient", "reference"
        if "subject" in INCLUDES.get(resource, ()):
            yield "subject", "reference"
    if resource in DATES:
        yield DATE_NAMES.get(resource, "date"), "date"


def _updated(name: str, value: str, found: dict[str, Any]) -> None:
    found["updated"] += (moment_range(value, name),)


def _date(name: str, value: str, found: dict[str, Any]) -> None:
    found["dates"] += (parse_range(value, name),)


def _count(name: str, value: str, found: dict[str, Any]) -> None:
    if not value.isascii() or not value.isdigit() or len(value) > 9:
        raise bad("A count is a number", name)
    found["count"] = max(1, min(int(value), MOST))
    found["count_only"] = found["count_only"] or int(value) == 0  # the standard's other way to ask for the number


def _include(resource: str, name: str, value: str, found: dict[str, Any]) -> None:
    """``Appointment:patient``, ``Appointment:actor:Practitioner``, ``Appointment:*`` or ``*``."""
    known = INCLUDES.get(resource, {})
    of, _, rest = value.partition(":")
    parameter, _, only = rest.partition(":")
    every = value == "*" or (of == resource and parameter == "*")
    targets = {one for some in known.values() for one in some} if every else set(known.get(parameter, ()))
    if not every and (of != resource or not targets or (only and only not in targets)):
        offers = ", ".join(f"{resource}:{one}" for one in sorted(known))
        raise bad("This cannot be included", name, f"Offered: {offers}." if offers else "It refers to nothing.")
    found["includes"] |= {only} if only else targets


def _revinclude(name: str, value: str, found: dict[str, Any]) -> None:
    if value != ORIGINS:
        raise bad("This cannot be included", name, f"Offered: {ORIGINS}.")
    found["origins"] = True


def _sort(resource: str, name: str, value: str, found: dict[str, Any]) -> None:
    order = _order(resource, value)
    if order is None:
        names = ", ".join(sorted({"_id", "_lastUpdated", *_date_names(resource)}))
        raise bad("Nothing is sorted by this", name, f"Offered: {names}; with - the last comes first.")
    found["sort"] = order


def _order(resource: str, value: str) -> tuple[tuple[str, bool], ...] | None:
    """What is asked to be sorted by; None where some of it is not offered."""
    keys = [(one.removeprefix("-"), one.startswith("-")) for one in value.split(",")]
    dates = _date_names(resource)
    if not all(key in {"_id", "_lastUpdated"} or key in dates for key, _ in keys):
        return None
    return tuple(("date" if key in dates else key, last_first) for key, last_first in keys)


def _date_names(resource: str) -> frozenset[str]:
    return frozenset({"date", DATE_NAMES.get(resource, "date")} if resource in DATES else ())


def _page(_: str, value: str, found: dict[str, Any]) -> None:
    found["page"] = value


def _format(name: str, value: str, _: dict[str, Any]) -> None:
    check_format(value, name)


def check_format(value: str, where: str) -> None:
    """Refuse another form than JSON. A ``+`` that was not written as ``%2B`` arrives as a space."""
    if value.partition(";")[0].strip().replace(" ", "+") not in {"json", "text/json", *JSON_TYPES}:
        raise HttpRefusal(
            406, "not-acceptable", "Only JSON is offered", where=where, fix=f"Ask for {FHIR_JSON}, or for nothing."
        )


def _identified(resource: Json, system: str | None, value: str) -> bool:
    return any(
        one.get("value") == value and (system is None or one.get("system", "") == system)
        for one in identifiers(resource)
    )


def identifiers(resource: Json) -> list[Json]:
    """Everything that ``identifier`` finds a resource by."""
    held = resource.get("identifier", [])
    extra = [resource[name] for name in ("paymentIdentifier",) if name in resource]
    extra += [
        {"value": resource[name]} for name in ("preAuthRef", "subscriberId") if isinstance(resource.get(name), str)
    ]
    return [*held, *extra]


def references(resource: Any, targets: frozenset[str]) -> Iterator[tuple[str, str]]:
    """(type, id) of every reference of a resource to one of these types."""
    if isinstance(resource, dict):
        text = resource.get("reference")
        if isinstance(text, str):
            type, _, id = text.partition("/")
            if type in targets and id:
                yield type, id
        for value in resource.values():
            yield from references(value, targets)
    elif isinstance(resource, list):
        for value in resource:
            yield from references(value, targets)
