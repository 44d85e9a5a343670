"""``python -m benchmarks [--only hl7,835,...] [--json] [--quick]``: measure, print, write results.json and RESULTS.md.

``BENCH_SCALE`` scales every amount of work; ``--quick`` is a tenth. The page that is written names the scale when it is
not 1. The stores of the trust parts are seeded with a small share of the rows they are asked
for, and with all of them under ``--full``: half an hour and 20 GB of disk. ``--only trust`` runs all of these parts.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext, redirect_stdout
from datetime import UTC, datetime

import msgspec

from benchmarks import (
    end_to_end_part,
    facade_part,
    fanout_part,
    fhir_part,
    group_part,
    hl7_part,
    idle_part,
    machine,
    mllp_part,
    ndjson_part,
    report,
    trust_part,
    trust_pipeline,
    vault_part,
    webpt_part,
    x12_part,
)
from benchmarks.house import HERE

PARTS: dict[str, Callable[[float], report.Section]] = {
    "hl7": hl7_part.measure,
    "835": x12_part.measure,
    "837": x12_part.measure_submitted,
    "million": x12_part.measure_million,
    "fhir": fhir_part.measure,
    "webpt": webpt_part.measure,
    "facade": facade_part.measure,
    "fanout": fanout_part.measure,
    "ndjson": ndjson_part.measure,
    "vault": vault_part.measure,
    "trust-pipeline": trust_pipeline.measure,
    "trust-audit": trust_part.measure_audit,
    "trust-patients": trust_part.measure_patients,
    "trust-disclosures": trust_part.measure_disclosures,
    "idle": idle_part.measure,
    "mllp": mllp_part.measure,
    "e2e": end_to_end_part.measure,
}
LONG: dict[str, Callable[[float], report.Section]] = {"group": group_part.measure}
"""Parts that take longer than all others together, run only when they are named."""


def main() -> None:
    """Run the parts in turn; exit code 1 when a figure that was asked for was not reached."""
    options = _options()
    asked = set(options.only.split(",")) if options.only else set(PARTS)
    known = PARTS | LONG
    if unknown := asked - set(known) - {_family(name) for name in known}:
        sys.exit(f"There is no part {', '.join(sorted(unknown))}; known are: {', '.join(known)}.")
    names = [name for name in known if {name, _family(name)} & asked]
    if options.full:
        trust_part.use_full()
    scale = 0.1 if options.quick else float(os.environ.get("BENCH_SCALE", "1"))
    facts = machine.facts()
    sections = []
    for number, name in enumerate(names, 1):
        print(f"[{number}/{len(names)}] {name} ...", file=sys.stderr, flush=True)
        begin = time.perf_counter()
        with redirect_stdout(sys.stderr) if options.json else nullcontext():
            run = _run(scale)
            sections.append(msgspec.structs.replace(known[name](scale), run=run))
        print(f"      {time.perf_counter() - begin:.0f} s", file=sys.stderr, flush=True)
    results = report.Results(facts, sections)
    print(report.as_json(results) if options.json else report.as_markdown(results))
    if options.write or names == list(PARTS):
        report.write(results, HERE, list(known))
    sys.exit(not all(one.reached for section in sections for one in section.asked))


def _run(scale: float) -> str:
    load = f"{datetime.now(UTC):%Y-%m-%d}, load {os.getloadavg()[0]:.1f}"
    return load if scale == 1 else f"{load}, {scale:g} of the work"


def _family(name: str) -> str:
    return name.partition("-")[0]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="The gateway measured beside its peers.")
    parser.add_argument("--only", help=f"some of: {','.join(PARTS | LONG)}")
    parser.add_argument("--json", action="store_true", help="print JSON in place of tables")
    parser.add_argument("--quick", action="store_true", help="a tenth of the work, to see that everything runs")
    parser.add_argument("--write", action="store_true", help="put these parts into RESULTS.md, beside the others")
    parser.add_argument("--full", action="store_true", help="the trust parts on as many rows as they are asked for")
    return parser.parse_args()


if __name__ == "__main__":
    main()
