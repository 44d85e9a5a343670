"""Files: Bundles, NDJSON and single resources, whole and broken, in pieces of any size and in bounded memory."""

from __future__ import annotations

import json
import os
import tracemalloc
from typing import Any

import msgspec
import pytest

from gateway.errors import LimitExceeded
from gateway.model.exchange import Finding, Item
from gateway_fhir.records_file import cut, is_fhir
from gateway_fhir.simulator_clinic import resources
from tests.unit.adapters.fhir.server import CLINIC, config

ROWS = [row | {"meta": {"lastUpdated": "2026-05-01T10:00:00Z"}} for row in resources(CLINIC)]
SCALE = float(os.environ.get("GATEWAY_FAULT_SCALE", "1"))


def parts(body: bytes, size: int = 65536, **settings: Any) -> list[Item | Finding]:
    return list(cut((body[at : at + size] for at in range(0, len(body), size)), config(**settings)))


@pytest.mark.parametrize("size", [1, 7, 1000, 10**7])
def test_ndjson_is_cut_line_by_line(size: int) -> None:
    """Every line becomes one message with its exact bytes and its place, however the bytes arrive."""
    body = b"".join(json.dumps(row).encode() + b"\n" for row in ROWS[:20])
    found = parts(body, size)
    assert [json.loads(one.body) for one in found] == ROWS[:20]
    assert all(body[one.offset : one.offset + len(one.body)] == one.body for one in found)


@pytest.mark.parametrize("indent", [None, 2])
def test_a_bundle_is_one_document(indent: int | None) -> None:
    """Each entry becomes a message; outcomes and broken entries become findings, deletions become messages."""
    outcome = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "processing"}]}
    entries = [{"resource": row} for row in ROWS[:5]]
    entries += [{"resource": outcome}, {"resource": {"resourceType": "Patient"}}]
    entries += [{"request": {"method": "DELETE", "url": "Patient/p1"}}]
    body = json.dumps({"resourceType": "Bundle", "type": "history", "entry": entries}, indent=indent).encode()
    found = parts(body)
    assert sorted(one.reason for one in found if isinstance(one, Finding)) == [
        "outcome-processing",
        "unreadable-resource",
    ]
    assert [one.kind for one in found if isinstance(one, Item)][-1] == "Patient deleted"
    assert len(found) == 8


def test_a_single_resource_may_be_spread_over_lines() -> None:
    """A pretty-printed resource is one message, with or without a byte order mark."""
    body = json.dumps(ROWS[0], indent=2).encode()
    assert [one.body for one in parts(body)] == [body]
    assert len(parts(b"\xef\xbb\xbf" + body)) == 1


def test_a_broken_line_does_not_stop_the_others() -> None:
    """What is no resource and what is too long become findings; the lines around them are messages."""
    good = json.dumps(ROWS[0]).encode()
    long = b'{"resourceType":"Patient","id":"x","a":"' + b"x" * 5000 + b'"}'
    found = parts(b"\n".join([good, b"not json", long, good]), 100, max_resource_bytes=2048)
    assert [getattr(one, "reason", "item") for one in found] == ["item", "unreadable-resource", "line-too-long", "item"]


def test_a_document_over_the_limit_is_refused() -> None:
    """A Bundle is held whole, so its size is bounded; NDJSON has no such limit."""
    body = json.dumps({"resourceType": "Bundle", "entry": [{"resource": row} for row in ROWS]}).encode()
    with pytest.raises(LimitExceeded):
        parts(body, max_bundle_bytes=4096)
    lines = b"".join(json.dumps(row).encode() + b"\n" for row in ROWS)
    assert len(parts(lines, max_bundle_bytes=4096, size=1000)) == len(ROWS)


def test_files_are_recognized_by_their_head() -> None:
    """A resource, a Bundle and NDJSON are known; other JSON is not."""
    assert is_fhir(b'{\n "resourceType" : "Bundle"')
    assert is_fhir(b'{"id":"1","resourceType":"Patient"}')
    assert not is_fhir(b'{"patients":[]}')
    assert not is_fhir(b'{"resourceType":"Recipe"}')


def test_a_large_export_needs_no_more_memory_than_a_small_one() -> None:
    """Tens of megabytes of NDJSON go through in a few; GATEWAY_FAULT_SCALE makes the file larger."""
    piece = b"".join(msgspec.json.encode(row) + b"\n" for row in ROWS)
    times = int(20_000_000 * SCALE / len(piece)) + 1
    tracemalloc.start()
    count = sum(1 for _ in cut((piece for _ in range(times)), config()))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == times * len(ROWS)
    assert most < 8_000_000


def test_a_patients_id_is_no_control_id() -> None:
    """Control ids stand in logs: a digest stands for a patient, and two versions differ."""
    patient = next(row for row in ROWS if row["resourceType"] == "Patient")
    (first,), (second,) = (parts(json.dumps(row).encode()) for row in (patient, patient | {"active": False}))
    assert patient["id"] not in first.control_id.split(":")[0].split("/")[1]
    assert first.control_id != second.control_id
    assert first.order_key == patient["id"]
