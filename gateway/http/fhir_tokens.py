"""By which words the search index finds a resource: its status, its identifiers, the days it is on.

Words are hidden under a key of the tenant before they are kept (:meth:`gateway.vault.Vault.blind`), so that the index
shows which records share one, and no more. Dates are kept as days and not in an order that could be read off: a search
over a span of time asks for each of its days, having asked first in which years and months there is anything at all.
What the index finds is opened and compared before it is shown, so a word may find too much, never too little.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from gateway.http.fhir_dates import Range, extent
from gateway.http.fhir_search import dated, identifiers
from gateway.wire.fhir_values import Json

FORM = 3
"""Counts up when the same resource is to be found by other words: then indexes are built anew."""
FAR = "far"
"""The word of what lasts longer than :data:`MOST_DAYS`, or lies where no record of care does."""
MOST_DAYS = 31
FIRST, END = date(1900, 1, 1), date(2200, 1, 1)
_ZERO = date(1970, 1, 1).toordinal()
_DAY = 86_400_000_000
FIELDS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "Appointment": {"date": ("start",), "status": ("status",), "identifier": ("visit_number",)},
    "Patient": {"date": ("birth_date",), "identifier": ("identifiers",)},
    "Practitioner": {"identifier": ("npi", "identifiers")},
    "Location": {"status": ("active",), "identifier": ("npi", "identifiers")},
    "Organization": {"identifier": ("npi", "tax_id", "identifiers")},
    "Payer": {"identifier": ("payer_id", "originating_id", "identifiers")},
    "Slot": {"date": ("start",), "status": ("status",)},
    "Visit": {"date": ("start", "service_date", "end", "status"), "status": ("status",)},
    "Referral": {"date": ("signed_on",), "status": ("status",), "identifier": ("number",)},
    "EpisodeOfCare": {"date": ("started_on", "discharged_on"), "status": ("status",)},
    "PlanOfCare": {"date": ("certified_from", "certified_to"), "status": ("status",)},
    "Task": {"date": ("created_at",), "status": ("state",)},
    "Coverage": {"date": ("starts_on", "ends_on"), "status": ("active",), "identifier": ("member_id",)},
    "Benefit": {"date": ("checked_at",)},
    "Authorization": {
        "date": ("decided_at", "requested_at"), "status": ("status",), "identifier": ("tracking_number", "number"),
    },
    "Claim": {"date": ("submitted_at",), "status": ("status",), "identifier": ("control_number",)},
    "ClaimPayment": {
        "date": ("starts_on", "ends_on"), "identifier": ("payer_claim_number", "patient_control_number"),
    },
    "Remittance": {"date": ("payment_date",), "identifier": ("trace_number",)},
}  # fmt: skip
"""Record type -> search parameter -> the fields it is made of.

A client is answered from the index only where its view grants all of these: of a record that it sees in part, the index
knows more than the client may, and how many pages a search has would tell of it.
"""


def words(type: str, resource: Json) -> Iterator[tuple[str, str]]:
    """(parameter, word) of everything that a record, shown whole as this resource, is found by."""
    offered = FIELDS[type]
    if "status" in offered and isinstance(resource.get("status"), str):
        yield "status", resource["status"]
    if "identifier" in offered:
        for one in identifiers(resource):
            if isinstance(one.get("value"), str):
                yield "identifier", one["value"]
    if "date" in offered:
        yield from (("date", word) for word in _days(resource))


def _days(resource: Json) -> list[str]:
    found = extent(dated(resource))
    if found is None:
        return []
    first, last = found[0] // _DAY, (found[1] - 1) // _DAY
    days = range(first, last + 1)
    if len(days) > MOST_DAYS or first < FIRST.toordinal() - _ZERO or last >= END.toordinal() - _ZERO:
        return [FAR]
    return [day_word(_day(one)) for one in days]


@lru_cache(4096)
def day_word(day: date) -> str:
    """The word of one day."""
    return f"{day:%Y-%m-%d}"


def above(word: str) -> tuple[str, ...]:
    """The day itself, its month and its year, as they are noted once there is a record; nothing for another word."""
    return (word, word[:7], word[:4]) if len(word) == 10 else ()


def span(ranges: Sequence[Range]) -> tuple[date, date] | None:
    """First and last day on which a record can be that lies in all these ranges; None when days do not tell."""
    low, high = FIRST, END - timedelta(days=1)
    for one in ranges:
        start, end = _day_of(one.start), _day_of(one.end - 1)
        match one.prefix:
            case "ne":
                return None
            case "eq":
                return (max(start, FIRST), min(end, END - timedelta(days=1))) if end >= FIRST and start < END else None
            case "gt" | "sa":
                low = max(low, _day_of(one.end))
            case "ge":
                low = max(low, start)
            case "lt" | "eb":
                high = min(high, _day_of(one.start - 1))
            case "le":
                high = min(high, end)
    return (low, high) if low <= high else None


def years(low: date, high: date) -> list[str]:
    """Words of the years from one day to another."""
    return [f"{year:04d}" for year in range(low.year, high.year + 1)]


def months(year: str, low: date, high: date) -> list[str]:
    """Words of a year's months from one day to another."""
    words = (f"{year}-{month:02d}" for month in range(1, 13))
    return [word for word in words if f"{low:%Y-%m}" <= word <= f"{high:%Y-%m}"]


def days(month: str, low: date, high: date) -> list[str]:
    """Words of a month's days from one day to another."""
    first = date.fromisoformat(f"{month}-01")
    found = (first + timedelta(days=number) for number in range(31))
    return [day_word(day) for day in found if day.month == first.month and low <= day <= high]


def _day(number: int) -> date:
    return date.fromordinal(number + _ZERO)


def _day_of(micros: int) -> date:
    try:
        return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)).date()
    except OverflowError:  # before the first year or behind the last one that there is
        return date.min if micros < 0 else date.max
