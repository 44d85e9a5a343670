"""A claim that another system sent: no acknowledgement, then one, then silence, then the answer to our question."""

from __future__ import annotations

import asyncio
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway_clearinghouse.simulator import ClearinghouseSimulator
from tests.end_to_end.conftest import SCRIPT, run_gateway

PATIENCE = 120.0
SECOND = 1 / 86_400
"""In days."""
SETTINGS = """
[[tenants]]
name = "northside"

[[sources]]
name = "billing-system"
tenant = "northside"
adapter = "x12"
zone = "America/Chicago"
[sources.config]
folder = "in"
poll_seconds = 0.1
sftp_folder = "download"
after = "delete"
mailbox_seconds = 0.2
settle_seconds = 0.1
[sources.config.sftp]
{account}

[[reactors]]
name = "followup"
tenant = "northside"
reactor = "followup"
[reactors.config]
acknowledged_hours = {hours}
accepted_days = 0
copies_asked = true
[[reactors]]
name = "inquiries"
tenant = "northside"
reactor = "inquiries"
[reactors.config]
ask_days = {days}
asks = 1

[[routes]]
name = "payers"
tenant = "northside"
sink = "clearinghouse"
view = "clearinghouse"
purpose = "payment"
recipient = "clearinghouse"
[routes.config]
memory = "data/payers.memory"
submitter_id = "EXAMPLEPT"
submitter_name = "Example Physical Therapy LLC"
submitter_phone = "555 555 0100"
receiver_id = "CH001"
upload = "upload"
directory_seconds = 1
[routes.config.sftp]
{account}
"""
ISA = "ISA*00*          *00*          *ZZ*EXAMPLEPT      *ZZ*CH001          *260714*0930*^*00501*000000077*0*T*:~"
BODY = (
    "BHT*0019*00*BATCH77*20260714*0930*CH~NM1*41*2*EXAMPLE PHYSICAL THERAPY LLC*****46*EXAMPLEPT~"
    "PER*IC*BILLING OFFICE*TE*5555550100~NM1*40*2*SAMPLE CLEARINGHOUSE*****46*CH001~HL*1**20*1~"
    "NM1*85*2*EXAMPLE PHYSICAL THERAPY LLC*****XX*1234567893~N3*1 CLINIC WAY~N4*DAYTON*OH*454020001~"
    "REF*EI*371234567~HL*2*1*22*0~SBR*P*18*GRP7******CI~NM1*IL*1*TESTER*ALICE****MI*M1~N3*9 TEST RD~"
    "N4*DAYTON*OH*454020002~DMG*D8*19800101*F~NM1*PR*2*SAMPLE HEALTH PLAN*****PI*SHP01~"
    "CLM*PCN-77*150***11:B:1*Y*A*Y*Y~HI*ABK:M5450~LX*1~SV1*HC:97110:GP*150*UN*2***1~DTP*472*D8*20260701~"
    "REF*6R*PCN7701~"
)
FILE = (
    f"{ISA}GS*HC*EXAMPLEPT*CH001*20260714*0930*77*X*005010X222A1~ST*837*0001*005010X222A1~{BODY}"
    f"SE*{BODY.count('~') + 2}*0001~GE*1*77~IEA*1*000000077~"
)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[ClearinghouseSimulator]:
    """A clearinghouse in a thread of its own; it pays nothing while the test runs."""
    folder = tmp_path / "mailbox"
    folder.mkdir()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    simulator = ClearinghouseSimulator(folder, seed=1, remit_after=86_400.0)
    try:
        asyncio.run_coroutine_threadsafe(simulator.start(), loop).result(PATIENCE)
        yield simulator
        asyncio.run_coroutine_threadsafe(simulator.stop(), loop).result(PATIENCE)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE)
        loop.close()


def until(said: Callable[[], Any]) -> None:
    """Wait for it."""
    end = time.monotonic() + PATIENCE
    while not said():
        assert time.monotonic() < end
        time.sleep(1.0)


def work(place: Path) -> set[str]:
    """Kinds of open work about claims."""
    answer = run_gateway("claims", "--json", cwd=place)
    assert answer.code == 0, answer.err
    return {one["kind"] for one in answer.json["work"]}


def documents(place: Path) -> set[str]:
    """What was sent and said of the claim."""
    shown = run_gateway("claims", "show", "PCN-77", "--json", cwd=place)
    assert shown.code == 0, shown.err
    return {one["document"] for one in shown.json["claim"]["history"]}


def questions(house: ClearinghouseSimulator) -> list[bytes]:
    """The status questions that reached the clearinghouse."""
    return [data for data in list(house.payer.taken.values()) if b"~ST*276*" in data.replace(b"\n", b"")]


def test_a_claim_made_elsewhere_is_followed_to_its_answer(tmp_path: Path, house: ClearinghouseSimulator) -> None:
    """Silence becomes work, the 999 ends it, the payer is asked once (276), and its 277 stands in the history."""
    place = tmp_path / "gateway"
    (place / "in").mkdir(parents=True)
    account = "\n".join(
        [
            'host = "127.0.0.1"', f"port = {house.sftp.port}", f'user = "{house.user}"',
            f'host_keys = ["{house.sftp.host_key}"]', 'password = "env:TEST_MAILBOX"',
        ]
    )  # fmt: skip
    assert run_gateway("init", cwd=place).code == 0
    settings = SETTINGS.format(account=account, hours=SECOND * 24, days=SECOND * 2)
    (place / "gateway.toml").write_text(settings)
    (place / "in/batch.837").write_text(FILE)
    serving = subprocess.Popen(
        [SCRIPT, "serve"], cwd=place, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, "TEST_MAILBOX": house.password},
    )  # fmt: skip
    try:
        until(lambda: "acknowledgement-missing" in work(place))
        (tmp_path / "mailbox/upload/batch.837").write_text(FILE)
        until(lambda: questions(house))
        until(lambda: documents(place) == {"837", "277CA", "277"})
        until(lambda: not work(place))
        (asked,) = questions(house)
        assert b"TRN*1*PCN-77~" in asked
        assert b"NM1*1P*2*EXAMPLE PHYSICAL THERAPY LLC*****XX*1234567893~" in asked
    finally:
        serving.terminate()
        serving.wait(PATIENCE)
    assert run_gateway("verify", "audit", cwd=place).code == 0
    assert run_gateway("verify", "ledger", cwd=place).code == 0
