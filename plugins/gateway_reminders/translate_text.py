"""What patients read: templates reviewed when they are loaded, filled with the few fields that may stand in them. Pure.

A text message is one segment: 160 characters of the GSM 03.38 alphabet; a letter outside of it would cut that to 70.
"""

from __future__ import annotations

import re
import string
import tomllib
import unicodedata
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any

SEGMENT = 160
LIMITS = {"sms": SEGMENT, "voice": 600, "subject": 78, "email": 2000}
KINDS = ("visit", "rebook", "authorization", "plan-of-care")
LANGUAGES = ("en", "es")

_GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_DAYS = {
    "en": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
    "es": ("lun", "mar", "mie", "jue", "vie", "sab", "dom"),
}
_MONTHS = {
    "en": ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
    "es": ("ene", "feb", "mar", "abr", "may", "jun", "jul", "ago", "sep", "oct", "nov", "dic"),
}


@cache
def _data() -> dict[str, Any]:
    return tomllib.loads(files("gateway_reminders").joinpath("translate_templates.toml").read_text("utf-8"))


@cache
def shipped() -> dict[str, str]:
    """Every shipped template by name: ``visit.sms.en``."""
    data = _data()
    return {
        f"{kind}.{form}.{language}": data[kind][form][language]
        for kind in KINDS
        for form in LIMITS
        for language in LANGUAGES
    }


def faults(name: str, text: str) -> Iterator[str]:
    """What is wrong with a template, without its text."""
    if name not in shipped():
        yield "is no template; use kind.form.language, such as visit.sms.en"
        return
    form, widths = name.split(".")[1], _data()["widths"]
    try:
        fields = [(field, spec, how) for _, field, spec, how in string.Formatter().parse(text) if field is not None]
    except ValueError:
        yield "has a brace that opens or closes nothing"
        return
    strange = sorted({field for field, spec, how in fields if field not in widths or spec or how})
    if strange:
        yield f"names a field that is not among {', '.join(sorted(widths))}"
        return
    widest = text.format(**{field: "x" * width for field, width in widths.items()})
    if len(widest) > LIMITS[form]:
        yield f"has up to {len(widest)} characters, {LIMITS[form]} are allowed"
    if form == "sms" and set(widest) - _GSM:
        yield "has a letter outside the alphabet of text messages"
    words = {plain(word) for word in re.findall(r"\w+", text.lower())}
    if words & {plain(word) for word in _data()["forbidden"]["words"]}:
        yield "has a word of billing or treatment"


def reviewed(templates: dict[str, str]) -> dict[str, str]:
    """The same templates, after the review.

    Raises:
        ValueError: one breaks a rule; the text names which, not what it says.
    """
    found = [f"{name} {fault}" for name, text in templates.items() for fault in faults(name, text)]
    if found:
        raise ValueError("; ".join(found))
    return templates


def plain(text: str) -> str:
    """Without accents, for what is compared or must fit the alphabet of text messages."""
    return "".join(sign for sign in unicodedata.normalize("NFKD", text) if not unicodedata.combining(sign))


def fields(name: str, clinic: str, phone: str, start: datetime | None, language: str, count: int = 0) -> dict[str, str]:
    """The values of all fields; ``start`` is on the clinic's clock."""
    day = clock = ""
    if start is not None:
        weekday, month = _DAYS[language][start.weekday()], _MONTHS[language][start.month - 1]
        day = f"{weekday} {month} {start.day}" if language == "en" else f"{weekday} {start.day} {month}"
        clock = f"{start.hour % 12 or 12}:{start.minute:02d} {'AM' if start.hour < 12 else 'PM'}"
    return {"name": name, "day": day, "time": clock, "clinic": clinic, "phone": phone, "count": str(count)}


def render(own: Mapping[str, str], kind: str, form: str, language: str, values: Mapping[str, str]) -> str:
    """One text. In a text message each value is cut to its width and spelled in the alphabet of text messages."""
    name = f"{kind}.{form}.{language}"
    template = own.get(name) or shipped()[name]
    if form == "sms":
        widths = _data()["widths"]
        values = {field: _narrow(value)[: widths[field]].strip() for field, value in values.items()}
    told = re.sub(" {2,}", " ", template.format(**values))
    return re.sub(r" +([,.:])", r"\1", told).replace(":,", ":").strip()  # where a patient has no name


def _narrow(text: str) -> str:
    spelled = "".join(sign if sign in _GSM else plain(sign) for sign in text)
    return "".join(sign for sign in spelled if sign in _GSM and sign >= " ")


def language_of(tag: str | None) -> str:
    """The language of the templates for a patient's own."""
    return "es" if (tag or "").lower().startswith("es") else "en"
