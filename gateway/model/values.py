"""Value types that every canonical type is made of, and the checks that keep them honest.

A check raises :class:`Refused`, which names the field and never the value.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Context, Decimal, Inexact, InvalidOperation
from functools import lru_cache
from typing import Annotated
from zoneinfo import ZoneInfo

from msgspec import Meta, Struct

CENT = Decimal("0.01")
ZERO = Decimal("0.00")
_EXACT = Context(prec=28, traps=[Inexact, InvalidOperation])
_AMOUNT = re.compile(r"[+-]?(?:\d{1,18}(?:\.\d{0,18})?|\.\d{1,18})", re.ASCII)

Money = Annotated[Decimal, Meta(extra_json_schema={"pattern": r"^-?\d+\.\d\d$"})]
"""An amount in US dollars with exactly two places; in JSON a string, so that no reader makes a float of it."""

Instant = Annotated[datetime, Meta(tz=True)]
"""A point in time with its offset; a time without one is refused."""

Zone = Annotated[str, Meta(extra_json_schema={"examples": ["America/Chicago"]})]
"""IANA time zone name of the clinic, so that the time on the clinic's wall can be shown again."""


class Refused(ValueError):
    """A field's value breaks a rule of its type; ``field`` names it, the text says which rule."""

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(rule)
        self.field = field


@lru_cache(maxsize=4096)  # a fee schedule has few amounts, a file of claims names them again and again
def money(text: str) -> Decimal:
    """Read an amount from text (``34``, ``-5.5``, ``.50``) as a Decimal with two places, without rounding.

    Raises ``ValueError`` for anything that is not a plain decimal number or would lose a digit after the second place.
    """
    if _AMOUNT.fullmatch(text) is None:
        raise ValueError("not a plain decimal amount")
    try:
        amount = Decimal(text).quantize(CENT, context=_EXACT)
    except Inexact:
        raise ValueError("an amount has two places, this has more") from None
    return amount or ZERO  # -0.00 equals 0.00 but reads differently, and would change a record's hash


def check_money(record: Struct, *fields: str) -> None:
    """Refuse an amount that does not have exactly two places; ``same_quantum`` is also false for NaN and infinity."""
    for field in fields:
        amount = getattr(record, field)
        if amount is not None and not amount.same_quantum(CENT):
            raise Refused(field, "money must have exactly two places")


@lru_cache(maxsize=1024)
def is_zone(name: str) -> bool:
    """Whether ``name`` is a time zone of the IANA database."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown; not a relative path; a folder of zones
        return False
    return True


def wall_day(at: datetime, zone: str | None) -> date:
    """The day on the clinic's wall at a point in time: late in the evening UTC is a day ahead of most of America.

    Where no zone is known it is the day of the time's own offset.
    """
    return (at.astimezone(ZoneInfo(zone)) if zone else at).date()


def check_zone(record: Struct, field: str = "zone") -> None:
    """Refuse a zone that the IANA database does not know."""
    name = getattr(record, field)
    if name is not None and not is_zone(name):
        raise Refused(field, "not an IANA time zone")
