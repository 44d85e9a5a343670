"""Messages to patches: the mapping moves fields, this says what an event means."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from msgspec import structs

from gateway.errors import InvalidContent
from gateway.model.identity import Ref
from gateway.model.patch import Normalized, Patch
from gateway.wire.hl7 import Message
from gateway_hl7 import records_group, translate_merge
from gateway_hl7.records import kind_of, residue_of
from gateway_hl7.records_group import AUTHORIZATION, CERTIFICATION, INSURANCE, ORDER, TRANSACTION, Group

if TYPE_CHECKING:
    from gateway.mapping import Mapping
    from gateway_hl7.config import Hl7Config

_CHARGES = frozenset({"DFT^P03", "DFT^P11"})
_GROUPS = {"ORM^O01": (ORDER,), "OMG^O19": (ORDER,), "DFT^P03": (TRANSACTION,), "DFT^P11": (TRANSACTION,)}
"""Groups that mean something in some events only; insurance and authorizations do wherever they stand."""
_OF_PATIENT = frozenset({"Coverage", "Authorization"})
"""Records whose numbers are unique for one patient only."""


def normalizer(config: Hl7Config, mapping: Mapping) -> Callable[[bytes, bytes], Normalized]:
    """A pure function from a message to patches.

    It raises ``InvalidContent`` for a message that cannot be translated and ``LimitExceeded`` for one beyond bounds.
    """
    charset = config.charset
    events = frozenset(kind for kind in mapping.kinds if "^" in kind) | {
        kind for kind, groups in _GROUPS.items() if any(group.kind in mapping.kinds for group in groups)
    }
    slots = frozenset(kind for kind in events if kind.startswith("SIU^"))  # a blocked slot has no patient
    residues = {kind: residue_of(_covered(mapping, kind)) for kind in events}
    patient_patches = translate_merge.translators(mapping)

    def normalize(body: bytes, context: bytes) -> Normalized:
        del context  # an HL7 message needs nothing of the batch it came in
        message = Message(body, charset)
        kind = kind_of(message)
        if kind not in events:
            is_answer = kind == "ACK" or kind.startswith("ACK^")
            return Normalized(suppressed="acknowledgement" if is_answer else "unsupported-event")
        if kind in patient_patches:
            patches = patient_patches[kind](message)
        else:
            patches = mapping.patches(kind, message)
            if kind in _CHARGES:
                patches = tuple(_collecting(patch) for patch in patches)
            patches += tuple(_of_groups(mapping, kind, message, patches))
        if not patches or not (kind in slots or any(patch.patient for patch in patches)):
            raise InvalidContent(
                "missing-id", "The message names nobody.", where="PID-3", fix="Ask the sender to fill it."
            )
        return Normalized(patches=patches, residue=residues[kind](message))

    return normalize


def _covered(mapping: Mapping, kind: str) -> frozenset[str]:
    covered = mapping.covered(kind) | translate_merge.PLACES.get(kind, frozenset())
    for group in (*_GROUPS.get(kind, ()), INSURANCE, CERTIFICATION, AUTHORIZATION):
        covered |= mapping.covered(group.kind)
    return covered


def _collecting(patch: Patch) -> Patch:
    """Charges come in several messages and add up."""
    return structs.replace(patch, operation="collect") if patch.type == "Visit" else patch


def _of_groups(mapping: Mapping, kind: str, message: Message, patches: Sequence[Patch]) -> Iterator[Patch]:
    """What the groups of segments say, each with its own record."""
    for group in _GROUPS.get(kind, ()):
        for view in records_group.views(message, group):
            yield from mapping.patches(group.kind, view)
    if message.segments("IN1"):
        patient = _patient(patches, INSURANCE)
        for view in records_group.views(message, INSURANCE):
            yield from _insurance(mapping, view, patient)
    if message.segments("AUT"):
        patient = _patient(patches, AUTHORIZATION)
        for view in records_group.views(message, AUTHORIZATION):
            yield from (_own(patch, patient) for patch in mapping.patches(AUTHORIZATION.kind, view))


def _insurance(mapping: Mapping, view: Message, patient: str) -> Iterator[Patch]:
    """One IN1: payer, coverage, and the authorizations given under that coverage."""
    found = [_own(patch, patient) for patch in mapping.patches(INSURANCE.kind, view)]
    certified = [
        _own(patch, patient)
        for inner in records_group.repeats(view, CERTIFICATION)
        for patch in mapping.patches(CERTIFICATION.kind, inner)
    ]
    coverage = next((patch.native_id for patch in found if patch.type == "Coverage"), None)
    known = {patch.native_id for patch in certified}
    for patch in (*found, *certified):
        if patch.type != "Authorization" or coverage is None:
            yield patch
        elif patch in certified or patch.native_id not in known:
            fields = patch.fields | {"coverage": Ref("Coverage", coverage)}
            yield structs.replace(patch, fields=fields)


def _patient(patches: Sequence[Patch], group: Group) -> str:
    for patch in patches:
        if patch.patient is not None:
            return patch.patient
    raise InvalidContent(
        "missing-id", f"The message has {group.kind} and names nobody.", where="PID-3", fix="Ask the sender to fill it."
    )


def _own(patch: Patch, patient: str) -> Patch:
    if patch.type not in _OF_PATIENT:
        return patch
    return structs.replace(patch, native_id=f"{patient}/{patch.native_id}")
