"""A remittance and a bank file go in; the command says whether the money came, and the look is in the log."""

from __future__ import annotations

import json
import subprocess
import time
from datetime import date
from decimal import Decimal
from pathlib import Path

from gateway_bank.simulator import Deposit, bai2
from tests.end_to_end.conftest import SCRIPT, run_gateway
from tests.waiting import PATIENCE

SETTINGS = """
[[tenants]]
name = "northside"

[[sources]]
name = "northside-x12"
tenant = "northside"
adapter = "x12"
zone = "America/Chicago"
[sources.config]
folder = "in/x12"
poll_seconds = 0.1

[[sources]]
name = "northside-bank"
tenant = "northside"
adapter = "bank"
zone = "America/Chicago"
[sources.config]
folder = "in/bank"
poll_seconds = 0.1

[[reactors]]
name = "money"
tenant = "northside"
reactor = "reassociation"
[[reactors]]
name = "refusals"
tenant = "northside"
reactor = "denials"
[[reactors]]
name = "followup"
tenant = "northside"
reactor = "followup"
"""
ISA = "ISA*00*          *00*          *ZZ*SENDER         *ZZ*RECEIVER       *260714*0930*^*00501*000000101*0*T*:~"
BODY = (
    "BPR*I*80*C*ACH************20260714~TRN*1*EFT0001*1999999999~DTM*405*20260713~N1*PR*SOME PLAN~"
    "N1*PE*SOME CLINIC*XX*1234567893~LX*1~CLP*PCN-1*1*200*80*20*12*P1*11*1~NM1*QC*1*TESTER*ALICE****MI*M1~"
    "SVC*HC:97110:GP*150*80**2~DTM*472*20260701~CAS*CO*45*50~CAS*PR*2*20~"
    "SVC*HC:97140:GP*50*0**1~DTM*472*20260701~CAS*CO*197*50~PLB*1234567893*20261231*WO:P1*10*FB:EFT0000*-10~"
)
FILE = (
    f"{ISA}GS*HP*SENDER*RECEIVER*20260714*0930*7*X*005010X221A1~ST*835*0001~{BODY}"
    f"SE*{BODY.count('~') + 2}*0001~GE*1*7~IEA*1*000000101~"
)


def _states(folder: Path, wanted: dict[str, str]) -> list[dict[str, str]]:
    end = time.monotonic() + PATIENCE
    while True:
        answer = run_gateway("remits", "--json", cwd=folder)
        assert answer.code == 0, answer.err
        if {one["number"]: one["state"] for one in answer.json} == wanted:
            return answer.json
        assert time.monotonic() < end, answer.out
        time.sleep(0.2)


def test_a_remittance_is_matched_with_the_bank_to_the_cent(tmp_path: Path) -> None:
    """Open until the deposit comes, then matched; a deposit nobody announced is open; a denial is derived beside."""
    assert run_gateway("init", cwd=tmp_path).code == 0
    (tmp_path / "gateway.toml").write_text(SETTINGS)
    for name in ("x12", "bank"):
        (tmp_path / "in" / name).mkdir(parents=True)
    (tmp_path / "in/x12/first.835").write_text(FILE)
    serving = subprocess.Popen([SCRIPT, "serve"], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _states(tmp_path, {"EFT0001": "open"})
        deposits = [Deposit(Decimal("80.00"), "EFT0001"), Deposit(Decimal("5.00"), "EFT0002")]
        (tmp_path / "in/bank/day.bai2").write_bytes(bai2(date(2026, 7, 15), deposits))
        found = _states(tmp_path, {"EFT0001": "matched", "EFT0002": "open"})
        assert {one["number"]: one["difference"] for one in found} == {"EFT0001": "0.00", "EFT0002": "5.00"}
        shown = run_gateway("remits", "show", "EFT0001", "--json", cwd=tmp_path).json
        assert [one["paid"] for one in shown["claims"]] == ["80.00"]
        assert [one["amount"] for one in shown["bank_lines"]] == ["80.00"]
        assert [(one["refers_to"], one["takes_off"]) for one in shown["outside_claims"]] == [
            ("PCN-1", "10.00"), ("not here", "-10.00"),
        ]  # fmt: skip
        only = run_gateway("remits", "--state", "open", "--json", cwd=tmp_path).json
        assert [one["number"] for one in only] == ["EFT0002"]
        (claim,) = run_gateway("claims", "--json", cwd=tmp_path).json["claims"]
        assert (claim["control_number"], claim["state"]) == ("PCN-1", "paid")
        steps = run_gateway("claims", "show", "PCN-1", "--json", cwd=tmp_path).json["claim"]["history"]
        assert [(one["document"], one["paid"]) for one in steps] == [("835", "80.00")]
        (denial,) = json.loads(run_gateway("records", "Denial", "--show", "--json", cwd=tmp_path).out)
        assert (denial["fields"]["category"], denial["fields"]["at_risk"]) == ("authorization", "50.00")
    finally:
        serving.terminate()
        serving.wait(PATIENCE)
    assert run_gateway("remits", "show", "NOTHING", cwd=tmp_path).code == 2
    assert run_gateway("claims", "show", "NOTHING", cwd=tmp_path).code == 2
    assert run_gateway("verify", "audit", cwd=tmp_path).code == 0
    assert run_gateway("verify", "ledger", cwd=tmp_path).code == 0
