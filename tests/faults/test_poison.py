"""Poisoned messages among good ones, and a receiver that refuses one patient: only the poison waits.

These can fail: with the seam in `Normalizer._normalize` narrowed to one reason the first poisoned message stops the
whole source and the good ones never arrive; with `Parking.keys` empty the refused patient's later changes overtake.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.testing.ports import free_port
from gateway_hl7.simulator import clinic_day
from tests.faults.beside import Beside, Picky
from tests.faults.deployment import SECRET, Deployment, Load
from tests.waiting import wait_until

GARBAGE = ("\x01\x02\x7f", "99999999999999", "20260231", "-" * 40, "&&&^^^~~~", '""', "\\X0D\\\\Zq\\", "ＡＢＣ")
PLACES = {"SCH": (2, 6, 7, 8, 9, 11, 25), "PID": (3, 5, 7, 8, 11, 13, 15), "PV1": (3, 7, 19), "AIS": (3, 4, 10)}
"""Fields that the mappings of appointments and patients read."""


MENDED = """
record = "Appointment"
kinds = ["SIU^S12"]
[fields.start]
from = "AIS-4.1"
to = "datetime"
[fields.start_as_sent]
from = "AIS-4.1"
to = "time_as_sent"
"""


def _poisons(good: bytes) -> Iterator[bytes]:
    """The message with each mapped field spoiled in each way, and then as a whole."""
    number = 0

    def named(message: bytes) -> bytes:
        nonlocal number
        number += 1
        return re.sub(rb"\A((?:[^|]*\|){9})[^|]*", rb"\1BAD%06d" % number, message)

    for segment, fields in PLACES.items():
        for field in fields:
            for value in GARBAGE:
                yield named(_with(good, segment, field, value))
    yield named(_with(good, "PID", 5, "LONG" * 60_000))
    yield named(_with(good, "SCH", 11, "^^30^" + "9" * 100_000))
    yield named(good.replace(b"UNICODE UTF-8", b"8859/1"))
    yield named(good.replace(b"UNICODE UTF-8", b"KLINGON"))
    yield named(_with(good, "PID", 5, "X^Y").replace(b"X^Y", b"\xff\xfe^\xc3"))
    yield named(good.replace(b"SIU^S12", b"SIU^S99"))
    yield named(good.split(b"\rPID")[0] + b"\r")
    yield named(good.replace(b"\rSCH|", b"\rSCX|"))
    yield named(good.replace(b"\r", b"\r\r\r") + b"|||\rZZZ\r\x00\x00")
    yield named(good.replace(b"|^~\\&|", b"|^~|", 1))


def _with(message: bytes, segment: str, field: int, value: str) -> bytes:
    lines = message.split(b"\r")
    for place, line in enumerate(lines):
        if line.startswith(segment.encode()):
            parts = line.split(b"|")
            parts += [b""] * (field + 1 - len(parts))
            parts[field] = value.encode()
            lines[place] = b"|".join(parts)
    return b"\r".join(lines)


def _by_control_id(deployment: Deployment) -> dict[str, dict[str, Any]]:
    return {row["control_id"]: row for row in deployment.json("messages", "--limit", "100000")["messages"]}


@pytest.mark.timeout(600)
def test_poison_waits_alone_with_reason_and_place(tmp_path: Path) -> None:
    """Whatever is wrong with a message, it is acknowledged, waits with a reason and a place, and the rest goes on."""
    good = clinic_day(51, patients=20, visits=40, merges=0)[:60]
    booking = next(message for message in good if b"SIU^S12" in message)
    poison = list(_poisons(booking))
    mixed = [message for pair in zip(poison, good * 4, strict=False) for message in pair][: 2 * len(poison)]
    messages = list(dict.fromkeys([*mixed, *good]))
    with Deployment(tmp_path) as deployment:
        deployment.start()
        load = Load(deployment.port, messages)
        load.finish(120)
        ledger = deployment.drain(120)
        rows = _by_control_id(deployment)
        held = deployment.json("quarantine", "list")
        received = deployment.received()
        assert deployment.pid is not None
    print(f"{len(poison)} poisoned: {len(held)} quarantined")
    assert len(load.acked) == len(messages)
    assert (ledger["unaccounted"], ledger["pending"]) == (0, 0)
    spoiled = {row["control_id"] for row in rows.values() if row["outcome"] == "quarantined"}
    assert all(name.startswith("BAD") for name in spoiled)
    assert len(spoiled) == len(held) >= 20
    assert [one for one in held if not (one["reason"] and one["place"])] == []
    assert len(received.distinct) == ledger["delivered"]
    assert b"BAD" not in (tmp_path / "serve.log").read_bytes()


@pytest.mark.timeout(600)
def test_release_after_the_mapping_is_mended(tmp_path: Path) -> None:
    """A message that a site's own way of writing times held back goes through once an overlay reads another field."""
    good = clinic_day(52, patients=5, visits=6, merges=0)
    booking = next(message for message in good if b"SIU^S12" in message)
    poison = re.sub(rb"(\rSCH\|(?:[^|]*\|){10}(?:[^|^]*\^){3})[^|^]*", rb"\1on Monday morning", booking)
    with Deployment(tmp_path) as deployment:
        deployment.start()
        Load(deployment.port, [good[0], poison]).finish(120)
        deployment.drain(120)
        [held] = deployment.json("quarantine", "list")
        deployment.stop()
        (tmp_path / "overlay" / "appointment.toml").write_text(MENDED, encoding="utf-8")
        deployment.start()
        assert deployment.cli("quarantine", "release", held["id"]).returncode == 0
        wait_until(lambda: deployment.json("quarantine", "list") == [], "the released message is not taken up")
        ledger = deployment.drain(120)
        appointments = deployment.json("records", "Appointment")
    assert "in an overlay; then release" in held["fix"]
    assert held["place"].startswith("SCH-11.4")
    assert len(appointments) == 1
    assert (ledger["unaccounted"], ledger["pending"], ledger["quarantined"]) == (0, 0, 0)


