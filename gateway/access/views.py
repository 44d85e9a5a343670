"""Views: the named set of fields a route may see, enforced where the bytes are made.

A view is compiled once into one msgspec Struct per granted record type that has the granted fields and no others.
Projecting decodes a record into that Struct and encodes it again, so a field that is not granted has no place to go:
there is no step that removes fields and could forget one. Granted values are copied as the bytes they are, never
re-formatted.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Annotated, Any, NamedTuple, get_args, get_origin

import msgspec

from gateway.access.safe_harbor import Lens as SafeHarbor
from gateway.access.safe_harbor import Veil
from gateway.errors import IntegrityViolated, InvalidConfiguration
from gateway.model import TYPES

EVERYTHING = "*"
"""Grants every declared field of the one type it stands under."""
NATIVE_ID = "native_id"
"""Grants the id that its own system gave to a record, which is no field: to sinks that write back to that system."""
RAW = "raw"
"""Grants the messages behind a record as they were received, with everybody they tell of: to sinks that take them."""
_NO_FIELDS = frozenset({NATIVE_ID, RAW})

_NOTHING = b"{}"
_encode = msgspec.json.Encoder().encode


class Projection(NamedTuple):
    """A record as one view may see it."""

    body: bytes
    """JSON object with the granted fields that the record holds."""
    fields: tuple[str, ...]
    """Their names, nested ones as ``lines.amount``: what is disclosed by handing ``body`` on."""


class _Lens(NamedTuple):
    """One record type as one view sees it."""

    decode: msgspec.json.Decoder[Any]
    parts: tuple[tuple[str, tuple[str, ...]], ...]
    """Each granted field with its granted parts; no parts when the field is granted whole."""


class View:
    """A named field list, compiled.

    Args:
        name: what routes call it.
        grants: record type -> field paths. A path is a field, or ``field.part`` for one part of a nested object or of
            each object in a list; ``*`` is every declared field of that type.
        types: the canonical types the grants are checked against.
        summary: what it is for, in a sentence.
        veiled: whether what leaves is freed of identifiers first (:mod:`gateway.access.safe_harbor`).

    Raises:
        InvalidConfiguration: a type or a field does not exist; the fix lists those that do.
    """

    def __init__(
        self,
        name: str,
        grants: Mapping[str, Sequence[str]],
        types: Mapping[str, type[msgspec.Struct]] = TYPES,
        *,
        summary: str = "",
        veiled: bool = False,
    ) -> None:
        self.name = name
        self.summary = summary
        self.veiled = veiled
        self.grants: dict[str, tuple[str, ...]] = {}
        """What was granted, ``*`` written out, in the order of the model."""
        self.native = frozenset(type_name for type_name, paths in grants.items() if NATIVE_ID in paths)
        """Types of which a sink may be told the system's own id; ``*`` does not grant it."""
        self.raw = frozenset(type_name for type_name, paths in grants.items() if RAW in paths)
        """Types whose messages a sink may have as received; ``*`` does not grant them."""
        if veiled and (self.native or self.raw):
            raise InvalidConfiguration(
                "A view without identifiers grants an id or messages as received", where=f"views.{name}"
            )
        self._lenses: dict[str, _Lens] = {}
        self._veils: dict[str, SafeHarbor] = {}
        for type_name in sorted(grants):
            place = f"views.{name}.{type_name}"
            struct = types.get(type_name)
            if struct is None:
                raise InvalidConfiguration(
                    f"There is no record type {type_name!r}",
                    where=place,
                    fix=f"Use one of: {', '.join(sorted(types))}.",
                )
            parts = _parts(struct, [path for path in grants[type_name] if path not in _NO_FIELDS], place)
            self.grants[type_name] = tuple(path for field, inner in parts.items() for path in _paths(field, inner))
            lens = _Lens(msgspec.json.Decoder(_narrowed(struct, parts)), tuple(parts.items()))
            self._lenses[type_name] = lens
            if veiled:
                self._veils[type_name] = SafeHarbor(struct, parts, place)
        told = {"view": name, "grants": self.grants} | ({"method": "safe-harbor"} if veiled else {})
        told |= {"native": sorted(self.native)} if self.native else {}
        told |= {"raw": sorted(self.raw)} if self.raw else {}
        self.text = msgspec.json.encode(told, order="sorted").decode()
        """What was hashed into :attr:`version`: kept by hash, so a later reader can say what was granted then."""
        self.version = hashlib.sha256(self.text.encode()).hexdigest()

    def project(self, type: str, data: bytes, veil: Veil | None = None, *, named: bool = True) -> Projection:
        """Cut one record down to what is granted; nothing when its type is not.

        Args:
            type: the canonical type of the record.
            data: the record as canonical JSON.
            veil: what hides the patient in a veiled view; without one nothing leaves such a view.
            named: whether the caller wants the names of the fields as well.

        Raises:
            IntegrityViolated: ``data`` is not a canonical record of that type; nothing of it is handed on.
        """
        lens = self._lenses.get(type)
        if lens is None or (self.veiled and veil is None):
            return Projection(_NOTHING, ())
        if self.veiled and veil is not None:
            data = _encode(self._veils[type].project(data, veil))
        try:
            narrowed = lens.decode.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise IntegrityViolated(
                "A stored record is not canonical JSON of its type", where=type, fix="Run gateway verify ledger."
            ) from None
        return Projection(_encode(narrowed), _present(narrowed, lens.parts) if named else ())


