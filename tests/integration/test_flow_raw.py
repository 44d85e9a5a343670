"""A remittance as received, dropped as a file by the view's own word, and told of everybody inside."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from gateway import bootstrap, logs
from gateway.flow.disclosed import breach
from gateway.settings import load
from gateway.wire.x12_cut import cut
from tests.end_to_end.test_remits import ISA
from tests.integration.test_flow_persons import gateway, settled
from tests.waiting import PATIENCE

SETTINGS = """
[data]
directory = "data"
[keys]
keystore = "keys/keystore.db"
[keys.config]
path = "keys/root.key"
[[tenants]]
name = "group"
[[sources]]
name = "payers"
tenant = "group"
adapter = "x12"
zone = "America/Chicago"
[views.remits]
Remittance = ["trace_number", "amount"{granted}]
[[routes]]
name = "drop"
tenant = "group"
sink = "files"
types = ["Remittance"]
view = "remits"
purpose = "payment"
recipient = "Billing House"
[routes.config]
folder = "out"
"""
CLAIMS = "".join(
    f"LX*{number}~CLP*PCN-{number}*1*100*100**12*P{number}*11*1~NM1*QC*1*TESTER*ALICE****MI*M{number}~"
    f"SVC*HC:97110:GP*100*100**2~DTM*472*20260701~"
    for number in (1, 2)
)
BODY = (
    "BPR*I*200*C*ACH************20260714~TRN*1*EFT0001*1999999999~DTM*405*20260713~N1*PR*SOME PLAN~"
    f"N1*PE*SOME CLINIC*XX*1234567893~{CLAIMS}PLB*1234567893*20261231*WO:X*0~"
)
FILE = (
    f"{ISA}GS*HP*SENDER*RECEIVER*20260714*0930*7*X*005010X221A1~ST*835*0001~{BODY}"
    f"SE*{BODY.count('~') + 2}*0001~GE*1*7~IEA*1*000000101~"
)


def delivered(folder: Path) -> None:
    """Deliver what there is to deliver, as ``serve`` would."""
    logs.configure("warning")
    opened = bootstrap.open_gateway(load(folder / "gateway.toml"), folder)
    route = opened.settings.routes[0]

    async def run() -> None:
        one = bootstrap.Deliverer(
            bootstrap.bind_route(opened, route), bootstrap.open_sink(opened, route), opened.store, opened.vault,
            opened.audit,
        )  # fmt: skip
        async with asyncio.timeout(PATIENCE):
            await one.recover()
            while await one.step():
                pass
            await one.close()

    try:
        asyncio.run(run())
    finally:
        opened.close()


def brought(folder: Path, granted: str, file: str = FILE, *, code: int = 0) -> list[Path]:
    """A gateway that took a remittance and delivered it: the files that it dropped as received."""
    (folder / "gateway.toml").write_text(SETTINGS.format(granted=granted))
    gateway(folder, "init")
    (folder / "remit.835").write_text(file)
    gateway(folder, "import", str(folder / "remit.835"), "--source", "payers", code=code)
    settled(folder)
    delivered(folder)
    return sorted((folder / "out").glob("Remittance-*.x12"))


def told(folder: Path, *words: str):
    return json.loads(gateway(folder, *words, "--json"))


def test_a_remittance_is_dropped_as_received_and_everybody_inside_is_told_of(tmp_path: Path) -> None:
    """One file that reads like the one received; both patients have a line of disclosure, and the ledgers add up."""
    (dropped,) = brought(tmp_path, ', "raw"')
    sent, was = ([(one.kind, one.body) for one in cut([text], 10**6)] for text in (dropped.read_bytes(), FILE.encode()))
    assert [kind for kind, _ in sent] == ["835 claim", "835 claim", "835 remittance"]
    assert sent[:2] == was[:2]
    assert dropped.read_text().startswith(ISA)
    assert "PLB*1234567893*20261231*WO:X*0~" in dropped.read_text()
    patients = [one["id"] for one in told(tmp_path, "records", "Patient")]
    assert len(patients) == 2
    for patient in patients:
        (line,) = told(tmp_path, "disclosures", patient)["disclosures"]
        assert (line["route"], line["recipient"], line["fields"]) == ("drop", "Billing House", ["Remittance.raw"])
    gateway(tmp_path, "verify", "ledger")
    logs.configure("warning")
    opened = bootstrap.open_gateway(load(tmp_path / "gateway.toml"), tmp_path)
    try:
        pack = opened.store.read_sync(lambda c: breach(c, "group", route="drop", client=None, since=0, until=2**52))
    finally:
        opened.close()
    assert {one.patient for one in pack.patients} == set(patients)
    assert (pack.reconciled, pack.fields["Remittance.raw"]) == (True, 2)


def test_nothing_as_received_leaves_without_the_grant(tmp_path: Path) -> None:
    """The same view without the word gives the fields alone, and tells nobody's messages."""
    assert brought(tmp_path, "") == []
    for one in told(tmp_path, "records", "Patient"):
        assert told(tmp_path, "disclosures", one["id"])["disclosures"] == []
    assert list((tmp_path / "out").glob("Remittance-*.ndjson"))


def test_a_file_with_a_claim_in_quarantine_waits(tmp_path: Path) -> None:
    """Nobody could say whose claim it is, so nothing of the file leaves until a person has settled it."""
    assert brought(tmp_path, ', "raw"', FILE.replace("CLP*PCN-2*1*100*", "CLP*PCN-2*1*LOTS*"), code=1) == []
    assert not list((tmp_path / "out").glob("Remittance-*"))
