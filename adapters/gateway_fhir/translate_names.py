"""Identifiers as other names of a record: by these, references may lead to it."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import structs

from gateway.model.patch import Patch
from gateway_fhir.records import Resource
from gateway_fhir.records_reference import MADE_OF, names


def known_by(patches: Iterator[Patch], resource: Resource) -> Iterator[Patch]:
    """The same patches; that of a record which others may refer to by identifier says by which."""
    told = names(resource)
    for patch in patches:
        if told is None or patch.type not in MADE_OF or patch.native_id != resource.native_id:
            yield patch
        else:  # what is gone, or was merged into another, is meant by no name
            yield structs.replace(patch, aliases=told if patch.operation == "upsert" else ())
