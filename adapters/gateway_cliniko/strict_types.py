"""The types that the documented schema is written with."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

Id = Annotated[str, Meta(pattern=r"^\d{1,19}$")]
Utc = Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")]
MaybeUtc = Utc | None
Text = str | None
Text255 = Annotated[str, Meta(max_length=255)] | None
Name = Annotated[str, Meta(max_length=255)]
Flag = bool | None
Amount = Annotated[str, Meta(pattern=r"^-?\d{1,10}(\.\d{1,6})?$")]


class _Self(msgspec.Struct, forbid_unknown_fields=True):
    self: Annotated[str, Meta(pattern=r"^https?://")]


class Link(msgspec.Struct, forbid_unknown_fields=True):
    links: _Self


class Phone(msgspec.Struct, forbid_unknown_fields=True):
    number: Text = None
    normalized_number: Text = None
    phone_type: Literal["Fax", "Home", "Mobile", "Other", "Work"] | None = None


class Pronouns(msgspec.Struct, forbid_unknown_fields=True):
    accusative: Annotated[str, Meta(max_length=50)] | None = None
    nominative: Annotated[str, Meta(max_length=50)] | None = None
    predicative_possessive: Annotated[str, Meta(max_length=50)] | None = None
    pronominal_possessive: Annotated[str, Meta(max_length=50)] | None = None
    reflexive: Annotated[str, Meta(max_length=50)] | None = None


class Repeat(msgspec.Struct, forbid_unknown_fields=True):
    number_of_repeats: Annotated[int, Meta(ge=0, le=51)] | None = None
    repeat_type: Literal["Daily", "Monthly", "Weekly"] | None = None
    repeating_interval: Annotated[int, Meta(ge=0, le=100)] | None = None


def every(kind: Any, *names: str) -> dict[str, Any]:
    return dict.fromkeys(names, kind)


EVERY: dict[str, Any] = {"id": Id, "created_at": Utc, "updated_at": Utc, "links": _Self}