@pytest.mark.timeout(600)
def test_a_refused_patient_parks_alone(tmp_path: Path) -> None:
    """A receiver that refuses one patient for good holds up that patient only; a release sends the rest in order."""
    day = clinic_day(53, patients=6, visits=18, merges=0)
    first, rest = day[:6], day[6:]
    port = free_port()
    with Beside() as beside, Deployment(tmp_path, receiver_port=port) as deployment:
        receiver = Picky(tmp_path / "receiver.ndjson", [SECRET])
        beside.run(receiver.start(port))
        deployment.start()
        Load(deployment.port, first).finish(120)
        deployment.drain(120)
        patients = [record["id"] for record in deployment.json("records", "Patient")]
        busy = [record["id"] for record in patients_of(deployment, patients, rest)]
        receiver.refused = busy[0].encode()
        Load(deployment.port, rest).finish(120)
        wait_until(lambda: deployment.json("quarantine", "list") != [], "nothing was refused")
        others = {record["id"] for record in deployment.json("records", "--limit", "1000")
                  if record["patient"] not in (busy[0], None)}  # fmt: skip
        wait_until(lambda: others <= {line.record for line in receiver.lines}, "other patients are held up")
        held = deployment.json("quarantine", "list")
        waiting = deployment.json("verify", "ledger")
        receiver.refused = b""
        assert deployment.cli("quarantine", "release", held[0]["id"]).returncode == 0
        ledger = deployment.drain(120)
        effects = deployment.received()
        beside.run(receiver.close())
    assert len(held) == 1
    assert (held[0]["reason"], held[0]["what"]) == ("http-422", "delivery")
    assert waiting["pending"] > 0
    assert (ledger["unaccounted"], ledger["pending"], ledger["quarantined"]) == (0, 0, 0)
    assert len(effects.distinct) == ledger["delivered"]
    assert effects.second == []


def patients_of(deployment: Deployment, patients: list[str], messages: list[bytes]) -> list[dict[str, Any]]:
    """Patients, the one with the most messages first."""
    shown = deployment.json("records", "Patient", "--show")
    counts = {one["id"]: sum(one["native_id"].encode() in message for message in messages) for one in shown}
    return sorted((one for one in shown if one["id"] in patients), key=lambda one: -counts[one["id"]])
