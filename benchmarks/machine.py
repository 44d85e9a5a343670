"""What the figures were measured on: cores, interpreter, and how fast the disk says that something is durable."""

from __future__ import annotations

import os
import platform
import time
from datetime import UTC, datetime
from pathlib import Path

import psutil

from benchmarks.report import Row, Value

SYNCS = 500
BLOCK = 4096


def facts() -> dict[str, Value]:
    """The machine, without its name."""
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "cores": os.cpu_count() or 1,
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release().split('-')[0]} {platform.machine()}",
    }


def sync_times(folder: Path, times: int = SYNCS) -> dict[str, float]:
    """How long ``fdatasync`` takes after an append of 4 KiB in this folder: p50, p95, p99 in milliseconds."""
    path = folder / "sync-probe"
    taken = []
    with path.open("wb", buffering=0) as file:
        for _ in range(times):
            file.write(b"\0" * BLOCK)
            begin = time.perf_counter()
            os.fdatasync(file.fileno())
            taken.append((time.perf_counter() - begin) * 1000)
    path.unlink()
    taken.sort()
    return {f"p{rank}": taken[min(len(taken) - 1, len(taken) * rank // 100)] for rank in (50, 95, 99)}


def sync_columns(folder: Path) -> Row:
    """The same, as columns beside a durable figure."""
    return {f"fdatasync {name} ms": round(value, 3) for name, value in sync_times(folder).items()}
