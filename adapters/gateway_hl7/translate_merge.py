"""Messages about two patients: merges (A34, A40) and their end (A37)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from gateway.errors import InvalidContent
from gateway.model.identity import Ref
from gateway.model.patch import Patch
from gateway.wire.hl7 import Message
from gateway.wire.hl7_path import compile_path

if TYPE_CHECKING:
    from gateway.mapping import Mapping

MERGES = ("ADT^A34", "ADT^A40")
UNLINK = "ADT^A37"
PLACES = dict.fromkeys(MERGES, frozenset({"MRG-1"}))
"""What this reads beside the mapping, by event."""
_PRIOR = (compile_path("MRG-1[MR].1"), compile_path("MRG-1.1"))

Translate = Callable[[Message], tuple[Patch, ...]]
_AGAIN = "Have the sender send the merge again with PID and MRG filled."


def translators(mapping: Mapping) -> dict[str, Translate]:
    """For each event about two patients, a function from its message to patches."""

    def merge(kind: str, message: Message) -> tuple[Patch, ...]:
        return tuple(_merges(mapping, kind, message))

    def unlink(message: Message) -> tuple[Patch, ...]:
        return tuple(_separations(mapping, message))

    return {**{kind: partial(merge, kind) for kind in MERGES}, UNLINK: unlink}


def _merges(mapping: Mapping, kind: str, message: Message) -> Iterator[Patch]:
    """For each PID and its MRG: what is said of the patient that stays, and that the prior one was merged into it."""
    pairs = list(_pairs(message))
    if not pairs:
        raise InvalidContent(
            "missing-id", "The message does not name the patient that is merged.", where="MRG-1", fix=_AGAIN
        )
    for pair in pairs:
        stays = mapping.patches(kind, pair)
        yield from stays
        patient = next((patch for patch in stays if patch.type == "Patient"), None)
        prior = _PRIOR[0](pair) or _PRIOR[1](pair)
        if patient is None or not isinstance(prior, str):
            where = "PID-3" if patient is None else "MRG-1"
            raise InvalidContent("missing-id", "A merge does not name both of its patients.", where=where, fix=_AGAIN)
        if prior != patient.native_id:
            yield Patch(
                type="Patient",
                native_id=prior,
                operation="merge",
                patient=prior,
                into=patient.native_id,
                fields={"merged_into": Ref("Patient", patient.native_id)},
                source_version=patient.source_version,
            )


def _pairs(message: Message) -> Iterator[Message]:
    """Views of the message, one for each PID with the MRG that follows it; their counts must be the same."""
    patients, priors = message.segments("PID"), message.segments("MRG")
    if len(patients) != len(priors):
        raise InvalidContent("missing-id", "The message has not one MRG for each PID.", where="MRG", fix=_AGAIN)
    for patient, prior in zip(patients, priors, strict=True):
        yield message.at_segment("PID", patient).at_segment("MRG", prior)


def _separations(mapping: Mapping, message: Message) -> Iterator[Patch]:
    """A37: what is said of each of the two, and that neither is merged into the other any more.

    The message does not say which of them was merged away; the one that was not is left as it is.
    """
    pair = [
        patch
        for text in message.segments("PID")
        for patch in mapping.patches(UNLINK, message.at_segment("PID", text))
        if patch.type == "Patient"
    ]
    if len(pair) != 2 or pair[0].native_id == pair[1].native_id:
        raise InvalidContent("missing-id", "An unlink does not name its two patients.", where="PID-3", fix=_AGAIN)
    yield from pair
    for one, other in (pair, pair[::-1]):
        yield Patch(
            type="Patient",
            native_id=one.native_id,
            operation="unmerge",
            patient=one.native_id,
            into=other.native_id,
            source_version=one.source_version,
        )
