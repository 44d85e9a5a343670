"""An export is brought in with the same memory however long it is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCALE = float(os.environ.get("GATEWAY_MEMORY_SCALE", "1"))
"""1 brings in 4 MB and 32 MB."""
FEW, MANY = int(4_000_000 * SCALE), int(32_000_000 * SCALE)
TEXT = 20_000
"""Characters of narrative in a patient: many bytes in few resources, so that what keeps bytes is seen at once."""
KEPT = 0.35
"""Of each byte more that is brought in, how much may be more in memory: caches bounded by their number, and the
allocator's holes, are about a tenth of so few bytes; whoever keeps them has them all."""
SETTINGS = """
[keys.config]
path = "keys/root.key"
[[tenants]]
name = "clinic"
[[sources]]
name = "ehr"
tenant = "clinic"
adapter = "fhir"
zone = "America/Chicago"
[log]
level = "error"
"""
IMPORT = """
import re, sys
from pathlib import Path
from gateway.cli import app
from gateway.store import engines
from gateway.vault import keystore
engines.CACHE_KIB = 1024  # pages and keys that are kept fill up once, and would hide what grows
keystore.REMEMBERED = keystore.AWAKE = 64
try:
    app(["import", "export.ndjson", "--source", "ehr", "--json"], standalone_mode=False)
finally:
    print(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1], file=sys.stderr)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the most memory a process had from /proc")
def test_memory_does_not_grow_with_the_export(tmp_path: Path) -> None:
    """Eight times as many resources, all of other patients, take hardly more memory than the first of them."""
    few, most = (_imported(tmp_path / name, size) for name, size in (("few", FEW), ("many", MANY)))
    assert most - few < (MANY - FEW) * KEPT, f"{few / 1e6:.0f} MB became {most / 1e6:.0f} MB"


def _imported(folder: Path, size: int) -> int:
    """Bring in an export of this size; the most resident bytes that took."""
    folder.mkdir()
    (folder / "gateway.toml").write_text(SETTINGS, encoding="utf-8")
    count = _write(folder / "export.ndjson", size)
    _run(folder, "-m", "gateway", "init")
    done = _run(folder, "-c", IMPORT)
    assert json.loads(done.stdout)["stored"] == count
    return int(done.stderr.split()[-1]) * 1024


def _run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words], cwd=folder, check=True, capture_output=True, text=True, timeout=300 * max(1.0, SCALE)
    )


def _write(path: Path, size: int) -> int:
    """Patients, each with an appointment; how many resources that are."""
    count = written = 0
    meta = {"versionId": "1", "lastUpdated": "2026-05-01T10:00:00.000Z"}
    with path.open("w", encoding="utf-8") as out:
        while written < size:
            patient = f"p{count}"
            for resource in (_patient(patient), _appointment(patient)):
                written += out.write(json.dumps(resource | {"meta": meta}) + "\n")
                count += 1
    return count


def _patient(patient: str) -> dict[str, object]:
    return {
        "resourceType": "Patient", "id": patient, "birthDate": "1970-02-03", "gender": "female",
        "identifier": [{"system": "urn:oid:1.2.3", "value": f"MRN-{patient}"}],
        "name": [{"family": f"Family {patient}", "given": ["Given"]}],
        "telecom": [{"system": "phone", "value": "555-0100", "use": "home"}],
        "text": {"status": "generated", "div": "<div>" + "as shown " * (TEXT // 9) + "</div>"},
    }  # fmt: skip


def _appointment(patient: str) -> dict[str, object]:
    return {
        "resourceType": "Appointment", "id": f"a-{patient}", "status": "booked",
        "start": "2026-05-01T14:00:00Z", "end": "2026-05-01T14:45:00Z",
        "participant": [
            {"actor": {"reference": f"Patient/{patient}"}, "status": "accepted"},
            {"actor": {"reference": "Practitioner/t1"}, "status": "accepted"},
        ],
    }  # fmt: skip
