"""Merge: fold patches into records, and say which of them really changed.

Everything here works on values: current records come in, new versions and changes go out. A message is folded whole or
not at all. What makes no difference makes no version; what is older than the record is told, not applied.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from gateway import model
from gateway.errors import InvalidContent
from gateway.flow.link import LinkedPatch
from gateway.model.exchange import ChangeKind
from gateway.model.identity import ALIAS

Digest = Callable[[bytes], bytes]


class Stored(msgspec.Struct, frozen=True):
    """What is sealed of a record: the source's own id and the canonical fields as JSON."""

    native_id: str
    fields: msgspec.Raw


class Current(msgspec.Struct, frozen=True):
    """A record as it stands, opened."""

    type: str
    version: int
    content: bytes
    source_version: str
    patient: bytes | None
    removed: bool
    native_id: str
    encoded: bytes | None
    """The canonical fields as JSON; None when they could not be opened: nothing may be folded onto them."""

    @property
    def fields(self) -> dict[str, Any] | None:
        """The canonical fields as JSON values; read when asked for, since most versions are never folded onto."""
        return None if self.encoded is None else _decode_fields(self.encoded)


class NewVersion(msgspec.Struct, frozen=True):
    """One change about to be journalled; ``into`` is the other patient of a merge, or of the end of one."""

    kind: ChangeKind
    record_id: bytes
    current: Current
    location: bytes | None
    body: bytes
    into: bytes | None = None
    left: bytes | None = None
    """The location that the record was taken away from."""


class Folded(msgspec.Struct, frozen=True):
    """What one message came to."""

    changes: tuple[NewVersion, ...]
    stale: frozenset[bytes]
    """Records that are newer than what the message says of them."""


_decode = msgspec.json.Decoder(Stored).decode
_decode_fields = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder().encode


def open_stored(body: bytes) -> tuple[str, dict[str, Any]]:
    """Native id and fields of a record's opened body."""
    native_id, encoded = open_parts(body)
    return native_id, _decode_fields(encoded)


def open_parts(body: bytes) -> tuple[str, bytes]:
    """Native id and fields, still as JSON, of a record's opened body."""
    stored = _decode(body)
    return stored.native_id, bytes(stored.fields)


def open_body(body: bytes) -> bytes:
    """Only the canonical fields of a record's opened body, still as JSON."""
    return open_parts(body)[1]


def fold_message(
    patches: Sequence[LinkedPatch], currents: Mapping[bytes, Current], digest: Digest
) -> tuple[Folded, dict[bytes, Current]]:
    """Fold all patches of one message.

    Returns what changed and the records' new states; raises ``InvalidContent`` when any patch does not make a valid
    record, in which case nothing of the message may be used.
    """
    moved: dict[bytes, Current] = {}
    changes: list[NewVersion] = []
    stale: set[bytes] = set()
    for patch in patches:
        current = moved.get(patch.record_id) or currents.get(patch.record_id)
        if patch.native_id.startswith(ALIAS):  # it tells more of a record that another message must have made
            if current is None:
                continue
            patch = msgspec.structs.replace(patch, native_id=current.native_id)  # noqa: PLW2901 - by its own name
        if current is not None and current.encoded is None:
            raise InvalidContent(
                "record-damaged", "The stored record cannot be opened", where=patch.type,
                fix="Restore the damaged rows from a verified backup, then release.",
            )  # fmt: skip
        if current is not None and _is_stale(patch, current):
            stale.add(patch.record_id)
            continue
        change = _fold(patch, current, digest)
        if change is None:
            continue
        moved[patch.record_id] = change.current
        changes.append(change)
    return Folded(tuple(changes), frozenset(stale)), moved


