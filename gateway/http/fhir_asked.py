"""What is asked of a bulk export: by the parameters of an address, or by a Parameters resource that is posted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from gateway.http.directory import Principal
from gateway.http.fhir_dates import parse_range
from gateway.http.fhir_search import OF_NOBODY, check_format, place_name
from gateway.http.refusal import bad
from gateway.model.fhir_places import RESOURCES

NDJSON = "application/fhir+ndjson"
COMPARTMENT = frozenset(RESOURCES) - (OF_NOBODY - {"Patient"})
"""Resources that are about one patient: what an export of all patients holds, and others only where they are named."""
_OFFERED = ("_type", "_since", "_outputFormat", "_format")
_FORMS = {"ndjson", "application/ndjson", NDJSON}
_MOST = 50
"""Parameters of one question."""


class Asked(Struct, frozen=True, kw_only=True):
    """One export as it is kept."""

    types: tuple[str, ...]
    """The resources, one file each."""
    since: int | None = None
    """Only what changed at this time or later, microseconds."""
    request: str
    """The address that was asked, without the server."""
    of_patients: bool = False
    """Whether what is of no patient is left out, of resources that can be of one."""
    damaged: dict[str, tuple[str, ...]] = {}
    """Resource -> the records that its file lacks, once it was read to its end."""


def asked_of(
    pairs: Sequence[tuple[str, str]], principal: Principal, request: str, *, of_patients: bool, lenient: bool
) -> tuple[Asked, list[str]]:
    """The export, and the names of what was left out for a lenient client.

    Raises:
        HttpRefusal: 400 for what is not offered or has a wrong form, 403 for what this client may not see.
    """
    if len(pairs) > _MOST:
        raise bad("Too many parameters", "query")
    ignored: list[str] = []
    types: dict[str, None] = {}
    since: int | None = None
    for name, value in pairs:
        if name not in _OFFERED:
            if not lenient:
                fix = f"Offered: {', '.join(_OFFERED[:3])}; or send Prefer: handling=lenient."
                raise bad("This parameter is not offered", place_name(name), fix)
            ignored.append(name)
        elif name == "_type":
            known = [one for one in value.split(",") if one in RESOURCES]
            if len(known) < len(value.split(",")):
                if not lenient:
                    raise bad("This resource cannot be exported", name, f"Offered: {', '.join(RESOURCES)}.")
                ignored.append(name)
            types |= dict.fromkeys(known)
        elif name == "_since":
            if since is not None:
                raise bad("An export is since one time", name)
            since = _instant(value)
        elif value.replace(" ", "+") in _FORMS:  # + arrives as a space
            pass
        elif name == "_format":
            check_format(value, name)
        else:
            raise bad("Only NDJSON is offered", name, f"Leave it out, or write {NDJSON}.")
    if not types and "_type" in ignored:
        raise bad("None of these resources can be exported", "_type", f"Offered: {', '.join(RESOURCES)}.")
    names = tuple(types) or _seen(principal, COMPARTMENT if of_patients else RESOURCES)
    return Asked(types=names, since=since, request=request, of_patients=of_patients), ignored


def _seen(principal: Principal, offered: Iterable[str]) -> tuple[str, ...]:
    """The resources that this client may see, in their order."""
    held = frozenset(offered)
    return tuple(name for name in RESOURCES if name in held and principal.types.intersection(RESOURCES[name]))


def _instant(value: str) -> int:
    """A time without a prefix: an export has no other order than since."""
    if not value[:1].isdigit():
        raise bad("This is not a time", "_since", "Write 2026-03-02T09:30:00Z.")
    return parse_range(value, "_since").start


def posted(body: bytes) -> list[tuple[str, str]]:
    """The parameters of a Parameters resource, each with its one value as text.

    Raises:
        HttpRefusal: 400 when it is none.
    """
    wrong = bad("This is not a Parameters resource", "body", "Each parameter has a name and one value[x].")
    try:
        found: Any = msgspec.json.decode(body)
        if found["resourceType"] != "Parameters":
            raise wrong
        return [(str(one["name"]), _value(one)) for one in found.get("parameter", ())]
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError, ValueError):
        raise wrong from None


def _value(parameter: Any) -> str:
    (value,) = (value for name, value in parameter.items() if name.startswith("value"))
    return str(value["reference"] if isinstance(value, dict) else value)
