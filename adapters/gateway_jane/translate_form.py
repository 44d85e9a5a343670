"""The form of a message: which fields it has, and what a mapping's places are made of."""

from __future__ import annotations

from gateway.model.form import Form
from gateway.wire.json_form import members, without_member
from gateway_jane.records import KINDS, context
from gateway_jane.translate import DERIVED


def form(body: bytes, told: bytes) -> Form | None:
    """The fields of an item of the API; events of a feed are no JSON."""
    kind = context(told).kind
    return Form(kind, members(body)) if kind in KINDS else None


def origins(path: str) -> tuple[str, ...]:
    """The API's fields behind a place of a mapping."""
    name = path.removeprefix("itself.").partition("#")[0].partition(".")[0]
    return DERIVED.get(name, (name,))


def without(body: bytes, told: bytes, place: str) -> bytes | None:
    """An item without one field."""
    del told  # an item is an object of fields, whatever it is
    return without_member(body, place)
