"""The form of a message: which fields it has, and what a mapping's places are made of."""

from __future__ import annotations

from gateway.model.form import Form
from gateway.wire.json_form import members, without_member
from gateway_spry.records import APPOINTMENT, EVENTS, context
from gateway_spry.translate import MADE


def form(body: bytes, told: bytes) -> Form | None:
    """The fields of an item; a notice says too little to have a form. The status is called ``state`` everywhere."""
    found = context(told)
    if found.kind in EVENTS:
        return None
    places = members(body)
    if found.kind == APPOINTMENT and found.status_field in places:
        places["state"] = places[found.status_field]
    return Form(found.kind, places)


def origins(path: str) -> tuple[str, ...]:
    """The API's fields behind a place of a mapping."""
    name = path.removeprefix("itself.").partition(".")[0].partition("@")[0]
    return ("state",) if name == "state" else MADE.get(name, (name,))


def without(body: bytes, told: bytes, place: str) -> bytes | None:
    """An item without one field; of a notice everything is needed."""
    return None if context(told).kind in EVENTS else without_member(body, place)
