"""The demo keeps the promises that it shows."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import pytest

from tests.end_to_end.conftest import SCRIPT, Played, run_gateway
from tests.waiting import PATIENCE

START_SECONDS = 270.0
LISTENING = "0A"
"""State of a listening socket in /proc/net/tcp."""


def test_the_demo_adds_up(played: Played) -> None:
    """Unattended it prints one JSON object, after less than a minute's work: all accounted for, the log valid."""
    summary = played.answer.json
    assert summary["elapsed_s"] > 0
    assert played.work < 60
    assert (summary["unaccounted"], summary["pending"], summary["audit_valid"]) == (0, 0, True)
    suppressed = summary["suppressed"] - summary["suppressed_on_routes"]
    assert summary["messages_accepted"] == summary["normalized"] + suppressed + summary["quarantined"] > 400
    assert summary["changes"] >= summary["normalized"] / 2
    assert summary["delivered"] == sum(summary["routes"].values())
    assert played.answer.err == ""


def test_the_demo_shows_refusal_quarantine_and_suppression(played: Played) -> None:
    """One frame is refused with AR, one message waits in quarantine and some make no record, each with its reason."""
    summary = played.answer.json
    assert (summary["refused"], summary["quarantined"]) == (1, 1)
    assert summary["suppressed"] > 0
    assert summary["acknowledged"]["AR"] == 1
    assert summary["acknowledged"]["AA"] > 200


def test_every_delivery_is_one_effect(played: Played) -> None:
    """By the receiver's own ledger each delivery happened once, and no id ever came with another body."""
    lines = [json.loads(line) for line in (played.folder / "receiver.ndjson").read_text("utf-8").splitlines()]
    digests = {line["id"]: line["digest"] for line in lines}
    assert len(digests) == len(lines) == played.answer.json["routes"]["reminders"]
    assert played.answer.json["receiver"] == {"effects": len(lines), "repeats": 0, "conflicts": 0, "refused": 0}
    assert len({(line["record"], line["version"]) for line in lines}) == len(lines)


def test_every_delivery_into_files_is_a_row(played: Played) -> None:
    """The manifest of the files route counts as many rows as the ledger counts deliveries, and the files hold them."""
    folder = played.folder / "out/billing"
    entries = [json.loads(line) for line in (folder / "manifest.ndjson").read_text("utf-8").splitlines()]
    rows = sum(entry["rows"] for entry in entries if entry["file"].endswith(".ndjson"))
    written = sum(
        len((folder / entry["file"]).read_text("utf-8").splitlines())
        for entry in entries
        if entry["file"].endswith(".ndjson")
    )
    assert rows == written == played.answer.json["routes"]["billing"]


def test_views_are_kept(played: Played) -> None:
    """The billing office sees no schedule and no name: its files hold the fields that its view grants and no others."""
    granted = {"status", "charge", "paid", "patient_responsibility", "patient_control_number", "adjustments"}
    granted |= {"amount", "trace_number", "payment_date", "payer_name", "balanced", "difference"}
    seen: set[str] = set()
    for path in (played.folder / "out/billing").rglob("*.ndjson"):
        if path.name != "manifest.ndjson":
            for line in path.read_text("utf-8").splitlines():
                seen |= json.loads(line)["data"].keys()
    assert seen
    assert seen <= granted


def test_the_demo_shows_a_day_with_the_clearinghouse(played: Played) -> None:
    """Policies are checked before visits, permission comes, claims are acknowledged, paid, matched and refused."""
    day = played.answer.json["clearinghouse"]
    assert day["eligibility_asked"] == day["eligibility_answered"] == day["claims_sent"] == 16
    assert day["eligibility_before_visits"]
    assert day["authorizations_requested"] == sum(day["authorizations"].values()) == 8
    assert day["authorization_granted"]
    assert day["claims_acknowledged"] == day["claims_matched"] == day["claims_sent"]
    assert day["acknowledgements"]["999"] >= day["claims_sent"]
    assert (day["remittance_balanced"], day["matched_with_bank"]) == (True, True)
    assert sum(day["denials"].values()) > 0
    assert Decimal(day["money_at_risk"]) > 0


