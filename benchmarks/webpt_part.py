"""WebPT's nightly extract: rows to canonical records on one core, rows through the flow, a file of any size."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from itertools import count as numbers
from itertools import islice

from benchmarks import house, peers
from benchmarks.report import Asked, Section
from benchmarks.timing import per_second
from gateway.bootstrap import Gateway
from gateway.model.exchange import Finding
from gateway_webpt.config import WebptConfig
from gateway_webpt.records import Origin, cut
from gateway_webpt.transport import Extracts, utc_now

CHUNK = 64 * 1024
REPEATS = 5
ASKED_MB, ASKED_CHANGED, ASKED_UNCHANGED, ASKED_MEMORY = 5.0, 1_500, 10_000, 60
NIGHT = Origin(night="2026-06-12")
_CODES = (("97110", "45.00"), ("97140", "42.00"), ("97530", "55.00"), ("97161", "130.00"))
_CHARGES = (
    "record_id,record_pointer,visit_date,cpt,clinic_id,patient_id,case_id,visit_id,therapist_id,cosign_therapist_id,"
    "insurance_id,insurance_type_id,units,charge_amount,cpt_code_id,client_id,note_type,cpt_prefix,cpt_suffix,"
    "cpt_modifier,modified_date,note_finalized_date,export_flag"
)
_APPOINTMENTS = (
    "appointmnet_id,parent_appointment_id,start_date,end_date,check_in_time,check_out_time,calendar_title,clinic_id,"
    "therapist_id,appointment_type,case_id,patient_id,appointment_status,appointment_creator_id,apt_apttype,"
    "visit_comment,reason,time_stamp"
)


def charges() -> Iterator[str]:
    """The header and rows of a table of charges without end, three to a visit."""
    yield _CHARGES
    for number in numbers():
        patient, day = number // 3 % 4000, f"{number // 300 % 12 + 1:02}/{number // 30 % 28 + 1:02}/2026"
        code, amount = _CODES[number % 4]
        yield (
            f"1,{100_000 + number},{day},{code},{patient % 3},{patient},9{patient},{50_000 + number // 3},"
            f"{patient % 24},,{patient % 9},2,{number % 3 + 1},{amount},17,1,DN,,,GP,2026-06-12,2026-06-12,1"
        )


def appointments() -> Iterator[str]:
    """The same of appointments."""
    yield _APPOINTMENTS
    for number in numbers():
        patient, day, hour = number % 4000, number // 30 % 28 + 1, 8 + number % 9
        yield (
            f"{100_000 + number},,2026-06-{day:02} {hour:02}:30:00,06/{day:02}/2026 {hour:02}:45,,,Room {number % 5},"
            f'{patient % 3},{patient % 24},"Treatment, follow-up",9{patient},{patient},Active,7,,,,2026-06-12 18:00:00'
        )


def chunked(lines: Iterator[str], most: int) -> Iterator[bytes]:
    """Pieces of at least 64 KiB, as a mailbox gives them, until there are ``most`` bytes."""
    given = 0
    while given < most:
        piece = ("\r\n".join(islice(lines, 500)) + "\r\n").encode()
        given += len(piece)
        yield piece


def records(gateway: Gateway, pieces: list[bytes]) -> int:
    """Cut and normalize every row; how many bytes that was."""
    source = gateway.sources[house.TENANT, house.PRACTICE]
    for item in cut(iter(pieces), WebptConfig(), NIGHT):
        if isinstance(item, Finding) or not source.normalize(item.body, item.context).patches:
            raise RuntimeError("a row was not read")
    return sum(map(len, pieces))


def stored(gateway: Gateway, rows: int) -> tuple[float, float]:
    """Rows a second of processor time of a first night, stored and settled, and of the same rows a night later."""
    source = gateway.sources[house.TENANT, house.PRACTICE]
    receiver, extracts = gateway.receiver(source), Extracts(WebptConfig(), utc_now)
    file = ("\r\n".join(islice(appointments(), rows + 1)) + "\r\n").encode()
    normalizer = gateway.normalizer(set[str]().add)  # nobody has to be told
    rates = []
    normalizer.start()
    try:
        for night in ("20260612", "20260613"):
            begin = time.process_time()
            pieces = (file[at : at + CHUNK] for at in range(0, len(file), CHUNK))
            asyncio.run(extracts.take(receiver, f"appointments_{night}.csv", 0.0, pieces))
            while gateway.handoff.unsettled:
                time.sleep(0.002)
            rates.append(rows / (time.process_time() - begin))
    finally:
        normalizer.stop()
    return rates[0], rates[1]


def measure(scale: float) -> Section:
    """Rates by process time; memory in a process of its own."""
    most, rows = int(8_000_000 * scale), int(30_000 * scale)
    with house.scratch() as folder, house.opened(folder) as gateway:
        files = {"charges": list(chunked(charges(), most)), "appointments": list(chunked(appointments(), most))}
        parsed = {name: per_second(partial(records, gateway, pieces), REPEATS) / 1e6 for name, pieces in files.items()}
        changed, unchanged = stored(gateway, rows)
        size = int(1_000_000_000 * scale)
        done = subprocess.run(
            peers.program("benchmarks.extract", size, folder / "big"), capture_output=True, text=True, check=True
        )
    found = json.loads(done.stdout)
    grown = found["resident_mb"] - found["resident_before_mb"]
    slower = min(parsed.values())
    return Section(
        "webpt",
        "WebPT Standard Extract",
        [
            *({"work": f"{name} to canonical records, one core", "MB/s": rate} for name, rate in parsed.items()),
            {"work": "changed rows, stored and normalized", "rows/s": changed},
            {"work": "unchanged rows, a night later", "rows/s": unchanged},
            {"work": f"a file of {size / 1e6:,.0f} MB, cut and normalized", "MB/s": size / 1e6 / found["seconds"],
             "resident MB before": found["resident_before_mb"], "resident MB at most": found["resident_mb"]},
        ],
        [
            Asked("WebPT extract to canonical", "5 MB/s", f"{slower:.1f} MB/s", slower >= ASKED_MB),
            Asked("WebPT extract, changed rows stored", "1,500/s", f"{changed:,.0f}/s", changed >= ASKED_CHANGED),
            Asked("WebPT extract, unchanged rows", "10,000/s", f"{unchanged:,.0f}/s", unchanged >= ASKED_UNCHANGED),
            Asked("WebPT extract of 1 GB: memory", "flat", f"{grown:+.0f} MB", grown < ASKED_MEMORY),
        ],
        [f"Storing: {rows:,} appointments, each a message of its own, sealed, audited and synced."],
    )  # fmt: skip
