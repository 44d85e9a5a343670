"""MLLP in, normalized, journalled, audited, delivered to a file sink, at a fixed rate: does it keep up?"""

from __future__ import annotations

import subprocess
import time
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks import corpus, house, load, machine
from benchmarks.report import Asked, Row, Section, Value

STEPS = ((1000, 60), (1500, 20), (2000, 20))
"""Messages a second, and for how many seconds."""
CONNECTIONS = 32
DRAIN_SECONDS = 60
KEEPS_UP = 2.0
"""Seconds of input that may still wait when the load ends; the health file that says so is renewed every two."""


def measure(scale: float) -> Section:
    """Each step against a gateway of its own, every message a new one."""
    with house.scratch() as folder:
        steps = [(rate, max(6, int(seconds * scale))) for rate, seconds in STEPS]
        messages = corpus.schedule(max(rate * seconds for rate, seconds in steps))
        path = load.write_corpus(folder / "corpus", messages)
        del messages
        rows = [_step(folder, path, rate, seconds) for rate, seconds in steps]
    first = rows[0]
    p99, sustained = float(first["ACK p99 ms"]), first["sustained"] == "yes"
    best = max((int(row["asked/s"]) for row in rows if row["sustained"] == "yes"), default=0)
    return Section(
        "e2e",
        "End to end: MLLP, normalize, journal, audit, file sink",
        rows,
        [
            Asked(
                f"end to end, {first['asked/s']:,}/s for {first['seconds']} s, no growing backlog",
                "1,000/s sustained",
                f"{first['acked/s']:,.0f}/s, {'sustained' if sustained else 'not sustained'}",
                sustained,
            ),
            Asked("end to end: ACK p99 meanwhile", "under 100 ms", f"{p99:.1f} ms", p99 < 100),
            Asked("end to end: highest step sustained", "aim 2,000/s", f"{best:,}/s", best >= 2000),
        ],
        [
            (
                "Latency counts from the moment a message was due. Backlog is what was stored and not yet normalized,"
                " read from the health file while the load ran (at a third, at two thirds, at the end). Drained is the"
                " time from the last acknowledgement until the recount of the ledger found nothing pending"
                " (recounts begin half a second apart);"
                f" sustained: at least 99 % of the asked rate, and at most {KEEPS_UP:g} s of input waiting at the end."
            )
        ],
    )


def _step(folder: Path, messages: Path, rate: int, seconds: int) -> Row:
    place = folder / f"at-{rate}"
    with house.served(place) as gateway:
        syncs = machine.sync_columns(place / "data")
        before = gateway.cpu_seconds
        client = load.begin(folder, gateway.port, messages, connections=CONNECTIONS, seconds=seconds, rate=rate)
        backlog = _watch(gateway, client)
        found = load.result(client)
        cpu = (gateway.cpu_seconds - before) / found["acked"] * 1e6
        ended = time.perf_counter()
        backlog.append(gateway.unsettled())
        ledger, drained = _drain(gateway, ended)
        row = _row(rate, seconds, found, backlog) | {"CPU us/message": cpu}
        return row | _settled(found, ledger, drained) | {"memory MB": gateway.memory_mb} | syncs


def _watch(gateway: house.Served, client: subprocess.Popen[str]) -> list[int]:
    backlog = [0]
    while client.poll() is None:
        time.sleep(1)
        backlog.append(gateway.unsettled())
    return backlog


def _drain(gateway: house.Served, ended: float) -> tuple[dict[str, Any], float]:
    """Recount until nothing is pending; the ledger, and the seconds until then as of the recount's beginning."""
    while True:
        asked = time.perf_counter() - ended
        ledger = gateway.ledger()
        if not _pending(ledger) or asked > DRAIN_SECONDS:
            return ledger, asked
        time.sleep(0.5)


def _pending(ledger: dict[str, Any]) -> int:
    tenants = ledger["tenants"]
    return sum(one["pending"] + sum(route["pending"] for route in one["routes"]) for one in tenants)


def _row(rate: int, seconds: int, found: dict[str, Any], backlog: list[int]) -> Row:
    if found["bad"]:
        raise RuntimeError(f"{found['bad']} answers were not AA with the control id that was sent")
    third = len(backlog) // 3
    at = dict(zip(("a third", "two thirds", "the end"), islice(backlog[third:-1:third], 2), strict=False))
    places: dict[str, Value] = {f"backlog at {name}": value for name, value in at.items()}
    keeps = found["rate"] >= 0.99 * rate and backlog[-1] <= KEEPS_UP * rate
    return {
        "asked/s": rate, "seconds": seconds, "acked/s": found["rate"], "ACK p50 ms": found["p50_ms"],
        "ACK p99 ms": found["p99_ms"], **places, "backlog at the end": backlog[-1],
        "sustained": "yes" if keeps else "no",
    }  # fmt: skip


def _settled(found: dict[str, Any], ledger: dict[str, Any], drained: float) -> Row:
    accepted = sum(one["accepted"] for one in ledger["tenants"])
    if accepted != found["acked"] or ledger["unaccounted"]:
        raise RuntimeError(f"{found['acked']} acknowledged, {accepted} in the ledger")
    pending = _pending(ledger)
    delivered = sum(route["delivered"] for one in ledger["tenants"] for route in one["routes"])
    return {"drained after s": drained if not pending else f"{pending:,} left", "changes delivered": delivered}