def _fold(patch: LinkedPatch, current: Current | None, digest: Digest) -> NewVersion | None:
    if patch.operation == "remove":
        return _remove(patch, current)
    if patch.operation == "merge":
        return _merge(patch, current, digest)
    if patch.operation == "unmerge":
        return _unmerge(patch, current, digest)
    stored = None if current is None or current.removed else current.fields
    fields = _collected(patch.fields, stored) if patch.operation == "collect" and stored else patch.fields
    record = model.fold(patch.type, stored, fields)
    encoded = model.encode(record)
    content = digest(encoded)[:16]
    if current is not None and not current.removed and current.content == content:
        return None
    following = Current(
        type=patch.type,
        version=1 if current is None else current.version + 1,
        content=content,
        source_version=patch.source_version or ("" if current is None else current.source_version),
        patient=patch.belongs_to(None if current is None else current.patient),
        removed=False,
        native_id=patch.native_id,
        encoded=encoded,
    )
    kind: ChangeKind = "created" if stored is None else "updated"
    location = patch.location or _located(patch.type, getattr(record, "location", None))
    was = None if stored is None else stored.get("location")
    left = None if was is None or was == getattr(record, "location", None) else _located(patch.type, was)
    return NewVersion(kind, patch.record_id, following, location, _body(patch.native_id, encoded), left=left)


def _collected(fields: dict[str, Any], stored: dict[str, Any]) -> dict[str, Any]:
    """The patch's fields, with each list of objects worked into the stored one."""
    return {
        name: _worked_in(stored.get(name, ()), new)
        if isinstance(new, list) and new and isinstance(new[0], dict)
        else new
        for name, new in fields.items()
    }


def _worked_in(stored: Sequence[dict[str, Any]], new: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The stored items in their places, replaced where a new one has the same number; what is left stands behind."""
    items = list(stored)
    free = list(range(len(items)))
    for item in new:
        plain = _decode_fields(_encode(item))
        number = plain.get("number")
        at = next((at for at in free if items[at] == plain or (number and items[at].get("number") == number)), None)
        if at is None:
            items.append(item)
        else:
            free.remove(at)
            items[at] = item
    return items


def _remove(patch: LinkedPatch, current: Current | None) -> NewVersion | None:
    if current is None or current.removed:
        return None
    following = msgspec.structs.replace(
        current,
        version=current.version + 1,
        source_version=patch.source_version or current.source_version,
        removed=True,
    )
    location = patch.location or _located(patch.type, (current.fields or {}).get("location"))
    return NewVersion(
        "removed", patch.record_id, following, location, _body(current.native_id, current.encoded or b"{}")
    )


def _located(type: str, location: Any) -> bytes | None:
    """Where a record stays when a patch does not say: routes of one location hear of all its changes."""
    return UUID(location).bytes if isinstance(location, str) and type != "Location" else None


def _merge(patch: LinkedPatch, current: Current | None, digest: Digest) -> NewVersion | None:
    """The prior patient becomes a record that says into whom it was merged; it need not have been seen before."""
    fields = patch.fields | {"merged_into": str(UUID(bytes=patch.into or b"")), "active": False}
    return _joined(patch, current, fields, "merged", digest)


def _unmerge(patch: LinkedPatch, current: Current | None, digest: Digest) -> NewVersion | None:
    """The compensating change of a merge that stands: the prior patient is one of its own again, at a new barrier."""
    if current is None or current.fields is None:
        return None
    if current.fields.get("merged_into") != str(UUID(bytes=patch.into or b"")):
        return None
    return _joined(patch, current, patch.fields | {"merged_into": None, "active": True}, "updated", digest)


def _joined(
    patch: LinkedPatch, current: Current | None, fields: dict[str, Any], kind: ChangeKind, digest: Digest
) -> NewVersion | None:
    """A change that both patients' lanes wait for."""
    stored = None if current is None else current.fields
    encoded = model.encode(model.fold(patch.type, stored, fields))
    content = digest(encoded)[:16]
    if current is not None and current.content == content:
        return None
    following = Current(
        type=patch.type,
        version=1 if current is None else current.version + 1,
        content=content,
        source_version=max(patch.source_version, "" if current is None else current.source_version),
        patient=patch.record_id,
        removed=False,
        native_id=patch.native_id,
        encoded=encoded,
    )
    return NewVersion(kind, patch.record_id, following, None, _body(patch.native_id, encoded), patch.into)


def _is_stale(patch: LinkedPatch, current: Current) -> bool:
    """Whether the record is newer than the patch.

    A merge is a fact about the patient and no state: it counts even when other news overtook it, unless the two were
    separated since (``active`` says so again).
    """
    if not patch.source_version or patch.source_version >= current.source_version:
        return False
    return patch.operation != "merge" or (current.fields or {}).get("active") is True


def _body(native_id: str, encoded: bytes) -> bytes:
    return b'{"native_id":' + _encode(native_id) + b',"fields":' + encoded + b"}"
