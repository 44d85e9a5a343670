"""Messages to communications: the mapping moves fields. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec.structs import replace

from gateway.model.patch import Normalized
from gateway_twilio.records import read

_OURS = ("patient", "about")
"""Record ids that we gave along with a reminder: they are no ids of the source, so no mapping refers by them."""

_ANSWERS = frozenset({"message", "call", "refusal"})
"""Kinds that tell of a reminder; of others we know no more than whose they are."""

if TYPE_CHECKING:
    from gateway.mapping import Mapping


def normalizer(mapping: Mapping) -> Callable[[bytes, bytes], Normalized]:
    """A pure function from a message and its context to patches."""

    def normalize(body: bytes, context: bytes) -> Normalized:
        kind, record = read(body, context)
        ours = {name: record[name] for name in _OURS if name in record} if kind in _ANSWERS else {}
        owner = record.get("patient", "")
        patches = mapping.patches(kind, record)
        return Normalized(patches=tuple(replace(one, fields={**one.fields, **ours}, owner=owner) for one in patches))

    return normalize
