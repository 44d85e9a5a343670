"""Source records to patches: the mapping says which field becomes what, this says what a whole item means."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from gateway.errors import InvalidConfiguration, InvalidContent
from gateway.model.null import NULL
from gateway.model.patch import Normalized
from gateway_jane.records import KINDS, Context, Record, context, decode
from gateway_jane.records_feed import EVENTS, GONE, decode_event

if TYPE_CHECKING:
    from gateway.mapping import Mapping
    from gateway_jane.config import JaneConfig

DERIVED = {
    "telecom": ("email", "work_phone", "fax_phone", "phone", "fax", "phone_numbers"),
    "type": (),
    "zone": (),
    "itself": (),
}
"""Places made here: ways to reach someone as one list, and what the clinic says elsewhere."""
_SILENT = frozenset({"id", "patient_id", "mobile_phone_number", "mobile_country_code", "deep_links"})
_NAME = re.compile(r"\.?[a-z][a-z_0-9]{0,63}(#[a-z-]{1,32})?")
_EMPTY: tuple[object, ...] = (None, "", False, [], {})
_CURE = "Correct it at the source, or let a mapping of your own read it otherwise."
_PHONES = {"work_phone": "work", "phone": "work", "fax_phone": "fax", "fax": "fax"}


def path(text: str) -> Callable[[object], Any]:
    """A reader of one field by the API's own name; ``id#word`` gives the id with the word behind it."""
    if _NAME.fullmatch(text) is None:
        raise InvalidConfiguration(
            "A mapping names no field of this API", where=text[:64], fix="Use the field's own name, such as start_at."
        )
    name, mark, word = text.removeprefix(".").partition("#")

    def read(record: object) -> Any:
        fields: Record = record  # type: ignore[assignment]  # the core hands over what decode made
        if name not in fields:
            return None
        value = fields[name]
        if value is None or value == "":
            return NULL
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, list):
            return value or NULL
        if isinstance(value, dict):
            raise InvalidContent("wrong-type", "The value is of another type than documented", where=name, fix=_CURE)
        return f"{value}{mark}{word}"

    return read


def normalizer(config: JaneConfig, mapping: Mapping) -> Callable[[bytes, bytes], Normalized]:
    """A pure function from one item's bytes, with its context, to patches."""
    read = {kind: _SILENT | frozenset(_sources(kind, mapping)) for kind in KINDS}

    def normalize(body: bytes, told: bytes) -> Normalized:
        found = _context(told)
        if found.kind in (EVENTS, GONE):
            event = decode_event(body, found, config.feed_zone or "UTC")
            unread = tuple(event.pop("residue", ()))
            return Normalized(patches=tuple(mapping.patches(found.kind, event)), residue=unread)
        record = decode(body)
        shown = record | {"telecom": list(_telecom(record)), "itself": [record]} | _known(found)
        residue = tuple(name for name, value in record.items() if name not in read[found.kind] and value not in _EMPTY)
        return Normalized(patches=tuple(mapping.patches(found.kind, shown)), residue=residue)

    return normalize


def _context(told: bytes) -> Context:
    try:
        found = context(told)
    except msgspec.DecodeError:
        raise InvalidContent("unknown-kind", "The message says not what it is", where="context", fix=_CURE) from None
    if found.kind not in (*KINDS, EVENTS, GONE):
        raise InvalidContent("unknown-kind", "No such resource is read from this API", where="kind", fix=_CURE)
    return found


def _known(found: Context) -> Record:
    return {name: value for name, value in (("type", found.type), ("zone", found.zone)) if value}


def _sources(kind: str, mapping: Mapping) -> Iterator[str]:
    for name in mapping.covered(kind):
        plain = name.removeprefix("itself.").partition("#")[0].partition(".")[0]
        yield from DERIVED.get(plain, (plain,))


def _telecom(record: Record) -> Iterator[Record]:
    """Telephone numbers, the first of all the one marked as primary, then single numbers, then the e-mail address."""
    numbers = record.get("phone_numbers")
    listed = [one for one in numbers if isinstance(one, dict)] if isinstance(numbers, list) else []
    for one in sorted(listed, key=lambda one: one.get("is_primary") is not True):
        yield {"kind": one.get("type"), "number": one.get("number")}
    yield from ({"kind": kind, "number": record[name]} for name, kind in _PHONES.items() if record.get(name))
    if record.get("email"):
        yield {"kind": "email", "number": record["email"]}
