"""Getters made of getters: the first that speaks, all that speak, and every repetition of a place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gateway.mapping.converters import text
from gateway.model.null import NULL

Getter = Callable[[Any], Any]
Condition = Callable[[Any], bool]


def repeated(lists: Sequence[tuple[Getter, Condition | None, Getter]]) -> Getter:
    """The items of several repeating places, in their order."""

    def get(record: Any) -> Any:
        found: list[Any] = []
        deleted = False
        for read, condition, item in lists:
            repetitions = read(record)
            if repetitions is NULL:
                deleted = True
            elif repetitions is not None:
                for repetition in repetitions:
                    if condition is None or condition(repetition):
                        value = item(repetition)
                        if value is NULL:
                            deleted = True
                        elif value is not None:
                            found.append(value)
        return found or (NULL if deleted else None)

    return get


def joined(reads: Sequence[Getter], separator: str) -> Getter:
    """All parts with the separator between them; nothing unless every part is there."""
    return lambda record: join(separator, *[read(record) for read in reads])


def join(separator: str, *parts: Any) -> Any:
    """As :func:`joined`, of values that were read."""
    found = []
    for raw in parts:
        if raw is None or raw is NULL:
            return raw
        part = text(raw)
        if part is None:
            return None
        found.append(part)
    return separator.join(found)


def list_of(getters: Sequence[Getter]) -> Getter:
    """Every value that is there, in the order of the rule."""
    several = tuple(getters)
    return lambda record: listed([one(record) for one in several])


def listed(values: list[Any]) -> Any:
    """The values that are there; deletion when there is none and one of them was deleted."""
    found = [value for value in values if value is not None and value is not NULL]
    return found or (NULL if NULL in values else None)


def first_of(getters: Sequence[Getter]) -> Getter:
    """The first getter that finds something, ``NULL`` included."""
    if not getters:
        return lambda _record: None
    if len(getters) == 1:
        return getters[0]
    several = tuple(getters)

    def get(record: Any) -> Any:
        for one in several:
            value = one(record)
            if value is not None:
                return value
        return None

    return get
