"""The MLLP load client: compiled once a run, told where and how fast to send."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

from benchmarks.house import HERE

_runs = count(1)


@cache
def _client(folder: Path) -> Path:
    program = folder / "mllp_load"
    source = HERE / "mllp_load.c"
    subprocess.run([os.environ.get("CC", "cc"), "-O2", "-o", str(program), str(source)], check=True)
    return program


def write_corpus(path: Path, messages: Iterable[bytes]) -> Path:
    """A corpus as the client reads it: one message a line."""
    with path.open("wb") as out:
        for message in messages:
            out.write(message + b"\n")
    return path


def begin(
    folder: Path, port: int, corpus: Path, *, connections: int, seconds: float, rate: float = 0
) -> subprocess.Popen[str]:
    """Start to send; see :func:`result`."""
    tag = f"B{next(_runs):03d}R"
    words = [str(_client(folder)), port, connections, seconds, rate, tag, corpus]
    return subprocess.Popen([str(word) for word in words], stdout=subprocess.PIPE, text=True)


def result(client: subprocess.Popen[str]) -> dict[str, Any]:
    """Wait for the end: connections, sent, acked, bad, seconds, rate, and p50_ms, p99_ms, max_ms of the answers."""
    out, _ = client.communicate()
    if client.returncode:
        raise RuntimeError("the load client could not go on: the server hung up, or an answer was too long")
    found: dict[str, Any] = json.loads(out)
    return found
