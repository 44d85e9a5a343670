"""What is wrong with a ``gateway.toml``: all of it, each with its place, its line and its cure, and never a value."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any, TypeVar, get_args

import msgspec
from pydantic import BaseModel, ValidationError

from gateway.access.views import View, built_in
from gateway.errors import InvalidConfiguration
from gateway.model import TYPES

NAME = r"^[a-z0-9][a-z0-9-]{0,62}$"
"""What names in ``gateway.toml`` are made of: safe in file names, metrics and logs."""
REACTOR_NAME = r"^[a-z0-9][a-z0-9-]{0,47}$"
"""The same, shorter: its source is called ``reactor.`` and the name."""
SOURCE_NAME = r"^(reactor\.)?[a-z0-9][a-z0-9-]{0,62}$"
Location = tuple[str | int, ...]
Model = TypeVar("Model", bound=BaseModel)


class Problem(msgspec.Struct, frozen=True):
    """One mistake: what, at which setting and line, and what to do."""

    what: str
    where: str
    line: int | None
    fix: str

    def __str__(self) -> str:
        place = self.where + (f" (line {self.line})" if self.line else "")
        return f"{place.strip()}: {self.what}. {self.fix}".strip().removeprefix(": ")


class InvalidSettings(InvalidConfiguration):
    """``gateway.toml`` has mistakes; ``problems`` lists every one."""

    def __init__(self, name: str, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        if len(self.problems) == 1:
            (one,) = self.problems
            line = f"{name} line {one.line}" if one.line else name
            super().__init__(one.what, where=f"{one.where} ({line})" if one.where else line, fix=one.fix)
        else:
            listed = "".join(f"\n  {number}. {problem}" for number, problem in enumerate(self.problems, 1))
            super().__init__(f"{name} has {len(self.problems)} mistakes:{listed}\n")


@contextmanager
def met_at(place: str) -> Iterator[None]:
    """Name the part of the settings whose mistake shows only when it is put to work, before the mistake's own place."""
    try:
        yield
    except InvalidConfiguration as error:
        where = f"{place}: {error.where}" if error.where else place
        raise InvalidConfiguration(error.what, where=where, fix=error.fix) from error


def diagnose(model: type[Model], document: Mapping[str, Any], text: str) -> tuple[Model | None, list[Problem]]:
    """The settings when they can be read at all, and everything that is wrong with them."""
    settings, problems = validated(model, document, (), text)
    problems += _cross_checks(document, text)
    return settings, problems


def nearest(word: str, known: Iterable[str]) -> str:
    """A question naming the known word that was probably meant; empty when none is near."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"Did you mean '{near[0]}'?" if near else ""


def problem_at(what: str, place: Location, text: str, fix: str) -> Problem:
    """A problem with its place in words and its line in ``text``."""
    return Problem(what, path_of(place), line_of(place, text), fix)


def path_of(place: Location) -> str:
    """``routes[2].sink`` for ``("routes", 2, "sink")``."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return "".join(parts).removeprefix(".")


def line_of(place: Location, text: str) -> int | None:
    """The line of a setting, or of the nearest table around it; None when neither is found.

    The file is read as lines, so a key inside a multi-line string could be taken for a setting: the line is a pointer
    for a reader, never more.
    """
    table: Location = ()
    counts: dict[Location, int] = {}
    best, depth = None, 0
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]", line)
        if header:
            table = _absolute(_keys(header[2]), counts, array=header[1] == "[[")
            here = table
        elif key := re.match(r"\s*([\w.\"'-]+)\s*=", line):
            here = (*table, *_keys(key[1]))
        else:
            continue
        if len(here) > depth and place[: len(here)] == here:
            best, depth = number, len(here)
    return best


def _keys(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip(" \"'") for part in dotted.split("."))


def _absolute(keys: tuple[str, ...], counts: dict[Location, int], *, array: bool) -> Location:
    """``("routes", 2, "config")`` for ``[routes.config]`` after the third ``[[routes]]``."""
    place: Location = ()
    for depth, key in enumerate(keys, 1):
        place = (*place, key)
        if array and depth == len(keys):
            counts[place] = counts.get(place, -1) + 1
        if place in counts:
            place = (*place, counts[place])
    return place


# --- the models' own rules -------------------------------------------------------------------------------------------


def validated(
    model: type[Model], table: Mapping[str, Any], place: Location, text: str
) -> tuple[Model | None, list[Problem]]:
    """One table by its model: the settings, or every mistake with its place below ``place``."""
    try:
        return model.model_validate(dict(table)), []
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False, include_context=False)
        return None, [
            _explained(model, detail["type"], detail["msg"], (*place, *detail["loc"]), len(place), text)
            for detail in found
        ]


def _explained(model: type[BaseModel], kind: str, message: str, place: Location, depth: int, text: str) -> Problem:
    inside = place[depth:]
    if kind == "extra_forbidden":
        known = _fields(model, inside[:-1])
        fix = nearest(str(place[-1]), known) or f"Known here are: {', '.join(known)}."
        return problem_at("There is no such setting", place, text, fix)
    what = message.removeprefix("Value error, ")
    described = _described(model, inside)
    if kind == "missing":
        what = "This setting is missing"
    elif kind == "string_pattern_mismatch" and any(name in message for name in (NAME, REACTOR_NAME, SOURCE_NAME)):
        what = "A name is made of lower-case letters, digits and hyphens, at most 63"
    return problem_at(what[0].upper() + what[1:], place, text, described)


