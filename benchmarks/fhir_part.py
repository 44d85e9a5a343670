"""FHIR R4 JSON to canonical records, on one core, beside fhir.resources validating the same Bundle."""

from __future__ import annotations

import json
from typing import Any

from benchmarks import house
from benchmarks.report import Asked, Section
from benchmarks.timing import SideBySide, timed
from gateway import model
from gateway.flow.source import Source
from gateway.model.exchange import Finding
from gateway.model.identity import Ref
from gateway.testing.synthetic_clinic import synthetic_clinic
from gateway_fhir.simulator_clinic import resources

OURS, PEER = "emr-gateway: cut, map, canonical record", "fhir.resources (R4B): validate"
ROUNDS = 5
ASKED = 8.0


def bundle(patients: int) -> tuple[bytes, int]:
    """A searchset of a whole synthetic clinic as compact JSON, and how many resources it holds."""
    meta = {"versionId": "1", "lastUpdated": "2026-05-01T10:00:00.000Z"}
    rows = [row | {"meta": meta} for row in resources(synthetic_clinic(patients=patients, visits=2 * patients))]
    entry = [
        {"fullUrl": f"https://ehr.example/fhir/{row['resourceType']}/{row['id']}", "resource": row} for row in rows
    ]
    whole: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset", "total": len(entry), "entry": entry}
    return json.dumps(whole, separators=(",", ":")).encode(), len(entry)


def plain(value: Any) -> Any:
    """A field's value with the native id where a reference stands; the store's own ids are not FHIR's work."""
    if type(value) is Ref:
        return value.native_id
    if type(value) is list and value and type(value[0]) is Ref:
        return [one.native_id for one in value]
    return value


def canonical(source: Source, body: bytes) -> int:
    """Cut, normalize and fold every resource into its canonical records, keeping none; how many resources that were."""
    done = 0
    for item in source.adapter.cut([body], source.config):
        if isinstance(item, Finding):
            raise RuntimeError(f"not read: {item.reason}")  # noqa: TRY004 - a broken run, whatever was found
        for patch in source.normalize(item.body, item.context).patches:
            if patch.operation != "upsert":
                continue
            fields = patch.fields
            for name in patch.references or ():
                if name in fields:
                    fields[name] = plain(fields[name])
            model.fold(patch.type, None, fields)
        done += 1
    return done


def measure(scale: float) -> Section:
    """Both on the same Bundle in the same rounds."""
    from fhir.resources.R4B.bundle import Bundle

    body, count = bundle(max(int(400 * scale), 20))
    with house.scratch() as folder, house.opened(folder) as gateway:
        source = gateway.sources[house.TENANT, house.EHR]
        if canonical(source, body) != count:
            raise RuntimeError("a resource is missing")

        def validate() -> int:
            return len(Bundle.model_validate_json(body).entry or ())

        found = SideBySide({OURS: timed(lambda: canonical(source, body)), PEER: timed(validate)}, ROUNDS)
    ratio = found.ratio(PEER)
    return Section(
        "fhir",
        "FHIR R4 JSON to canonical records, one core",
        [
            {
                "who": name,
                "resources/s": found.rate(name),
                "MB/s": found.rate(name) * len(body) / count / 1e6,
                "ours is faster by": "" if name == OURS else f"{found.ratio(name):.2f}x",
            }
            for name in found.names
        ],
        [
            Asked(
                "FHIR JSON to canonical, over fhir.resources' validation",
                f"{ASKED:.0f}x",
                f"{ratio:.1f}x",
                ratio >= ASKED,
            )
        ],
        [
            (
                f"One searchset Bundle of {count:,} resources, {len(body) / count:,.0f} bytes each: people, coverages,"
                " appointments, claims and explanations of benefit."
            )
        ],
    )
