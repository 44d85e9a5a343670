"""Paths into HL7 v2 messages, compiled once to functions.

============================  =======================================================================================
path                          reads
============================  =======================================================================================
``PID-8``                     a whole field, first repetition, exactly as sent but for escapes
``PID-5.1``, ``PID-3.4.1``    a component, a subcomponent
``PID-3[2].1``                the second repetition
``PID-3[MR].1``               the first repetition whose component 5 is ``MR``
``PID-13[2=PRN,3=PH].1``      the first repetition whose component 2 is ``PRN`` and component 3 is ``PH``
``OBX[2]-5``                  the second OBX
``PID-13[*]``                 every non-empty repetition, as records; inside one, ``.1`` and ``PID-13.1`` read it
``AIP[*]``                    every AIP segment, as records; inside one, ``AIP-3.1`` reads it
============================  =======================================================================================

A path reads exactly what it names. The result is None when the place is absent or empty, ``NULL`` when the sender
wrote ``""`` there or at the field around it, a list of records for ``[*]``, and text otherwise. A reader raises only
:class:`~gateway.errors.LimitExceeded`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from gateway.errors import InvalidConfiguration, LimitExceeded
from gateway.model.null import NULL, Null
from gateway.wire.hl7 import HEADERS, MAX_COMPONENTS, NULLED, Message
from gateway.wire.hl7_inline import Component

Value = str | Null | list[Message] | None
Reader = Callable[[Message], Value]
"""Reads one place of a message; see the table above for what it returns."""

MAX_RECORDS = 10_000
"""A ``[*]`` path that would make more records than this is refused."""
_PATH = re.compile(
    r"(?P<segment>[A-Z][A-Z0-9]{2})(?:\[(?P<nth>\d+|\*)\])?"
    r"(?:-(?P<field>\d+)(?:\[(?P<select>[^\]]+)\])?(?:\.(?P<component>\d+)(?:\.(?P<sub>\d+))?)?)?"
)
_RELATIVE = re.compile(r"\.(?:(?P<component>\d+)(?:\.(?P<sub>\d+))?)?")
_CONDITION = re.compile(r"(\d+)=([^,]+)")


class Path(NamedTuple):
    """A path in parts; 0 stands for "not named", ``segment`` is empty for a path relative to a repetition."""

    segment: str
    nth: int
    field: int
    repetition: int
    conditions: tuple[tuple[int, str], ...]
    component: int
    sub: int
    every: str = ""
    """``segment`` or ``repetition`` for a path that yields records."""


@lru_cache(maxsize=4096)
def parse_path(text: str) -> Path:
    """Read a path.

    Raises:
        InvalidConfiguration: the text is not a path.
    """
    relative = _RELATIVE.fullmatch(text)
    if relative is not None:
        return Path("", 1, 0, 1, (), int(relative["component"] or 0), int(relative["sub"] or 0))
    found = _PATH.fullmatch(text)
    if found is None:
        raise _not_a_path(text)
    every = "segment" if found["nth"] == "*" else "repetition" if found["select"] == "*" else ""
    repetition, conditions = _selector(found["select"], text)
    nth = 1 if every == "segment" else int(found["nth"] or 1)
    field, component = int(found["field"] or 0), int(found["component"] or 0)
    if component > MAX_COMPONENTS or any(number > MAX_COMPONENTS for number, _ in conditions):
        raise _not_a_path(text)
    unnumbered = nth == 0 or repetition == 0 or "0" in (found["field"], found["component"], found["sub"])
    if unnumbered or (not every and not field) or (every and (field if every == "segment" else component)):
        raise _not_a_path(text)
    return Path(found["segment"], nth, field, repetition, conditions, component, int(found["sub"] or 0), every)


def _selector(select: str | None, text: str) -> tuple[int, tuple[tuple[int, str], ...]]:
    if select is None or select == "*":
        return 1, ()
    if select.isdigit():
        return int(select), ()
    if "=" not in select:
        return 1, ((5, select),)
    conditions = tuple(_CONDITION.fullmatch(part.strip()) for part in select.split(","))
    if not all(conditions):
        raise _not_a_path(text)
    return 1, tuple((int(found[1]), found[2]) for found in conditions if found)


def _not_a_path(text: str) -> InvalidConfiguration:
    return InvalidConfiguration(
        f"{text!r} is not a path into an HL7 message.", fix="Write it like PID-5.1, PID-3[MR].1 or AIP[*]."
    )


@lru_cache(maxsize=4096)
def compile_path(text: str) -> Reader:
    """Compile a path into a reader of messages.

    Raises:
        InvalidConfiguration: the text is not a path.
    """
    path = parse_path(text)
    if path.every == "segment":
        return _every_segment(path)
    if path.every == "repetition":
        return _every_repetition(path)
    if path.segment in HEADERS and path.field <= 2:
        return _delimiter_field(path)
    place = _place(path)
    return _subcomponent(place, path) if path.sub else _component(place, path)


def _place(path: Path) -> str:
    """The repetition that a path reads in, as text; what two paths have in common is taken apart once."""
    if not path.segment:
        return "."
    segment = path.segment if path.nth == 1 else f"{path.segment}[{path.nth}]"
    if path.conditions:
        return f"{segment}-{path.field}[{path.conditions}]"
    return f"{segment}-{path.field}" if path.repetition == 1 else f"{segment}-{path.field}[{path.repetition}]"


def _component(place: str, path: Path) -> Reader:
    """The common case, on the way of every message: no call that can be spared."""
    component, locate = path.component, _locate(path)

    def take_apart(message: Message) -> list[str]:
        parts = message.parts.get(place)
        if parts is None:
            parts = message.parts[place] = message.components(locate(message))
        return parts

    def read(message: Message) -> Value:
        parts = message.parts.get(place)
        if parts is None:
            parts = take_apart(message)
        if len(parts) <= component:
            return NULL if parts is NULLED else None
        value = parts[component]
        if not value:
            return None
        if value == '""':
            return NULL
        if message.escape in value:
            return message.unescape(value) or None
        return value

    simple = path.segment and path.nth == path.repetition == 1 and not path.conditions
    read.inline = Component(  # type: ignore[attr-defined]  # functions take attributes; mypy knows none of them
        place, component, take_apart, (path.segment, path.field) if simple else None
    )
    return read


def _subcomponent(place: str, path: Path) -> Reader:
    component, sub = path.component, path.sub
    read_component = _component(place, path)

    def read(message: Message) -> Value:
        value = read_component(message)
        if not isinstance(value, str):
            return value
        # Escapes are read last: what they stand for must not be taken for a separator.
        subs = message.parts[place][component].split(message.delimiters.subcomponent, sub)
        if len(subs) < sub:
            return None
        return NULL if subs[sub - 1] == '""' else message.unescape(subs[sub - 1]) or None

    return read


def _locate(path: Path) -> Callable[[Message], str]:
    """A function that finds the text of the repetition a path reads in; empty when there is none."""
    segment, nth, number = path.segment, path.nth, path.field
    if not segment:
        return lambda _: ""  # a relative path outside of a repetition

    def locate(message: Message) -> str:
        fields = _nth_fields(message, segment, nth)
        value = fields[number] if len(fields) > number else ""
        if message.delimiters.repetition in value or path.conditions or path.repetition > 1:
            repetitions = value.split(message.delimiters.repetition)
            index = select(message, repetitions, path)
            return "" if index is None else repetitions[index]
        return value

    return locate


def select(message: Message, repetitions: list[str], path: Path) -> int | None:
    """The index of the repetition that a path selects, or None when no repetition is meant."""
    if not path.conditions:
        return path.repetition - 1 if path.repetition <= len(repetitions) else None
    for index, value in enumerate(repetitions):
        parts = message.components(value)
        if all(
            len(parts) > component and message.unescape(parts[component]) == wanted
            for component, wanted in path.conditions
        ):
            return index
    return None


def _nth_fields(message: Message, segment: str, nth: int) -> list[str]:
    if nth == 1:
        return message.fields(segment)
    texts = message.segments(segment)
    return message.split(texts[nth - 1]) if nth <= len(texts) else []


def _delimiter_field(path: Path) -> Reader:
    """MSH-1 and MSH-2 are the delimiters themselves and are never split."""

    def read(message: Message) -> Value:
        fields = _nth_fields(message, path.segment, path.nth)
        return (fields[path.field] or None) if len(fields) > path.field else None

    return read


def _every_segment(path: Path) -> Reader:
    segment = path.segment

    def read(message: Message) -> Value:
        texts = message.segments(segment)
        _bounded(len(texts), segment)
        return [message.at_segment(segment, text) for text in texts]

    return read


def _every_repetition(path: Path) -> Reader:
    segment, number = path.segment, path.field
    place = f"{segment}-{number}"

    def read(message: Message) -> Value:
        fields = _nth_fields(message, segment, path.nth)
        if len(fields) <= number or not fields[number]:
            return []
        values = fields[number].split(message.delimiters.repetition)
        _bounded(len(values), place)
        return [message.at_repetition(place, value) for value in values if value]

    return read


def _bounded(count: int, where: str) -> None:
    if count > MAX_RECORDS:
        raise LimitExceeded("repetitions", f"A place repeats more than {MAX_RECORDS} times.", where=where)
