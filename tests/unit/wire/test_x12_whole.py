"""What a file was cut into is put together again: cut once more it gives the same messages, under right counts."""

from __future__ import annotations

import pytest

from gateway.errors import InvalidContent
from gateway.model.exchange import Finding, Item, Raw
from gateway.wire.x12_cut import cut
from gateway.wire.x12_whole import KINDS, interchange

ISA = "ISA*00*          *00*          *ZZ*SENDER         *ZZ*RECEIVER       *260714*0930*^*00501*000000101*0*T*:~"
TOP = "BPR*I*200*C*ACH************20260714~TRN*1*EFT0001*1999999999~N1*PR*SOME PLAN~N1*PE*SOME CLINIC*XX*1234567893~"
LOOPS = (
    "LX*1~TS3*1234567893*11*20261231*1*100~CLP*A*1*100*100**12*P1~NM1*QC*1*TESTER*ALICE~"
    "CLP*A*22*-100*-100**12*P1~CLP*A*1*100*100**12*P2~LX*2~TS3*1234567893*12*20261231*1*100~CLP*B*1*100*100**12*P3~"
)
PLB = "PLB*1234567893*20261231*WO:X*0~"
LEVELS = (
    "BHT*0019*00*B1*20260714*0930*CH~HL*1**20*1~NM1*85*2*CLINIC*****XX*1234567893~"
    "HL*2*1*22*0~SBR*P*18*G1******CI~NM1*IL*1*ROE*RICHARD****MI*M0~CLM*Z*10***11:B:1~LX*1~SV1*HC:97110*10*UN*1***1~"
    "HL*3*1*22*1~SBR*P**G1******CI~NM1*IL*1*DOE*JOHN****MI*M1~NM1*PR*2*PLAN*****PI*P1~"
    "HL*4*3*23*0~PAT*19~NM1*QC*1*DOE*KIM~CLM*A*10***11:B:1~LX*1~SV1*HC:97110*10*UN*1***1~"
)


def file(kind: str, body: str, end: str = "~") -> bytes:
    group = {"835": "HP", "837": "HC"}[kind]
    text = (
        f"{ISA}GS*{group}*S*R*20260714*0930*7*X*005010X221A1~ST*{kind}*0001~{body}"
        f"SE*{body.count('~') + 2}*0001~GE*1*7~IEA*1*000000101~"
    )
    return text.replace("~", end).encode()


def messages(data: bytes) -> list[Item]:
    found = list(cut([data], 10**6))
    assert not [one for one in found if isinstance(one, Finding)], found
    return [one for one in found if isinstance(one, Item) and one.kind in KINDS]


def raw(item: Item) -> Raw:
    return Raw(item.kind, item.body, item.context)


@pytest.mark.parametrize("end", ["~", "~\n", "~\r\n"])
def test_a_remittance_and_its_claims_are_one_file_again(end: str) -> None:
    """Claims come back byte for byte but for line ends; each provider summary has its loop, and PLB its place."""
    *claims, whole = messages(file("835", TOP + LOOPS + PLB, end))
    made = interchange([raw(whole), *map(raw, claims)])
    *again, rest = messages(made)
    plain = [one.body.replace(b"\r", b"").replace(b"\n", b"") for one in claims]
    assert [one.body for one in again] == plain
    assert [one.control_id for one in again] == [one.control_id for one in claims]
    assert rest.context.endswith(whole.context.replace(b"\r", b"").replace(b"\n", b"")[-30:])
    text = made.decode()
    assert text.startswith(ISA + "GS*HP*S*R")
    assert text.count("TS3*") == text.count("LX*") == 2
    assert text.endswith(f"{PLB}SE*{text.count('~') - 4}*0001~GE*1*7~IEA*1*000000101~")
    assert "TOTALS" not in text
    assert "CORRECTS" not in text


def test_a_remittance_without_claims_and_a_claim_alone_are_files() -> None:
    """Nothing but the header and what adjusts the whole; or the header and the one claim."""
    (whole,) = messages(file("835", TOP + PLB))
    assert interchange([raw(whole)]) == file("835", TOP + PLB)
    claim, *_ = messages(file("835", TOP + LOOPS + PLB))
    assert interchange([raw(claim)]) == file("835", f"{TOP}LX*1~{claim.body.decode()}")


def test_a_claim_that_was_sent_is_a_file_with_levels_from_one() -> None:
    """The levels of one patient are numbered anew under their own parents."""
    _, claim = messages(file("837", LEVELS))
    text = interchange([raw(claim)]).decode()
    assert "HL*1**20*1~" in text
    assert "HL*2*1*22*1~" in text
    assert "HL*3*2*23*0~" in text
    assert "ROE" not in text
    (again,) = messages(text.encode())
    assert again.body == claim.body.replace(b"HL*3*1*", b"HL*2*1*").replace(b"HL*4*3*", b"HL*3*2*")


@pytest.mark.parametrize(
    "one",
    [
        Raw("837 payer", b"NM1*PR*2*PLAN~", ISA.encode() + b"GS*HC*S~"), Raw("835 claim", b"CLP*A~", b""),
        Raw("835 claim", b"CLP*A~", ISA.encode()), Raw("SIU^S12", b"MSH|^~\\&|", b""),
    ],
)  # fmt: skip
def test_what_is_no_claim_or_has_no_envelope_is_refused(one: Raw) -> None:
    """The error names the place and shows nothing."""
    with pytest.raises(InvalidContent, match=r"envelope|claim") as refused:
        interchange([one])
    assert refused.value.reason == "not-x12"
