"""What an adapter makes of one message: patches, which ``merge`` folds into records."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

Operation = Literal["upsert", "remove", "merge", "unmerge", "collect"]


class HeldField(msgspec.Struct, frozen=True, kw_only=True):
    """One field that could not be read while the rest of its record could."""

    field: str
    """Canonical name, at the top of the record."""
    place: str
    """Where it stands in the source."""
    reason: str
    """A stable word: ``unmapped-code``, ``wrong-type``, ``vanished`` and those of converters."""
    fix: str = ""
    rule: str = ""
    """File and key of the mapping rule that met it."""
    table: str = ""
    """The code table that does not list the code."""
    code: str = ""
    """The code as sent, only where the mapping reads the place by a code table that rejects what it does not list."""


class Patch(msgspec.Struct, frozen=True, kw_only=True):
    """What one message says about one record.

    ``fields`` follows HL7's empty and ``""``: a field that is absent is not changed, ``None`` deletes it, any other
    value sets it. Values are canonical field values; references are :class:`~gateway.model.identity.Ref`.

    ``merge`` says that the patient ``native_id`` was merged into the patient ``into`` (HL7 ADT^A40: MRG-1 into PID-3),
    ``unmerge`` that this was wrong or is over (ADT^A37); it changes nothing where no such merge stands.

    ``collect`` is an ``upsert`` whose lists of objects are added to the stored ones: an item takes the place of one
    with the same ``number``, or of an equal one.
    """

    type: str
    native_id: str
    fields: dict[str, Any] = {}
    operation: Operation = "upsert"
    patient: str | None = None
    """Native id of the patient the record is about; None for a record about no patient (a location, a remittance)."""
    source_version: str | None = None
    """The source's own version: an ISO 8601 UTC time or a zero-padded counter; greater as text means newer."""
    into: str | None = None
    references: frozenset[str] | None = None
    """Names of the only fields whose lists and objects may hold references; None when any may."""
    owner: str | None = None
    """Where ``patient`` is only a number or an address: record id of the patient whom the record belongs to, and under
    whose key it is sealed; empty when this message does not tell, and it stays with whom it was given to before."""
    aliases: tuple[str, ...] | None = None
    """Every other name by which its source may refer to this record; None when the message does not tell.

    A reference by such a name has the native id :data:`~gateway.model.identity.ALIAS` + name. A name that two records
    claim leads to neither.
    """

    @property
    def held(self) -> tuple[HeldField, ...]:
        """Fields that are left out because they could not be read: neither changed nor deleted; none of a whole one."""
        return ()


class PartialPatch(Patch, frozen=True, kw_only=True):
    """What one message says about one record, without the fields that could not be read."""

    held: tuple[HeldField, ...] = ()


class Normalized(msgspec.Struct, frozen=True, kw_only=True):
    """The result of normalizing one message: patches, or the reason why it has none."""

    patches: tuple[Patch, ...] = ()
    suppressed: str | None = None
    """A stable word (``unsupported-event``, ``acknowledgement``) when a well-formed message makes no record."""
    residue: tuple[str, ...] = ()
    """Places in the source (``ZPD-3``, ``custom_fields``) that held something no mapping rule reads."""
