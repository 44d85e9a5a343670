"""A Bulk Data export brought in by ``gateway import``: how much memory a file takes, and one five times as large."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import psutil

from benchmarks import house
from benchmarks.report import Asked, Row, Section
from gateway.testing.synthetic_clinic import synthetic_clinic
from gateway_fhir.simulator_clinic import resources

BYTES = 1_000_000_000
ASKED_MB = 250.0
FLAT = 1.15
"""How much more the larger file may take: the caches of a longer run, and nothing that grows with the file."""
_IDS = re.compile(rb'("id":"|"reference":"[A-Z][A-Za-z]+/)')


def measure(scale: float) -> Section:
    """A fifth of the file and the whole file, each into a store of its own."""
    size = max(int(BYTES * scale), 5_000_000)
    with house.scratch() as folder:
        rows = [_imported(folder, "a fifth", size // 5), _imported(folder, "whole", size)]
    few, most = (float(row["most resident MB"]) for row in rows)
    return Section(
        "ndjson",
        "NDJSON of a Bulk Data export: stored, normalized, journalled",
        rows,
        [
            Asked(f"NDJSON of {size / 1e6:,.0f} MB: resident memory", f"under {ASKED_MB:.0f} MB", f"{most:.0f} MB",
                  most < ASKED_MB),
            Asked("the same, over a file of a fifth", f"under {FLAT}x", f"{most / few:.2f}x", most / few < FLAT),
        ],
        ["Resident memory of the importing process, looked at 20 times a second."],
    )  # fmt: skip


def _imported(folder: Path, name: str, size: int) -> Row:
    place = folder / name.replace(" ", "-")
    place.mkdir()
    count = _write(place / "export.ndjson", size)
    with house.opened(place):
        pass  # keys and store are made
    begin = time.perf_counter()
    child = subprocess.Popen(
        [sys.executable, "-m", "gateway", "import", "export.ndjson", "--source", house.EHR, "--json"], cwd=place,
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    watched, most = psutil.Process(child.pid), 0.0
    while child.poll() is None:
        most = max(most, watched.memory_info().rss / 1e6)
        time.sleep(0.05)
    seconds = time.perf_counter() - begin
    totals = json.loads(child.stdout.read()) if child.stdout is not None else {}
    if totals.get("stored") != count:
        raise RuntimeError(f"stored {totals.get('stored')} of {count} resources")
    return {
        "file": name, "MB": size / 1e6, "resources": count, "seconds": seconds, "resources/s": count / seconds,
        "most resident MB": most,
    }  # fmt: skip


def _write(path: Path, size: int) -> int:
    """The same clinic again and again, each time with ids of its own; how many resources that are."""
    meta = {"versionId": "1", "lastUpdated": "2026-05-01T10:00:00.000Z"}
    rows = [row | {"meta": meta} for row in resources(synthetic_clinic(patients=100, visits=200))]
    lines = [json.dumps(row, separators=(",", ":")).encode() + b"\n" for row in rows]
    count = written = copy = 0
    with path.open("wb") as out:
        while written < size:
            copy += 1
            mark = rb"\g<1>" + f"c{copy}-".encode()
            for line in lines:
                written += out.write(_IDS.sub(mark, line))
                count += 1
    return count