def test_the_demo_shows_a_clinic_group(played: Played) -> None:
    """Clinics on five kinds of system stand beside each other; who and what is in two of them is flagged."""
    group = played.answer.json["group"]
    assert set(group["appointments"]) == {
        "hospital", "northside-cliniko", "eastside-fhir", "westside-cliniko", "riverside-jane", "lakeside-webpt",
    }  # fmt: skip
    assert group["appointments"]["westside-cliniko"] >= group["appointments"]["riverside-jane"] == 8
    assert group["persons_in_two_systems"] >= 6
    assert group["visits_seen_twice"] >= group["visits_in_two_systems"] > 0


def test_the_demo_keeps_reminders_back(played: Played) -> None:
    """Reminders go out, but not after a STOP, and not for a visit that was cancelled in time."""
    texts = played.answer.json["reminders"]
    assert texts["answers"] == {"confirm": 1, "stop": 1}
    assert (texts["stop_honoured"], texts["cancelled_visit_suppressed"]) == (True, True)
    assert texts["sent"] == played.answer.json["routes"]["texts"] >= 3


def test_a_billing_client_goes_on_from_its_cursor(played: Played) -> None:
    """Killed in the middle of its work, it misses no change and does not begin again from the first one."""
    billing = played.answer.json["billing"]
    assert (billing["missed"], billing["resumed_from_cursor"]) == (0, True)
    assert billing["before_crash"] + billing["after_crash"] - billing["came_again"] >= billing["changes"]


def test_the_books_tie_to_the_bank(played: Played) -> None:
    """Every journal balances, and the remittance's says what the bank has."""
    books = played.answer.json["accounting"]
    assert (books["balanced"], books["ties_to_bank"]) == (True, True)
    assert books["bank_line"] == played.answer.json["clearinghouse"]["remittance_amount"]
    assert books["journals"] == played.answer.json["routes"]["books"] >= 2


@pytest.fixture
def demo_that_stays(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """``gateway demo`` as a reader starts it, with temporary files in the test's folder."""
    environment = os.environ | {"TMPDIR": str(tmp_path), "COLUMNS": "200"}
    process = subprocess.Popen([str(SCRIPT), "demo"], stdout=subprocess.PIPE, text=True, env=environment)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_the_demo_stays_up_to_be_explored(
    demo_that_stays: subprocess.Popen[str], played: Played, tmp_path: Path
) -> None:
    """The commands it suggests work while it serves, it listens on loopback only, and Ctrl-C leaves nothing behind."""
    suggested = _suggested(demo_that_stays)
    assert {command.split()[0] for command in suggested} == {
        "messages", "records", "explain", "disclosures", "remits", "quarantine", "verify",
    }  # fmt: skip
    with ThreadPoolExecutor(3) as pool:  # several at once, as several people might
        answers = list(pool.map(lambda command: run_gateway(*command.split(), "--json", cwd=tmp_path), suggested))
    assert {answer.code for answer in answers} == {0}, [answer.err for answer in answers]
    assert all(answer.json for answer in answers)
    assert _listening(demo_that_stays.pid) <= {"0100007F"}
    demo_that_stays.send_signal(signal.SIGINT)
    assert demo_that_stays.wait(timeout=PATIENCE) == 0
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("gateway-demo-")] == []


def _suggested(process: subprocess.Popen[str]) -> list[str]:
    """The commands that the demo prints, as another terminal can start them, once it stays up."""
    program = "gateway" if shutil.which("gateway") == str(SCRIPT) else str(SCRIPT)
    assert process.stdout is not None
    found: list[str] = []
    ends = time.monotonic() + START_SECONDS
    while time.monotonic() < ends:
        line = process.stdout.readline()
        assert line, "the demo ended"
        if line.startswith(f"  {program} "):
            found.append(line.removeprefix(f"  {program} ").rstrip())
        if "Ctrl-C" in line:
            return found
    raise AssertionError("the demo did not come to its summary")


def _listening(pid: int) -> set[str]:
    """Addresses on which a process listens, as the kernel writes them; empty where it does not tell."""
    sockets = set()
    for descriptor in Path(f"/proc/{pid}/fd").glob("*"):
        try:
            sockets.add(str(descriptor.readlink()))
        except OSError:
            continue  # closed between the look at the folder and the look at the link
    found = set()
    for table in ("tcp", "tcp6"):
        path = Path(f"/proc/{pid}/net/{table}")
        for line in path.read_text("ascii").splitlines()[1:] if path.exists() else ():
            fields = line.split()
            if fields[3] == LISTENING and f"socket:[{fields[9]}]" in sockets:
                found.add(fields[1].partition(":")[0])
    return found
