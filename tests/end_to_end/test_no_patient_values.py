"""Planted values go the ways of success and of failure at the most talkative log level, and are found nowhere."""

from __future__ import annotations

import asyncio
import base64
import signal
from pathlib import Path

from gateway_demo.config import DROP, MAILBOX, SECRET_FILE, DemoConfig
from gateway_demo.simulator import HOST, World
from gateway_hl7.simulator import send_day
from gateway_x12.simulator import file_835
from tests.end_to_end.conftest import SCRIPT, Answer, Run
from tests.planted import forms
from tests.waiting import PATIENCE, until

FAMILY, GIVEN, CHART, PHONE, BORN = "Quaggaworth", "Zephyrine", "MRN77440912", "2025550173", "19610229"
PLANTED = (FAMILY, GIVEN, CHART, PHONE, "(202) 555-0173", BORN, "1961-02-28", "Wibblecondition", "NOTATIME8812")
OUTSIDE = (MAILBOX, "out")
"""Where values belong: what went to payers and came from them, and what the files route delivered."""
SHORTEST = 8
"""Fewest bytes of a form: a shorter one stands by chance in the random bytes of an encrypted database."""
LOOKS = (
    "messages --limit 1000", "quarantine list", "verify ledger", "verify audit --export bundle.ndjson", "health",
    "records", "explain nobody name", f"import {DROP}/failed/third.835",
)  # fmt: skip


def hl7(number: int, event: str, *segments: str) -> bytes:
    """A message about the planted patient."""
    header = f"MSH|^~\\&|PRACTICE|NORTHSIDE|GATEWAY|HUB|20260302080000||{event}|C{number:06d}|P|2.5.1"
    return "\r".join([header, *segments, ""]).encode()


def pid(born: str = "19610228", chart: str = CHART) -> str:
    """Who it is about."""
    return f"PID|1||{chart}^^^PRACTICE^MR||{FAMILY}^{GIVEN}||{born}|F|||1 {FAMILY} Lane||^PRN^CP^^1^202^5550173"


def sch(start: str = "20260302090000", status: str = "Booked") -> str:
    """What it is about."""
    return f"SCH|P1|V1|||||^Wibblecondition|||min|^^30^{start}^20260302093000{'|' * 14}{status}"


def messages() -> list[bytes]:
    """Three that succeed, and one for each way to fail that begins in the content."""
    return [
        hl7(1, "ADT^A04", pid()),
        hl7(2, "SIU^S12", sch(), pid()),
        hl7(3, "SIU^S14", sch("20260302100000"), pid()),
        hl7(4, "SIU^S12", sch("NOTATIME8812"), pid()),
        hl7(5, "SIU^S12", sch(status=FAMILY), pid()),
        hl7(6, "ADT^A08", pid(born=BORN)),
        hl7(7, "ADT^A08", pid(chart="")),
        hl7(8, f"ADT^{FAMILY}", pid()),
        hl7(9, "ADT^A40", pid(), pid()),
        hl7(3, "SIU^S14", sch("20260302110000"), pid()),
    ]


def plant_files(folder: Path) -> None:
    """A remittance with the planted name, one with an amount that is none, and one that is no remittance."""
    whole = file_835(1, 6).replace(b"NM1*QC*1*", f"NM1*QC*1*{FAMILY}".encode())
    (folder / "first.835").write_bytes(whole)
    broken = file_835(2, 6, control=2).replace(b"CLP*PT000020000001*1*", f"CLP*PT000020000001*1*{FAMILY}".encode())
    (folder / "second.835").write_bytes(broken)
    (folder / "third.835").write_bytes(f"{FAMILY} {GIVEN} {PHONE}".encode())


def plant_vendor(world: World) -> None:
    """The planted patient in the vendor's system, an answer of every broken kind, and a receiver that stumbles."""
    for row in world.api.tables["patients"].values():
        row.update(first_name=GIVEN, last_name=FAMILY, old_reference_id=CHART, date_of_birth=BORN)
        break
    for appointment in list(world.api.tables["individual_appointments"].values())[:2]:
        appointment.update(starts_at=f"{FAMILY}", notes=FAMILY)
    for fault in ("500", "html", "half-body"):
        world.api.fail(fault)  # type: ignore[arg-type]  # the three are literals of its type
    for answer in ("error", "reset", "drop", "reject"):
        world.receiver.fail(answer)  # type: ignore[arg-type]  # the four are literals of its type