def _fields(model: type[BaseModel], place: Location) -> dict[str, Any]:
    """The settings of the table at ``place``."""
    for part in place:
        if isinstance(part, str) and part in model.model_fields:
            inner = _model_in(model.model_fields[part].annotation)
            if inner is None:
                return {}
            model = inner
    return dict(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for inner in get_args(annotation) if (found := _model_in(inner))), None)


def _described(model: type[BaseModel], place: Location) -> str:
    """The sentence of the setting at ``place``."""
    for depth in range(len(place), 0, -1):
        field = _fields(model, place[: depth - 1]).get(str(place[depth - 1]))
        if field is not None and field.description:
            return f"It means: {field.description}"
    return ""


# --- rules between settings ------------------------------------------------------------------------------------------


def _cross_checks(document: Mapping[str, Any], text: str) -> Iterator[Problem]:
    """Read from the document itself, so they are told together with mistakes of single settings."""
    tenants, sources, routes, reactors, witnesses = (
        _tables(document, key) for key in ("tenants", "sources", "routes", "reactors", "witnesses")
    )
    views = document.get("views")
    views = views if isinstance(views, dict) else {}
    owner = {_text(source, "name"): _text(source, "tenant") for source in sources}
    owner |= {f"reactor.{_text(reactor, 'name')}": _text(reactor, "tenant") for reactor in reactors}
    return chain(
        *(
            _repeats(key, tables, text)
            for key, tables in (
                ("tenants", tenants),
                ("sources", sources),
                ("routes", routes),
                ("reactors", reactors),
                ("witnesses", witnesses),
            )
        ),
        _unknown(("reactors", reactors), "tenant", [_text(tenant, "name") for tenant in tenants], text),
        _unknown(("sources", sources), "tenant", [_text(tenant, "name") for tenant in tenants], text),
        _unknown(("routes", routes), "tenant", [_text(tenant, "name") for tenant in tenants], text),
        _unknown(("routes", routes), "view", [*views, *built_in()], text),
        _foreign_sources(routes, owner, text),
        _other_ends(routes, owner, text),
        _unknown_types(routes, text),
        _view_faults(views, text),
    )


def _tables(document: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    found = document.get(key)
    return [table if isinstance(table, dict) else {} for table in found] if isinstance(found, list) else []


def _text(table: Mapping[str, Any], key: str) -> str:
    value = table.get(key)
    return value if isinstance(value, str) else ""


def _list(table: Mapping[str, Any], key: str) -> list[str]:
    value = table.get(key)
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _repeats(key: str, tables: Sequence[Mapping[str, Any]], text: str) -> Iterator[Problem]:
    seen: dict[str, int] = {}
    for number, table in enumerate(tables):
        name = _text(table, "name")
        if name and name in seen:
            yield problem_at(
                f"{key}[{seen[name]}] has this name already", (key, number, "name"), text, "Choose another."
            )
        seen.setdefault(name, number)


def _unknown(
    tables: tuple[str, Sequence[Mapping[str, Any]]], key: str, known: Sequence[str], text: str
) -> Iterator[Problem]:
    for number, table in enumerate(tables[1]):
        name = _text(table, key)
        if name and name not in known:
            fix = nearest(name, known) or f"Known are: {', '.join(filter(None, known)) or 'none'}."
            yield problem_at(f"There is no {key} of this name", (tables[0], number, key), text, fix)


def _foreign_sources(routes: Sequence[Mapping[str, Any]], owner: Mapping[str, str], text: str) -> Iterator[Problem]:
    for number, route in enumerate(routes):
        for position, name in enumerate(_list(route, "sources")):
            place = ("routes", number, "sources", position)
            if name not in owner:
                fix = nearest(name, owner) or f"Known are: {', '.join(filter(None, owner)) or 'none'}."
                yield problem_at("There is no source of this name", place, text, fix)
            elif owner[name] != _text(route, "tenant"):
                yield problem_at("This source belongs to another tenant", place, text, "Nothing crosses tenants.")


def _other_ends(routes: Sequence[Mapping[str, Any]], owner: Mapping[str, str], text: str) -> Iterator[Problem]:
    """The source that takes a route's answers, and the route that another shadows, are of the same tenant."""
    tenants = {_text(route, "name"): _text(route, "tenant") for route in routes}
    for number, route in enumerate(routes):
        for key, known in (("answers", owner), ("writes_to", owner), ("shadow_of", tenants)):
            name = _text(route, key)
            if name and known.get(name) != _text(route, "tenant"):
                fix = nearest(name, known) or f"Known are: {', '.join(filter(None, known)) or 'none'}."
                yield problem_at("There is nothing of this name at this tenant", ("routes", number, key), text, fix)


def _unknown_types(routes: Sequence[Mapping[str, Any]], text: str) -> Iterator[Problem]:
    for number, route in enumerate(routes):
        for position, name in enumerate(_list(route, "types")):
            if name not in TYPES:
                fix = nearest(name, TYPES) or f"Use one of: {', '.join(sorted(TYPES))}."
                yield problem_at("There is no such record type", ("routes", number, "types", position), text, fix)


def _view_faults(views: Mapping[str, Any], text: str) -> Iterator[Problem]:
    for name, grants in views.items():
        for type_name, _ in grants.items() if isinstance(grants, dict) else ():
            try:
                View(name, {type_name: _list(grants, type_name)})
            except InvalidConfiguration as error:
                yield problem_at(error.what, ("views", name, type_name), text, error.fix)
