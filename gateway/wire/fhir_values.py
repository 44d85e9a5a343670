"""FHIR values made of canonical ones. What is absent or was not granted stays absent, or says that it is masked.

Records come as plain JSON objects that hold the granted fields and no others, so nothing here can show more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from gateway.model import fhir_places

Json = dict[str, Any]
Fields = Mapping[str, Any]

OURS = fhir_places.OURS
NPI = "http://hl7.org/fhir/sid/us-npi"
ICD = "http://hl7.org/fhir/sid/icd-10-cm"
CPT = "http://www.ama-assn.org/go/cpt"
HCPCS = "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets"
CARC = "https://x12.org/codes/claim-adjustment-reason-codes"
TERMS = "http://terminology.hl7.org/CodeSystem/"
_ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
MASKED = [{"url": _ABSENT, "valueCode": "masked"}]
UNSUPPORTED: Json = {"extension": [{"url": _ABSENT, "valueCode": "unsupported"}]}
"""A required object that no record of the gateway holds, whatever a view grants."""
UNKNOWN = "unknown"
"""Where the standard's own list of states has a word for a state that nobody told, it says so better than silence."""
_HCPCS = re.compile(r"[A-V]\d{4}|[A-OQ-Z][A-Z0-9]|P[A-Z]", re.ASCII)
_CPT = re.compile(r"\d{4}[A-Z0-9]|\d[A-Z0-9]|P[1-6]", re.ASCII)
"""Forms of codes and modifiers of HCPCS level II, and of CPT. Clinics bill by words of their own as well."""
_CODE = re.compile(r"[^\s]+( [^\s]+)*")
_URI = re.compile(r"(https?://|urn:)\S+")
_USES = {"home", "work", "mobile", "temp", "old", "billing"}


def clean(parts: Json) -> Json:
    """The object without what is absent: None, empty texts, lists and objects."""
    return {name: value for name, value in parts.items() if value is not None and value not in ("", [], {})}


def text(value: Any) -> str | None:
    """A FHIR string: not empty, not blank, without control characters."""
    if value is None:
        return None
    kept = str(value)
    if not kept.isprintable():
        kept = "".join(char if char.isprintable() or char in "\t\r\n" else " " for char in kept)
    return kept.strip() or None


def code(value: Any) -> str | None:
    """A FHIR code; None when the value has no such form."""
    kept = text(value)
    return kept if kept is not None and _CODE.fullmatch(kept) else None


def concept(value: Any, system: str | None = None, words: Any = None) -> Json | None:
    """A CodeableConcept: coded when there is a system, and in words."""
    kept = code(value) if system is not None else None
    coding = [{"system": system, "code": kept}] if kept is not None else None
    return clean({"coding": coding, "text": text(words if words is not None else value)}) or None


def concepts(values: Iterable[Any], system: str | None = None) -> list[Json]:
    """Several, without those that say nothing."""
    return [one for value in values if (one := concept(value, system)) is not None]


def billed(value: Any) -> Json | None:
    """The code of a service, or of what modifies it, with the list that it is from: CPT, level II of HCPCS, or none."""
    kept = str(value)
    return concept(value, HCPCS if _HCPCS.fullmatch(kept) else CPT if _CPT.fullmatch(kept) else None)


def reference(type: str, id: Any) -> Json | None:
    """A reference to a resource of ours."""
    return None if id is None else {"reference": f"{type}/{id}"}


def must(found: Any) -> Any:
    """A required reference or object that was not granted says so."""
    return found or {"extension": MASKED}


def required(resource: Json, name: str, value: Any) -> None:
    """Set a required value, or say that it is masked, the way FHIR says it of a value that is not an object."""
    if value is None:
        resource[f"_{name}"] = {"extension": MASKED}
    else:
        resource[name] = value


def by_code(value: Any, system: str) -> Json | None:
    """A logical reference: the target is known by its code alone, as a diagnosis is."""
    kept = text(value)
    return None if kept is None else {"identifier": {"system": system, "value": kept}}


def extension(name: str, kind: str, value: Any) -> list[Json]:
    """An extension of ours, none without a value."""
    return [] if value is None or value == {} else [{"url": f"{OURS}{name}", f"value{kind}": value}]


def zone(fields: Fields) -> list[Json]:
    """The clinic's time zone."""
    found = code(fields.get("zone"))
    url = "http://hl7.org/fhir/StructureDefinition/timezone"
    return [] if found is None else [{"url": url, "valueCode": found}]


def period(start: Any, end: Any) -> Json | None:
    """A Period; what ends before it begins has no end."""
    if start is not None and end is not None and str(end)[:10] < str(start)[:10]:
        end = None
    return clean({"start": start, "end": end}) or None


def number(value: Any) -> Decimal | None:
    """A decimal as FHIR wants it: a number, with its places."""
    if value is None:
        return None
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def money(value: Any) -> Json | None:
    """US dollars."""
    found = number(value)
    return None if found is None else {"value": found, "currency": "USD"}


def quantity(value: Any) -> Json | None:
    """A simple quantity."""
    found = number(value)
    return None if found is None else {"value": found}


def counted(value: Any, least: int = 0) -> int | None:
    """A positive or unsigned integer; what is less has no place in FHIR."""
    return value if isinstance(value, int) and least <= value < 2**31 else None


def identifier(value: Any, system: str | None = None, words: str | None = None) -> list[Json]:
    """One identifier, none without a value."""
    kept = text(value)
    return [] if kept is None else [clean({"system": system, "value": kept, "type": concept(words)})]


def identifiers(found: Iterable[Fields]) -> list[Json]:
    """Identifiers as others assigned them."""
    made = []
    for one in found or ():
        authority = text(one.get("authority"))
        uri = authority if authority and _URI.fullmatch(authority) else None
        made.append(
            clean(
                {
                    "value": text(one.get("value")),
                    "system": uri,
                    "assigner": {"display": authority} if authority and uri is None else None,
                    "type": concept(one.get("type"), f"{TERMS}v2-0203"),
                }
            )
        )
    return [one for one in made if one]


def human_name(name: Fields | None, use: str | None = "official") -> list[Json]:
    """HumanNames of one name: the name itself, and what the person wants to be called."""
    if not name:
        return []
    given = [one for part in ("given", "middle") if (one := text(name.get(part)))]
    parts = clean(
        {
            "text": text(name.get("text")),
            "family": text(name.get("family")),
            "given": given,
            "prefix": [one] if (one := text(name.get("prefix"))) else None,
            "suffix": [one] if (one := text(name.get("suffix"))) else None,
        }
    )
    made = [clean({"use": use, **parts})] if parts else []
    called = text(name.get("preferred"))
    return made + ([{"use": "nickname", "given": [called]}] if called else [])


def telecom(contacts: Iterable[Fields]) -> list[Json]:
    """Ways to reach somebody."""
    return [
        clean({"system": one.get("system"), "value": text(one.get("value")), "use": _use(one)})
        for one in contacts or ()
        if text(one.get("value"))
    ]


def address(found: Fields | None) -> Json | None:
    """A postal address."""
    if not found:
        return None
    lines = [one for line in found.get("lines", ()) if (one := text(line))]
    parts = {name: text(found.get(name)) for name in ("city", "state", "country")}
    return clean({"use": _use(found), "line": lines, **parts, "postalCode": text(found.get("postal_code"))}) or None


def addresses(found: Iterable[Fields]) -> list[Json]:
    """Postal addresses."""
    return [one for place in found or () if (one := address(place))]


def _use(one: Fields) -> str | None:
    use = one.get("use")
    return use if use in _USES else None
