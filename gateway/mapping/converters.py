"""Converters of single values: from what a source wrote to what the canonical model holds.

A converter gets a scalar as the source wrote it (text, or a JSON number or boolean) and returns the canonical value,
None when there is nothing in it, or ``NULL`` when it says that there is no value. What it cannot read raises
:class:`~gateway.mapping.times.Unconvertible`, which names the trouble and never the value.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from decimal import Decimal
from functools import lru_cache
from typing import Any

from gateway.mapping import times
from gateway.mapping.times import Unconvertible
from gateway.model import values
from gateway.model.null import NULL, Null

Convert = Callable[[Any], Any]

DIGITS = 18
"""X12 and SQL both end at 18 digits; longer numbers are a slip of the sender."""
TRUE = frozenset({"Y", "YES", "TRUE", "T", "1"})
FALSE = frozenset({"N", "NO", "FALSE", "F", "0"})
NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)\Z")
NOT_DIGITS = re.compile(r"[^0-9]+")
NORTH_AMERICAN = re.compile(r"1?([2-9][0-9]{2}[2-9][0-9]{6})\Z")
PHONE_SIGNS = re.compile(r"[0-9+().\-/ ]+\Z")


def text(raw: Any) -> str | None:
    """Text without surrounding white space; None when nothing is left."""
    if type(raw) is not str:
        raw = scalar(raw)
    return raw.strip() or None


def scalar(raw: Any) -> str:
    """A JSON number or boolean in the source's spelling."""
    if isinstance(raw, bool):
        return "true" if raw else "false"
    if isinstance(raw, (str, int, float, Decimal)):
        return str(raw)
    raise Unconvertible("not-a-value", "there is a list or an object where a single value is expected")


def code(raw: Any) -> str | None:
    """A code: trimmed, in capitals."""
    found = text(raw)
    return found.upper() if found else None


def integer(raw: Any) -> int | None:
    """A whole number of at most 18 digits."""
    found = text(raw)
    if found is None:
        return None
    digits = found[1:] if found[0] in "+-" else found
    if not (digits.isascii() and digits.isdigit()) or len(digits) > DIGITS:
        raise Unconvertible("not-an-integer", "the value is not a whole number")
    return int(found)


def boolean(raw: Any) -> bool | None:
    """Yes or no, as HL7 table 0136, X12 and JSON write it."""
    if raw is True or raw is False:
        return raw
    found = code(raw)
    if found is None:
        return None
    if found in TRUE:
        return True
    if found in FALSE:
        return False
    raise Unconvertible("not-a-boolean", "the value is neither yes nor no")


def decimal(raw: Any) -> Decimal | None:
    """An exact number without exponent, as many places as were sent."""
    found = text(raw)
    if found is None:
        return None
    return exact(found)


@lru_cache(maxsize=4096)  # units, minutes and quantities are few, and each is sent again and again
def exact(found: str) -> Decimal:
    """A number without white space around it."""
    if NUMBER.match(found) is None or len(found) > DIGITS + 2:
        raise Unconvertible("not-a-number", "the value is not a decimal number")
    return Decimal(found)


def money(raw: Any) -> Decimal | None:
    """An amount with two places; a fraction of a cent is refused, since rounding would unbalance it."""
    found = text(raw)
    if found is None:
        return None
    try:
        return values.money(found)
    except ValueError as error:  # its message names the rule, not the value
        raise Unconvertible("not-money", f"the value is no amount: {error}") from None


def e164(raw: Any) -> str | None:
    """A telephone number in E.164; None when that would take guessing: neither North American nor with a code."""
    found = text(raw)
    if found is None or PHONE_SIGNS.match(found) is None:
        return None
    digits = NOT_DIGITS.sub("", found)
    if found[0] == "+":
        return "+" + digits if 8 <= len(digits) <= 15 else None
    match = NORTH_AMERICAN.match(digits)
    return "+1" + match[1] if match else None


def phone(raw: Any) -> str | None:
    """A telephone number in E.164 where that takes no guessing; otherwise as sent."""
    return e164(raw) or text(raw)