def _paths(field: str, inner: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{field}.{part}" for part in inner) or (field,)


def _parts(struct: type[msgspec.Struct], paths: Sequence[str], place: str) -> dict[str, tuple[str, ...]]:
    """The granted fields in the model's order, each with its granted parts (none: the whole field)."""
    declared = {field.name: field.type for field in msgspec.structs.fields(struct)}
    if EVERYTHING in paths:
        return dict.fromkeys(declared, ())
    asked: dict[str, set[str]] = {}
    whole: set[str] = set()
    for path in paths:
        field, dot, part = path.partition(".")
        if field not in declared:
            raise _unknown(path, place, declared)
        if not dot:
            whole.add(field)
            continue
        nested = _nested(declared[field])
        inside = () if nested is None else nested.__struct_fields__
        if part not in inside:
            raise _unknown(path, place, [f"{field}.{name}" for name in inside] or [field])
        asked.setdefault(field, set()).add(part)
    found: dict[str, tuple[str, ...]] = {}
    for field, annotation in declared.items():
        if field in whole:
            found[field] = ()
        elif field in asked and (nested := _nested(annotation)) is not None:
            found[field] = tuple(name for name in nested.__struct_fields__ if name in asked[field])
    return found


def _unknown(path: str, place: str, valid: Sequence[str] | Mapping[str, object]) -> InvalidConfiguration:
    return InvalidConfiguration(
        f"There is no field {path!r} to grant", where=place, fix=f"Use one of: {', '.join(valid)}."
    )


def _nested(annotation: Any) -> type[msgspec.Struct] | None:
    """The Struct inside ``X``, ``X | None``, ``tuple[X, ...]`` or ``list[X] | None``; None for a plain value."""
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return annotation
    origin = get_origin(annotation)
    if origin is dict:
        return None
    arguments = get_args(annotation)[:1] if origin is Annotated else get_args(annotation)
    return next((found for argument in arguments if (found := _nested(argument)) is not None), None)


def _is_list(annotation: Any) -> bool:
    origin = get_origin(annotation)
    return origin in {tuple, list} or (origin is not dict and any(_is_list(part) for part in get_args(annotation)))


def _narrowed(struct: type[msgspec.Struct], parts: Mapping[str, tuple[str, ...]]) -> type[msgspec.Struct]:
    """A Struct that can hold the granted parts and nothing else; plain values stay the bytes they are."""
    shape: list[tuple[str, Any, Any]] = []
    for field in msgspec.structs.fields(struct):
        if field.name not in parts:
            continue
        nested = _nested(field.type)
        kind: Any = msgspec.Raw
        if nested is not None:
            inner = parts[field.name] or nested.__struct_fields__
            kind = _narrowed(nested, dict.fromkeys(inner, ()))
            kind = (list[kind] if _is_list(field.type) else kind) | None
        shape.append((field.name, kind | msgspec.UnsetType, msgspec.UNSET))
    return msgspec.defstruct(struct.__name__, shape, frozen=True, kw_only=True)


def _present(narrowed: msgspec.Struct, parts: tuple[tuple[str, tuple[str, ...]], ...]) -> tuple[str, ...]:
    """Names of the granted fields that are in the bytes; an empty or null object tells something of all its parts."""
    names: list[str] = []
    for field, inner in parts:
        value = getattr(narrowed, field)
        if value is msgspec.UNSET:
            continue
        if not inner:
            names.append(field)
            continue
        items = value if isinstance(value, list) else (value,)
        held = tuple(part for part in inner if any(_holds(item, part) for item in items))
        names += _paths(field, held or inner)
    return tuple(names)


def _holds(item: object, part: str) -> bool:
    return getattr(item, part, msgspec.UNSET) is not msgspec.UNSET


@cache
def built_in() -> Mapping[str, View]:
    """The views that come with the gateway, by name, compiled from ``views.toml``."""
    text = files("gateway.access").joinpath("views.toml").read_text("utf-8")
    return {
        name: View(name, one["grants"], summary=one["summary"], veiled=one.get("method") == "safe-harbor")
        for name, one in tomllib.loads(text).items()
    }


def compile_views(configured: Mapping[str, Mapping[str, Sequence[str]]]) -> dict[str, View]:
    """Every view a route may name: the built-in ones and those of ``[views]``.

    Raises:
        InvalidConfiguration: a view grants what does not exist, or takes the name of a built-in one.
    """
    views = dict(built_in())
    for name, grants in configured.items():
        if name in views:
            raise InvalidConfiguration(
                "A view has the name of a built-in one", where=f"views.{name}", fix="Give it another name."
            )
        views[name] = View(name, grants)
    return views
