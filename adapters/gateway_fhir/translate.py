"""Resources to patches: the mapping says which element becomes what, this says what a whole resource means."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import structs

from gateway.errors import InvalidContent
from gateway.model.identity import Ref
from gateway.model.patch import Normalized, Patch
from gateway.wire.json_decoder import decoder
from gateway_fhir import records_clinical as clinical
from gateway_fhir import records_financial as financial
from gateway_fhir.records import TYPES, Marked, Resource, keys, plain, unreadable
from gateway_fhir.records_bundle import DELETED, resource_type
from gateway_fhir.records_reference import needs_rewriting, referred, rewrite
from gateway_fhir.translate_authorization import authorization
from gateway_fhir.translate_benefit import benefits
from gateway_fhir.translate_carried import carried, pushed
from gateway_fhir.translate_claim import answer, claim, reconciliation
from gateway_fhir.translate_names import known_by
from gateway_fhir.translate_validity import refuse_invalid, validated

if TYPE_CHECKING:
    from gateway.mapping import Mapping
    from gateway_fhir.config import FhirConfig

KINDS: dict[str, type[Resource]] = {name: getattr(clinical, name, None) or getattr(financial, name) for name in TYPES}
_DECODERS = {name: decoder(kind) for name, kind in KINDS.items()}
_ALWAYS = frozenset({"resourceType", "id", "meta", "text", "contained", "language", "implicitRules"})
_OTHERS = {"Patient": frozenset({"emergency_name", "emergency_phone"})}
"""Fields that another resource fills as well (RelatedPerson), which absence therefore does not delete."""
_EMPTY = (b"null", b'""', b"[]", b"{}")
Fields = dict[str, dict[str, frozenset[str]]]
"""By kind, the record types it makes and the canonical fields that its rules fill."""
_names = decoder(dict[str, str])


def kind_of(resource: Resource) -> str:
    """The kind by which mapping files know a resource: its type, and its use where that changes what it is."""
    use = getattr(resource, "use", None)
    if use is None or use == "claim":
        return resource.resource_type
    return f"{resource.resource_type}:{use}"


def normalizer(config: FhirConfig, mapping: Mapping) -> Callable[[bytes, bytes], Normalized]:
    """A pure function from one resource's bytes, with its Bundle's names as context, to patches."""
    fields = {
        kind: {type: filled - _OTHERS.get(type, frozenset()) for type, filled in mapping.fields(kind).items()}
        for kind in mapping.kinds
    }
    known = {kind: _elements(mapping, kind) for kind in mapping.kinds}
    base = config.base_url or ""

    def normalize(body: bytes, context: bytes) -> Normalized:
        if context.startswith(b"deleted "):
            return _deleted(context, fields)
        try:
            return read(body, context)
        except InvalidContent as error:
            raise validated(error, body) from None

    def read(body: bytes, context: bytes) -> Normalized:
        try:
            kind = resource_type(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise unreadable(error) from None
        if kind not in KINDS:
            return Normalized(suppressed="unsupported-resource")
        if config.strict:
            refuse_invalid(body)
        resource, inner = _rewritten(body, kind, context, base) if needs_rewriting(body) else (_typed(body, kind), [])
        if config.skip_tag and pushed(resource, config.skip_tag):
            return Normalized(suppressed="pushed-by-us")
        patches: list[Patch] = []
        for one in (*inner, resource):
            made = _patches(one, inner, mapping, fields, config)
            patches += carried(one, list(made)) if config.profile == "gateway" else made
        if patches and config.profile == "gateway":  # its extensions hold whatever the mapping does not read
            return Normalized(patches=tuple(patches))
        residue = tuple(_residue(body, resource, known.get(kind_of(resource), _ALWAYS)))
        if not patches:
            return Normalized(suppressed=_why_none(resource), residue=residue)
        return Normalized(patches=tuple(patches), residue=residue)

    return normalize


def _typed(body: bytes, kind: str) -> Resource:
    try:
        return _DECODERS[kind](body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise unreadable(error) from None


def _rewritten(body: bytes, kind: str, context: bytes, base: str) -> tuple[Resource, list[Resource]]:
    """A resource with references of every form made plain, and its contained resources that are read."""
    values = plain(body)
    inner = rewrite(values, _names(context) if context else {}, base)
    try:
        resource = msgspec.convert(values, KINDS[kind])
        return resource, [
            msgspec.convert(one, KINDS[one["resourceType"]]) for one in inner if one.get("resourceType") in KINDS
        ]
    except msgspec.ValidationError as error:
        raise unreadable(error) from None


def _patches(
    resource: Resource, inner: Sequence[Resource], mapping: Mapping, fields: Fields, config: FhirConfig
) -> Iterator[Patch]:
    _refuse_modifiers(resource, config)
    kind = kind_of(resource)
    for patch in mapping.patches(kind, resource):
        for made in known_by(_meant(patch, resource, inner), resource):
            if made.operation == "remove" or not resource.whole:
                yield made
                continue
            own, held = made.fields, {one.field for one in made.held}
            for name in fields[kind][made.type]:
                if name not in own and name not in held:
                    own[name] = None
            yield made


def _meant(patch: Patch, resource: Resource, inner: Sequence[Resource]) -> Iterator[Patch]:
    """What a mapping cannot say: sums, merges, and one resource that tells of several records."""
    if patch.operation == "remove":
        yield patch
    elif isinstance(resource, clinical.Patient):
        yield _merged(patch, resource)
    elif isinstance(resource, financial.Claim):
        yield structs.replace(patch, fields=patch.fields | claim(resource, patch.type))
    elif isinstance(resource, financial.Answer) and patch.type == "Authorization":
        yield structs.replace(patch, fields=patch.fields | authorization(resource))
        if isinstance(resource, financial.ClaimResponse) and (
            asked := referred(resource.request, "Claim", strict=False)
        ):
            yield structs.replace(patch, native_id=asked, operation="remove", fields={})
    elif isinstance(resource, financial.Answer):
        found = answer(resource)
        if found is not None:
            yield structs.replace(patch, fields=patch.fields | found)
    elif isinstance(resource, financial.PaymentReconciliation):
        yield structs.replace(patch, fields=patch.fields | reconciliation(resource))
    elif isinstance(resource, financial.CoverageEligibilityResponse):
        yield from benefits(patch, resource)
    elif isinstance(resource, clinical.CarePlan):
        yield structs.replace(patch, fields=patch.fields | _goals(resource, inner))
    elif not isinstance(resource, financial.Consent) or "channel" in patch.fields:
        yield patch


def _goals(plan: clinical.CarePlan, inner: Sequence[Resource]) -> dict[str, Any]:
    """How many goals a plan has, and how many are met where it brings them all with it."""
    if not plan.goal:
        return {}
    goals = [one for one in inner if isinstance(one, clinical.Goal)]
    if len(goals) < len(plan.goal):
        return {"goals_total": len(plan.goal)}
    met = sum(one.achievement_status is not None and one.achievement_status.code == "achieved" for one in goals)
    return {"goals_total": len(plan.goal), "goals_met": met}


def _merged(patch: Patch, patient: clinical.Patient) -> Patch:
    for link in patient.link:
        into = referred(link.other, "Patient", strict=True) if link.type == "replaced-by" else None
        if into is not None and into != patch.native_id:
            fields = patch.fields | {"merged_into": Ref("Patient", into)}
            return structs.replace(patch, operation="merge", fields=fields, into=into, references=None)
    return patch


def _deleted(context: bytes, fields: Fields) -> Normalized:
    """A deletion removes every record that the resource can have made under its own id."""
    type, _, id = context.decode().removeprefix(f"{DELETED} ").partition("/")
    native_id = f"{type}/{id}" if issubclass(KINDS[type], Marked) else id
    made = {name for kind, records in fields.items() if kind.partition(":")[0] == type for name in records}
    made.discard("Patient" if type == "RelatedPerson" else "")
    if not made:
        return Normalized(suppressed="makes-no-record")
    gone = (Patch(type=one, native_id=native_id, operation="remove", aliases=()) for one in sorted(made))
    return Normalized(patches=tuple(gone))


def _refuse_modifiers(resource: Resource, config: FhirConfig) -> None:
    """FHIR forbids to use what an unknown modifier extension or rule may turn into its opposite."""
    unknown = [one for one in resource.modifier_extension if one.url not in config.accepted_modifiers]
    if unknown or resource.implicit_rules:
        place = f"{resource.resource_type}.{'modifierExtension' if unknown else 'implicitRules'}"
        what = "The resource says that its meaning is changed in a way this gateway does not know"
        fix = "Find out what the sender means by it; list a harmless one under accepted_modifiers; then release."
        raise InvalidContent("unknown-modifier", what, where=place, fix=fix)


def _why_none(resource: Resource) -> str:
    """Why a well-formed resource makes no record."""
    if isinstance(resource, financial.Consent):
        return "consent-names-no-channel"
    if isinstance(resource, financial.Answer):
        return "not-adjudicated" if kind_of(resource) == resource.resource_type else "predetermination"
    if isinstance(resource, financial.Claim):
        return "predetermination"
    if isinstance(resource, clinical.Goal):
        return "counted-in-its-plan"
    return "makes-no-record"


def _elements(mapping: Mapping, kind: str) -> frozenset[str]:
    """Top-level elements that the mapping or this module reads."""
    read_here = READ_HERE.get(kind.partition(":")[0], frozenset())
    return _ALWAYS.union(map(element_of, mapping.covered(kind)), read_here)


def element_of(path: str) -> str:
    """The top-level element that a path of a mapping is read from."""
    name = path.partition(".")[0].partition("[")[0].partition("->")[0].partition("=>")[0].partition(":")[0]
    return _MADE.get(name, name)


_MADE = {"usualName": "name", "otherNames": "name", "nickname": "name", "died": "deceasedBoolean"}


READ_HERE = {
    "Patient": frozenset({"link", "deceasedDateTime"}),
    "Claim": frozenset({"use", "item", "total", "diagnosis"}),
    "ClaimResponse": frozenset({"use", "item", "addItem", "adjudication", "total", "payment", "outcome", "preAuthRef"}),
    "ExplanationOfBenefit": frozenset({"use", "item", "addItem", "adjudication", "total", "payment", "outcome"}),
    "PaymentReconciliation": frozenset({"paymentAmount", "detail"}),
    "CoverageEligibilityResponse": frozenset({"insurance"}),
    "CarePlan": frozenset({"goal"}),
}
"""Elements that this package reads whatever the mapping says."""


def _residue(body: bytes, resource: Resource, known: frozenset[str]) -> Iterator[str]:
    """Top-level elements that nothing reads, and extensions by the last part of their address."""
    try:
        found = keys(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:  # in an element that nothing reads
        raise unreadable(error) from None
    for name, value in found.items():
        if name == "extension" and name not in known:
            yield from (f"extension[{one.url.rpartition('/')[2][:64]}]" for one in resource.extension)
        elif name not in known and bytes(value) not in _EMPTY:
            yield name[:64]
