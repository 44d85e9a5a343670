"""Messages to patches: the mapping moves fields, this says what an event means."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from gateway.errors import InvalidContent
from gateway.model.identity import Ref
from gateway.model.patch import Normalized, Patch
from gateway.wire.hl7 import Message
from gateway.wire.hl7_path import compile_path
from gateway_hl7.records import kind_of, residue_of

if TYPE_CHECKING:
    from gateway.mapping import Mapping
    from gateway_hl7.config import Hl7Config

MERGE = "ADT^A40"
_PRIOR = (compile_path("MRG-1[MR].1"), compile_path("MRG-1.1"))
_PRIOR_PLACES = frozenset({"MRG-1"})


def normalizer(config: Hl7Config, mapping: Mapping) -> Callable[[bytes, bytes], Normalized]:
    """A pure function from a message to patches.

    It raises ``InvalidContent`` for a message that cannot be translated and ``LimitExceeded`` for one beyond bounds.
    """
    charset, kinds = config.charset, mapping.kinds
    residues = {
        kind: residue_of(mapping.covered(kind) | (_PRIOR_PLACES if kind == MERGE else frozenset())) for kind in kinds
    }

    def normalize(body: bytes, context: bytes) -> Normalized:
        del context  # an HL7 message needs nothing of the batch it came in
        message = Message(body, charset)
        kind = kind_of(message)
        if kind not in kinds:
            is_answer = kind == "ACK" or kind.startswith("ACK^")
            return Normalized(suppressed="acknowledgement" if is_answer else "unsupported-event")
        patches = tuple(_merges(mapping, message)) if kind == MERGE else mapping.patches(kind, message)
        if not patches:
            raise InvalidContent(
                "missing-id", "The message names nobody.", where="PID-3", fix="Ask the sender to fill it."
            )
        return Normalized(patches=patches, residue=residues[kind](message))

    return normalize


def _merges(mapping: Mapping, message: Message) -> Iterator[Patch]:
    """For each PID and its MRG: what is said of the patient that stays, and that the prior one was merged into it."""
    pairs = list(_pairs(message))
    if not pairs:
        raise InvalidContent("missing-id", "The message does not name the patient that is merged.", where="MRG-1")
    for pair in pairs:
        stays = mapping.patches(MERGE, pair)
        yield from stays
        patient = next((patch for patch in stays if patch.type == "Patient"), None)
        prior = _PRIOR[0](pair) or _PRIOR[1](pair)
        if patient is None or not isinstance(prior, str):
            where = "PID-3" if patient is None else "MRG-1"
            raise InvalidContent("missing-id", "A merge does not name both of its patients.", where=where)
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
        raise InvalidContent("missing-id", "The message has not one MRG for each PID.", where="MRG")
    for patient, prior in zip(patients, priors, strict=True):
        yield message.at_segment("PID", patient).at_segment("MRG", prior)