def email(raw: Any) -> str | None:
    """An address with its domain in small letters; otherwise as sent, for a wrong contact must not stop a visit."""
    found = text(raw)
    if found is None:
        return None
    local, at, domain = found.rpartition("@")
    return f"{local}@{domain.lower()}" if at and local and domain else found


def last_segment(raw: Any) -> str | None:
    """The last segment of a URL's path: the id in a link."""
    found = text(raw)
    if found is None:
        return None
    path = found.partition("?")[0].partition("#")[0]
    if "://" in path:
        path = path.partition("://")[2].partition("/")[2]
    return path.rstrip("/").rpartition("/")[2] or None


def family_name(raw: Any) -> str | None:
    """The family name in a written name: before the comma, or the last word."""
    found = text(raw)
    if found is None:
        return None
    family, comma, _ = found.partition(",")
    return family.strip() or None if comma else found.split()[-1]


def given_names(raw: Any) -> str | None:
    """The given names in a written name: after the comma, or all words but the last."""
    found = text(raw)
    if found is None:
        return None
    _, comma, given = found.partition(",")
    return " ".join(given.split() if comma else found.split()[:-1]) or None


def zone(raw: Any) -> str | None:
    """An IANA time zone name."""
    found = text(raw)
    if found is not None and not values.is_zone(found):
        raise Unconvertible("not-a-zone", "the value is not an IANA time zone")
    return found


def day(raw: Any) -> date | Null | None:
    """A date; ``NULL`` when only a year or a month was sent, which ``partial_date`` keeps."""
    found = text(raw)
    return None if found is None else whole_day(found)


def whole_day(found: str) -> date | Null:
    """The same of text without white space around it."""
    return times.read_date(found) or NULL


def partial_date(raw: Any) -> str | Null | None:
    """A year or a month alone, as sent; ``NULL`` when the date is whole."""
    found = text(raw)
    if found is None:
        return None
    return found if times.read_date(found) is None else NULL


def _in_zone(read: Callable[[str, tzinfo | None], Any]) -> Callable[[tzinfo | None], Convert]:
    """A converter of times that reads what has no offset on the clock of the bound zone."""

    def bind(clinic: tzinfo | None) -> Convert:
        # Schedules name the same few thousand times again and again.
        known = lru_cache(maxsize=4096)(lambda found: read(found, clinic))

        def convert(raw: Any) -> Any:
            found = text(raw)
            return None if found is None else known(found)

        return convert

    return bind


@dataclass(frozen=True, slots=True)
class Converter:
    """How to make the conversion for a clinic's zone, and what type it yields (for ``gateway mappings check``)."""

    yields: type
    bind: Callable[[tzinfo | None], Convert]


def _plain(convert: Convert, yields: type) -> Converter:
    return Converter(yields, lambda _zone: convert)


CONVERTERS: dict[str, Converter] = {
    "boolean": _plain(boolean, bool),
    "code": _plain(code, str),
    "date": _plain(day, date),
    "datetime": Converter(datetime, _in_zone(times.moment)),
    "datetime_if_timed": Converter(datetime, _in_zone(times.moment_if_timed)),
    "datetime_or_day": Converter(datetime, _in_zone(times.moment_or_midnight)),
    "decimal": _plain(decimal, Decimal),
    "e164": _plain(e164, str),
    "email": _plain(email, str),
    "family_name": _plain(family_name, str),
    "given_names": _plain(given_names, str),
    "instant": Converter(str, _in_zone(times.instant)),
    "integer": _plain(integer, int),
    "last_segment": _plain(last_segment, str),
    "money": _plain(money, Decimal),
    "partial_date": _plain(partial_date, str),
    "phone": _plain(phone, str),
    "text": _plain(text, str),
    "time_as_sent": Converter(str, _in_zone(times.as_sent)),
    "zone": _plain(zone, str),
}
"""Every converter by the name that ``to`` uses."""
TRIMMED: dict[Convert, Convert] = {code: str.upper, day: whole_day, decimal: exact}
"""What makes the same of text that is neither empty nor has white space around it, for files of many rows."""
