"""How records refer to each other, before and after the core has given them ids."""

from __future__ import annotations

from typing import NewType

import msgspec

RecordId = NewType("RecordId", str)
"""The gateway's id of a record: a UUIDv8 in text form, keyed per tenant, so it tells nobody a chart number."""


ALIAS = "alias:"
"""A native id that begins so is another name of its record: ``link`` finds out whose, now or once that is known."""


class Ref(msgspec.Struct, frozen=True, gc=False):
    """A reference as the source made it: a record type and the id that the source itself uses.

    ``link`` replaces every ``Ref`` with a :data:`RecordId`; the target need not have arrived yet, not even where the
    source calls it by another name (:data:`ALIAS`).
    """

    type: str
    native_id: str
