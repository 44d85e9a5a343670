"""Link: give records their ids and turn native references into ids; a reference works before its target came."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any
from uuid import UUID

import msgspec

from gateway.errors import InvalidContent
from gateway.flow.places import record_bytes
from gateway.model.identity import RecordId, Ref
from gateway.model.patch import Patch

MOST_VERSION = 64
RecordIds = Callable[[str, str], RecordId]
"""(record type, native id) -> id, for one tenant and source."""
_HOLDS_MORE = frozenset({Ref, dict, list})
"""Types of values that are a reference or may hold one."""


class LinkedPatch(msgspec.Struct, frozen=True):
    """A patch whose references are record ids."""

    type: str
    native_id: str
    record_id: bytes
    patient: bytes | None
    location: bytes | None
    fields: dict[str, Any]
    operation: str
    source_version: str
    into: bytes | None
    unowned: bool = False
    """Whether ``patient`` only stands in for the one whom another message names."""

    def belongs_to(self, before: bytes | None) -> bytes | None:
        """Whose the record is, when it was that patient's before."""
        return before if self.patient is None or (self.unowned and before is not None) else self.patient


def link(patch: Patch, ids: RecordIds, *, foreign: bool = True) -> LinkedPatch:
    """Resolve one patch for its tenant and source.

    The native id is kept in the record as ``native_id``, inside what is sealed. Without ``foreign`` the patch names its
    patient by record id, as a reactor does.
    """
    fields = dict(patch.fields)
    deep = patch.references
    for name, value in patch.fields.items():
        kind = type(value)
        if kind is Ref or (kind in _HOLDS_MORE and (deep is None or name in deep)):
            fields[name] = _resolve(value, ids)
    location = fields.get("location")
    version = patch.source_version or ""
    if len(version) > MOST_VERSION or not version.isprintable():
        raise InvalidContent(
            "invalid-source-version", "The source's own version is no time or counter", where=f"{patch.type} version"
        )
    return LinkedPatch(
        type=patch.type,
        native_id=patch.native_id,
        record_id=_bytes(ids(patch.type, patch.native_id)),
        patient=_owner(patch, ids, foreign=foreign),
        location=_bytes(location) if isinstance(location, str) and patch.type != "Location" else None,
        fields=fields,
        operation=patch.operation,
        source_version=version,
        into=None if patch.into is None else _bytes(ids("Patient", patch.into)),
        unowned=patch.owner == "",
    )


def _owner(patch: Patch, ids: RecordIds, *, foreign: bool) -> bytes | None:
    if patch.owner:
        return UUID(patch.owner).bytes
    if patch.patient is None:
        return None
    return _bytes(ids("Patient", patch.patient) if foreign else patch.patient)


def _resolve(value: Any, ids: RecordIds) -> Any:  # field values are of any canonical type
    kind = type(value)
    if kind is Ref:
        return ids(value.type, value.native_id)
    if kind is dict:
        return {name: _resolve(inner, ids) if type(inner) in _HOLDS_MORE else inner for name, inner in value.items()}
    return [_resolve(inner, ids) if type(inner) in _HOLDS_MORE else inner for inner in value]


_bytes = lru_cache(maxsize=8192)(record_bytes)
