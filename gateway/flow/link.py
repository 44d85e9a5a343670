"""Link: give records their ids and turn native references into ids; a reference works before its target came."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import msgspec

from gateway.model.identity import RecordId, Ref
from gateway.model.patch import Patch

RecordIds = Callable[[str, str], RecordId]
"""(record type, native id) -> id, for one tenant and source."""


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


def link(patch: Patch, ids: RecordIds) -> LinkedPatch:
    """Resolve one patch for its tenant and source.

    The native id is kept in the record as ``native_id``, inside what is sealed.
    """
    fields = {name: _resolve(value, ids) for name, value in patch.fields.items()}
    location = fields.get("location")
    return LinkedPatch(
        type=patch.type,
        native_id=patch.native_id,
        record_id=UUID(ids(patch.type, patch.native_id)).bytes,
        patient=None if patch.patient is None else UUID(ids("Patient", patch.patient)).bytes,
        location=UUID(location).bytes if isinstance(location, str) and patch.type != "Location" else None,
        fields=fields,
        operation=patch.operation,
        source_version=patch.source_version or "",
        into=None if patch.into is None else UUID(ids("Patient", patch.into)).bytes,
    )


def _resolve(value: Any, ids: RecordIds) -> Any:  # field values are of any canonical type
    if type(value) is Ref:
        return ids(value.type, value.native_id)
    if type(value) is dict:
        return {name: _resolve(inner, ids) for name, inner in value.items()}
    if type(value) is list:
        return [_resolve(inner, ids) for inner in value]
    return value
