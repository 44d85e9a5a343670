"""Fan-out: webhooks through the whole delivery engine to a receiver that syncs, and the feed to one client that pulls.

Each side of the webhooks is a process of its own; the records are written into the journal in bulk before.
"""

from __future__ import annotations

import base64
import os
import secrets
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from benchmarks import clinic_records, house
from benchmarks.facade_part import add_client
from benchmarks.report import Asked, Row, Section
from gateway.testing.ports import free_port
from gateway_webhook.simulator_ledger import Line

RECORDS = 30_000
WEBHOOKS, FEED = 800, 10_000
"""Asked for, each second."""
LONGEST = 180
"""Seconds after which a receiver is waited for no longer."""
_SETTINGS = """
[http]
port = {port}
[views.partner]
Patient = ["*"]
Appointment = ["*"]
[[routes]]
name = "partner"
tenant = "clinic"
sink = "webhook"
view = "partner"
purpose = "operations"
recipient = "bench"
[routes.config]
url = "http://127.0.0.1:{hook}/hook"
secrets = ["env:WEBHOOK_SECRET"]
allow_loopback = true
"""


def measure(scale: float) -> Section:
    """Both ways out of one journal."""
    count = max(int(RECORDS * scale), 1000)
    os.environ["WEBHOOK_SECRET"] = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()
    with house.scratch() as folder:
        port, hook = free_port(), free_port()
        with house.opened(folder, tail=_SETTINGS.format(port=port, hook=hook)) as gateway:
            total = clinic_records.seed(gateway, count)
            key = add_client(gateway)
        with house.restarted(folder, port, ("api",)) as api:
            pulled = _pulled(f"http://127.0.0.1:{port}", key, total, api)
        ledger = folder / "receiver.ndjson"
        with _receiver(ledger, hook), house.restarted(folder, hook, ("deliver",)) as sender:
            posted = _posted(ledger, total, sender)
            time.sleep(1)  # the last dispatch's receipts are written after its answers
            found = _settled(sender, total)
    rows = [posted, pulled]
    return Section(
        "fanout",
        f"Fan-out of {total:,} records: webhooks posted and synced, NDJSON pulled by one client",
        rows,
        [
            Asked("webhooks, engine and all", f"{WEBHOOKS:,}/s", f"{posted['records/s']:,.0f}/s",
                  float(posted["records/s"]) >= WEBHOOKS),
            Asked("pull feed to one client", f"{FEED:,}/s", f"{pulled['records/s']:,.0f}/s",
                  float(pulled["records/s"]) >= FEED),
            Asked("webhooks: none lost, none twice, ledger adds up", "yes", found, found == "yes"),
        ],
        [
            (
                "A file route runs beside the webhooks, from the same journal. Each delivery is one signed request, and"
                " the receiver syncs its ledger before it answers. The feed decrypts, audits and discloses every page."
            )
        ],
    )  # fmt: skip


def _pulled(base: str, key: str, total: int, api: house.Served) -> Row:
    """The whole journal in NDJSON, by a client that reads the lines."""
    before, begin = api.cpu_seconds, time.perf_counter()
    cursor, records, moved = "", 0, True
    while moved:
        request = urllib.request.Request(
            f"{base}/v1/changes?limit=50000&after={cursor}",
            headers={"Authorization": f"Bearer {key}", "Accept": "application/x-ndjson"},
        )
        moved = False
        with urllib.request.urlopen(request, timeout=LONGEST) as answer:
            for line in answer:
                one = msgspec.json.decode(line)
                if "record" in one:
                    records += 1
                    moved = True
                else:
                    cursor = one["cursor"]
    seconds = time.perf_counter() - begin
    if records != total:
        raise RuntimeError(f"{records} of {total} records were pulled")
    return _row("feed", records, seconds, api.cpu_seconds - before)


def _posted(ledger: Path, total: int, sender: house.Served) -> Row:
    """Until the receiver has them all: from the first of its lines to the last."""
    before, ends = sender.cpu_seconds, time.monotonic() + LONGEST
    begin, written = time.perf_counter(), 0
    while written < total:
        if time.monotonic() > ends:
            raise RuntimeError(f"{written} of {total} records were posted in {LONGEST} seconds")
        if not written:
            begin = time.perf_counter()
        time.sleep(0.1)
        written = ledger.read_bytes().count(b"\n") if ledger.exists() else 0
    seconds = time.perf_counter() - begin
    lines = [msgspec.json.decode(line, type=Line) for line in ledger.read_bytes().splitlines()]
    if len({line.id for line in lines}) != total:
        raise RuntimeError("not everything was posted, or something under another id")
    return _row("webhooks", total, seconds, sender.cpu_seconds - before)


def _row(name: str, records: int, seconds: float, cpu: float) -> Row:
    return {
        "way out": name, "records": records, "seconds": seconds, "records/s": records / seconds,
        "gateway: CPU us/record": cpu / records * 1e6,
    }  # fmt: skip


@contextmanager
def _receiver(ledger: Path, port: int) -> Iterator[None]:
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway_webhook.simulator", str(ledger), str(port)], stdout=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def _settled(sender: house.Served, total: int) -> str:
    """Whether the recount finds everything delivered on the route of the webhooks."""
    (tenant,) = sender.ledger()["tenants"]
    (route,) = (one for one in tenant["routes"] if one["route"] == "partner")
    return "yes" if (route["delivered"], route["pending"]) == (total, 0) else f"{route['pending']} pending"
