"""Read one 835 as a stream, and say how much memory that took: ``python -m benchmarks.million FILE FOLDER``."""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

from benchmarks import house, x12_part


def resident_mb() -> float:
    """The most memory this process ever had, in MB (10^6 bytes)."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 1e6 if sys.platform == "darwin" else most * 1024 / 1e6


def main() -> None:
    """Print claims, seconds and memory as JSON."""
    with house.opened(Path(sys.argv[2])) as gateway:
        before = resident_mb()
        begin = time.perf_counter()
        claims = x12_part.canonical(gateway, x12_part.chunks(Path(sys.argv[1])))
        seconds = time.perf_counter() - begin
    found = {"claims": claims, "seconds": seconds, "resident_before_mb": before, "resident_mb": resident_mb()}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