async def served(folder: Path, gateway: Run) -> list[Answer]:
    """Serve, send everything, look with every command, then kill, so that the write-ahead log is left as it was."""
    world = await World.start(folder)
    plant_vendor(world)
    _talkative(world.config, folder)
    answers = [await asyncio.to_thread(gateway, "init")]
    with (folder / "serve.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(str(SCRIPT), "serve", cwd=folder, stdout=log, stderr=log)
    try:
        await until(lambda: b"ready\n" in (folder / "serve.log").read_bytes())
        plant_files(folder / DROP)
        await send_day(HOST, world.config.mllp_port, messages(), timeout=PATIENCE, attempts=1)
        await _refused(world.config.mllp_port)
        await until(lambda: len(world.receiver.lines) > 20 and not list((folder / DROP).glob("*.835")))
        answers += [await asyncio.to_thread(gateway, *command.split()) for command in LOOKS]
    finally:
        process.send_signal(signal.SIGKILL)
        await process.wait()
        await world.stop()
    return answers


def _talkative(config: DemoConfig, folder: Path) -> None:
    path = config.write(folder)
    text = path.read_text("utf-8")
    assert 'level = "error"' in text
    path.write_text(text.replace('level = "error"', 'level = "debug"'), encoding="utf-8")


async def _refused(port: int) -> None:
    """A frame that is no message at all, and one that never ends."""
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(b"\x0bPID|" + FAMILY.encode() + b"\x1c\r")
    assert b"MSA|AR" in await asyncio.wait_for(reader.read(4096), PATIENCE)
    writer.write(b"\x0bMSH|^~\\&|" + FAMILY.encode())
    await writer.drain()
    writer.close()


def hits(where: str, content: bytes) -> list[str]:
    """The planted values that a place holds."""
    lowered = content.lower()
    return [f"{where}: {value}" for value in PLANTED if any(form in lowered for form in forms(value))]


def test_planted_values_are_nowhere(tmp_path: Path, gateway: Run) -> None:
    """No log line, error, command without --show, file name, database page, WAL or keystore holds a patient's value."""
    answers = asyncio.run(served(tmp_path, gateway))
    secrets = [(tmp_path / SECRET_FILE).read_bytes()]
    found: list[str] = []
    scanned = set()
    for path in sorted(tmp_path.rglob("*")):
        short = path.relative_to(tmp_path)
        found += hits(f"the name {short}", str(short).encode())
        if path.is_file() and short.parts[0] not in OUTSIDE:
            scanned.add(path.name)
            found += hits(str(short), path.read_bytes())
    for number, answer in enumerate(answers):
        found += hits(f"output {number}", answer.out.encode())
        found += hits(f"errors {number}", answer.err.encode())
    log = (tmp_path / "serve.log").read_bytes()
    assert found == []
    outcomes = {
        (row["outcome"], row["reason"]) for row in gateway("messages", "--limit", "1000", "--json").json["messages"]
    }
    assert {("normalized", ""), ("quarantined", "not-a-time"), ("suppressed", "unsupported-event")} <= outcomes
    assert not any(secret in log for secret in secrets)
    assert {"gateway.db", "gateway.db-wal", "keystore.db", "serve.log", "bundle.ndjson"} <= scanned
    assert b"Traceback" not in log


def test_the_search_sees_what_is_there(tmp_path: Path, gateway: Run) -> None:
    """The same values are found where they belong, in each form: the search is not blind."""
    (tmp_path / "one.hl7").write_bytes(hl7(2, "SIU^S12", sch(), pid()))
    shown = gateway("import", "one.hl7", "--dry-run", "--json").out.encode()
    assert {hit.rpartition(" ")[2] for hit in hits("shown", shown)} >= {FAMILY, GIVEN, CHART}
    for value in PLANTED:
        for before in ("", "x", "xy", "xyz"):
            assert f"coded: {value}" in hits("coded", base64.b64encode(f"{before}{value}{before}".encode()))
        assert min(map(len, forms(value))) >= SHORTEST
    assert hits("wide", FAMILY.encode("utf-16-le"))
    assert hits("plain", b"nothing of it") == []
