"""The form of a message: which fields it has, what a mapping's places are made of, and reading around one of them."""

from __future__ import annotations

import msgspec

from gateway.model.form import Form
from gateway.wire.json_form import members, without_member
from gateway_cliniko.records import JOINED
from gateway_cliniko.translate import DERIVED, READ_HERE, kind_told

PARTIES = {"0": "", "1": "contact_doctor", "2": "contact_payer"}
"""``type_code`` of a contact: the kind by which a mapping knows it."""


def form(body: bytes, context: bytes) -> Form | None:
    """The fields of a row; rows that were joined are looked at when they are read, not for their form."""
    kind = kind_told(context)
    if kind in JOINED:
        return None
    places = members(body)
    if kind == "contacts":
        kind = PARTIES.get(bytes(places.get("type_code", b"")).decode(), "")
    return Form(kind, places) if kind else None


def origins(path: str) -> tuple[str, ...]:
    """The API's fields behind a place of a mapping."""
    name = path.partition("#")[0]
    return DERIVED.get(name.partition(".")[0]) or (name.removeprefix("itself.").partition(".")[0],)


def without(body: bytes, context: bytes, place: str) -> bytes | None:
    """A row without one field; joined rows are read as a whole, and some fields say what a row is."""
    try:
        kind = kind_told(context)
    except msgspec.DecodeError:
        return None
    return None if kind in JOINED or place in READ_HERE else without_member(body, place)
