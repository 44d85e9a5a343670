"""FHIR search: parameters read strictly, and matched against what the client may see, never against more.

``patient``, ``_id`` and ``_lastUpdated`` are answered by the store. ``date``, ``status`` and ``identifier`` are values
of sealed records: candidates are opened a bounded number at a time and compared as resources, so a field that the view
does not grant matches nothing, and a page may hold fewer than were asked for and still have a next one. The search
index, where it can be used, keeps the candidates few.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

from gateway.http.fhir import FHIR_JSON
from gateway.http.refusal import HttpRefusal, bad
from gateway.wire.fhir_values import Json

COUNT, MOST = 50, 500
CANDIDATES = 1000
"""Records opened for one page of a search by content."""
IDS = 100
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
STATELESS = frozenset({"Patient", "Practitioner", "Organization"})
"""Resources without an element ``status``."""
NUMBERED = frozenset(
    {
        "Appointment", "Patient", "Practitioner", "Location", "Organization", "Coverage", "ServiceRequest", "Claim",
        "ClaimResponse", "ExplanationOfBenefit", "PaymentReconciliation",
    }
)  # fmt: skip
"""Resources that show numbers by which ``identifier`` finds them; of the others it finds none."""
_OF_NOBODY = frozenset({"Patient", "Practitioner", "Location", "Organization", "Slot", "PaymentReconciliation"})
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
_PREFIXES = ("eq", "ne", "gt", "ge", "lt", "le", "sa", "eb")


class Range(NamedTuple):
    """A date as FHIR means it: all of the day, month or year, as microseconds, the end not included."""

    prefix: str
    start: int
    end: int


@dataclass(frozen=True)
class Search:
    """A search, read."""

    resource: str
    patient: str | None
    ids: tuple[str, ...]
    updated: tuple[Range, ...]
    dates: tuple[Range, ...]
    statuses: frozenset[str]
    identifiers: tuple[tuple[str | None, str], ...]
    """(system, value); system None when any will do."""
    includes: frozenset[str]
    count: int
    page: str
    ignored: tuple[str, ...] = ()
    """Parameters that are not offered, where the client said that it can do without."""

    @property
    def by_content(self) -> bool:
        """Whether candidates must be opened to know."""
        return bool(self.dates or self.statuses or self.identifiers)

    def window(self) -> tuple[int | None, int | None]:
        """From and before when a record must have changed, microseconds."""
        return window_of(self.updated)

    def matches(self, resource: Json) -> bool:
        """Whether a resource as the client sees it is one of those searched for."""
        if self.statuses and resource.get("status") not in self.statuses:
            return False
        if self.dates and not all(_within(resource.get(DATES.get(self.resource, "")), one) for one in self.dates):
            return False
        return not self.identifiers or any(_identified(resource, *one) for one in self.identifiers)


def read_search(resource: str, pairs: Sequence[tuple[str, str]], *, lenient: bool = False) -> Search:
    """Read the parameters of a search.

    Args:
        resource: what is searched for.
        pairs: the parameters as they were given.
        lenient: leave out what is not offered, and name it, instead of refusing (``Prefer: handling=lenient``).

    Raises:
        HttpRefusal: 400 for a parameter that is not offered or has a wrong form; its place is the parameter.
    """
    found: dict[str, Any] = {
        "patient": None, "ids": (), "updated": (), "dates": (), "statuses": frozenset(), "identifiers": (),
        "includes": frozenset(), "count": COUNT, "page": "", "ignored": (),
    }  # fmt: skip
    readers = _readers(resource)
    for name, value in pairs:
        if len(value) > 2000:
            raise bad("A parameter is too long", name)
        reader = readers.get(name)
        if reader is not None:
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


def _readers(resource: str) -> dict[str, Callable[[str, str, dict[str, Any]], None]]:
    offered: dict[str, Callable[[str, str, dict[str, Any]], None]] = {
        "_id": _ids, "_lastUpdated": _updated, "_count": _count, "_include": partial(_include, resource),
        "_page": _page, "_format": _format, "identifier": _identifier, "patient": _patient, "subject": _patient,
    }  # fmt: skip
    if resource not in STATELESS:
        offered["status"] = _status
    if resource in DATES:
        offered["date"] = offered[DATE_NAMES.get(resource, "date")] = _date
    return offered


def offered(resource: str) -> Iterator[tuple[str, str]]:
    """(name, type) of the search parameters of a resource, for the CapabilityStatement."""
    yield from (("_id", "token"), ("_lastUpdated", "date"))
    if resource in NUMBERED:
        yield "identifier", "token"
    if resource not in STATELESS:
        yield "status", "token"
    if resource not in _OF_NOBODY:
        yield "patient", "reference"
    if resource in DATES:
        yield DATE_NAMES.get(resource, "date"), "date"


def _ids(name: str, value: str, found: dict[str, Any]) -> None:
    ids = tuple(value.split(","))
    if len(ids) > IDS:
        raise bad(f"At most {IDS} ids are taken at a time", name)
    found["ids"] += ids


def _updated(name: str, value: str, found: dict[str, Any]) -> None:
    found["updated"] += (moment_range(value, name),)


def _date(name: str, value: str, found: dict[str, Any]) -> None:
    found["dates"] += (parse_range(value, name),)


def _count(name: str, value: str, found: dict[str, Any]) -> None:
    if not value.isascii() or not value.isdigit() or len(value) > 9:
        raise bad("A count is a number", name)
    found["count"] = max(1, min(int(value), MOST))


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


def _identifier(name: str, value: str, found: dict[str, Any]) -> None:
    for one in value.split(","):
        system, bar, rest = one.rpartition("|")
        if not rest:
            raise bad("An identifier is found by its value", name, "Write value, or system|value.")
        found["identifiers"] += ((system if bar else None, rest),)


def _status(_: str, value: str, found: dict[str, Any]) -> None:
    found["statuses"] |= frozenset(one.rpartition("|")[2] for one in value.split(","))


def _patient(_: str, value: str, found: dict[str, Any]) -> None:
    found["patient"] = value.rpartition("Patient/")[2]


def parse_range(value: str, where: str) -> Range:
    """A date with its prefix: ``ge2026-03``, ``2026-03-02``, ``lt2026-03-02T09:30:00Z``; UTC without an offset."""
    prefix = value[:2] if value[:2] in _PREFIXES else ""
    text = value[len(prefix) :].replace(" ", "+")  # of an offset that was not written as %2B
    try:
        start, end = _span(text)
        low, high = (int(one.timestamp() * 1_000_000) for one in (start, end))
    except (ValueError, OverflowError):
        raise bad("This is not a date", where, "Write 2026-03-02, 2026-03 or 2026-03-02T09:30:00Z.") from None
    return Range(prefix or "eq", low, high)


def moment_range(value: str, where: str) -> Range:
    """The same of moments that are compared by their order alone."""
    found = parse_range(value, where)
    if found.prefix == "ne":
        raise bad("The prefix ne is not offered here", where, "Ask once with lt and once with gt.")
    return found


def _span(text: str) -> tuple[datetime, datetime]:
    if not text.isascii():
        raise ValueError
    if len(text) == 4:
        start = datetime(int(text), 1, 1, tzinfo=UTC)
        return start, start.replace(year=start.year + 1)
    if len(text) == 7:
        start = datetime.fromisoformat(f"{text}-01").replace(tzinfo=UTC)
        return start, (start + timedelta(days=31)).replace(day=1)
    moment = datetime.fromisoformat(text)
    start = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    if len(text) == 10:
        return start, start + timedelta(days=1)
    return start, start + (timedelta(seconds=1) if text[16:17] == ":" else timedelta(minutes=1))


def _bounds(one: Range) -> tuple[int | None, int | None]:
    """What a range asks of a moment: from, and before."""
    match one.prefix:
        case "gt" | "sa":
            return one.end, None
        case "ge":
            return one.start, None
        case "lt" | "eb":
            return None, one.start
        case "le":
            return None, one.end
        case "ne":
            return None, None
        case _:
            return one.start, one.end


def window_of(ranges: Iterable[Range]) -> tuple[int | None, int | None]:
    """From and before when a moment lies that is in all these ranges, microseconds."""
    since: int | None = None
    before: int | None = None
    for one in ranges:
        low, high = _bounds(one)
        since = low if since is None else max(since, low if low is not None else since)
        before = high if before is None else min(before, high if high is not None else before)
    return since, before


def _within(value: Any, one: Range) -> bool:
    """Whether a date, an instant or a period of a resource lies where a range says."""
    found = extent(value)
    if found is None:
        return False
    low, high = found
    match one.prefix:
        case "gt":
            return high > one.end
        case "sa":
            return low >= one.end
        case "ge":
            return high > one.start
        case "lt":
            return low < one.start
        case "eb":
            return high <= one.start
        case "le":
            return low < one.end
        case "ne":
            return low >= one.end or high <= one.start
        case _:
            return low < one.end and high > one.start


_ZERO = datetime(1970, 1, 1, tzinfo=UTC)
_MICRO = timedelta(microseconds=1)


def extent(value: Any) -> tuple[int, int] | None:
    """From when to before when a date, an instant or a period lasts, microseconds; None when it is none of them."""
    if value is None:
        return None
    try:
        if isinstance(value, dict):
            start = _span(str(value["start"]))[0] if "start" in value else datetime.min.replace(tzinfo=UTC)
            end = _span(str(value["end"]))[1] if "end" in value else datetime.max.replace(tzinfo=UTC)
        else:
            start, end = _span(str(value))
    except (ValueError, OverflowError):
        return None
    return int((start - _ZERO) / _MICRO), int((end - _ZERO) / _MICRO)


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
