"""MLLP round trips that are durable: sealed, synced, then acknowledged; and a peer's server that stores nothing."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import corpus, house, load, machine, peers
from benchmarks.report import Asked, Row, Section
from gateway.testing.ports import free_port

CONNECTIONS = (1, 10, 100)
MESSAGES = 5000


def measure(scale: float) -> Section:
    """The gateway's intake alone, then the peer, each at 1, 10 and 100 connections."""
    with house.scratch() as folder:
        messages = load.write_corpus(folder / "corpus", corpus.schedule(MESSAGES))
        rows = [*_ours(folder, messages, 8 * scale), *_theirs(folder, messages, 4 * scale)]
    at_hundred = next(row for row in rows if row["connections"] == CONNECTIONS[-1])
    rate, p99 = float(at_hundred["messages/s"]), float(at_hundred["p99 ms"])
    return Section(
        "mllp",
        "MLLP durable round trips, intake alone, embedded store",
        rows,
        [
            Asked("MLLP durable, 100 connections", "5,000/s (aim 8,000)", f"{rate:,.0f}/s", rate >= 5000),
            Asked("MLLP durable, 100 connections: p99", "under 50 ms", f"{p99:.1f} ms", p99 < 50),
        ],
        [
            (
                "An acknowledgement of ours means: sealed under its own key, in the store, audited and synced."
                " The fdatasync columns are 500 appends of 4 KiB in the same folder, timed just before."
                " python-hl7's server parses each message, makes its acknowledgement and keeps nothing."
            )
        ],
    )


def _ours(folder: Path, messages: Path, seconds: float) -> Iterator[Row]:
    with house.served(folder / "house", ["intake"]) as gateway:
        load.result(load.begin(folder, gateway.port, messages, connections=10, seconds=1))
        for connections in CONNECTIONS:
            syncs = machine.sync_columns(folder / "house" / "data")
            client = load.begin(folder, gateway.port, messages, connections=connections, seconds=seconds)
            yield _row("emr-gateway, durable", load.result(client)) | syncs


def _theirs(folder: Path, messages: Path, seconds: float) -> Iterator[Row]:
    with _peer() as port:
        for connections in CONNECTIONS:
            client = load.begin(folder, port, messages, connections=connections, seconds=seconds)
            yield _row("python-hl7 asyncio server, no store", load.result(client))


def _row(who: str, found: dict[str, float]) -> Row:
    if found["bad"]:
        raise RuntimeError(f"{who}: {found['bad']} answers were not AA with the control id that was sent")
    return {
        "who": who, "connections": int(found["connections"]), "messages/s": found["rate"], "p50 ms": found["p50_ms"],
        "p99 ms": found["p99_ms"],
    }  # fmt: skip


@contextmanager
def _peer() -> Iterator[int]:
    port = free_port()
    process = subprocess.Popen(peers.program("benchmarks.peer_mllp", port))
    try:
        while process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(10)
