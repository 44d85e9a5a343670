"""Submitted claims to Claim, Patient, Coverage and Payer."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal

import pytest

from gateway.errors import InvalidContent
from tests.unit.adapters.x12.remittances import NORMALIZE, cut, records

UNREADABLE = {"tc_parse_837p.rb.L34", "tc_parse_837p.rb.L37"}
"""Literals of a Ruby test whose header is not 106 characters: a finding, no message."""


def claims(data: bytes):
    """Every claim of a file, as records by type."""
    made = [NORMALIZE(item.body, item.context) for item in cut(data)[0] if item.kind == "837 claim"]
    return [records(one) for one in made]


def of_claims(body: str):
    """The claim messages of a file, without those of payers."""
    return [item for item in cut(whole(body))[0] if item.kind == "837 claim"]


def test_every_public_claim_file_matches_its_facts(corpora):
    """Claims, totals, lines by form, control numbers and kind of 48 public files, 4010 and 5010."""
    facts = json.loads((corpora / "x12_837_facts.json").read_text("utf-8"))
    by_file: dict[str, list] = {}
    for fact in facts:
        by_file.setdefault(fact["file"], []).append(fact)
    assert len(by_file) >= 40
    for name, of_file in by_file.items():
        if any(mark in name for mark in UNREADABLE):
            continue
        found = claims((corpora / name).read_bytes())
        expected = [number for fact in of_file for number in fact["claim_ids"]]
        assert [one["Claim"].control_number for one in found] == expected, name
        total = sum((one["Claim"].charge or Decimal(0) for one in found), Decimal(0))
        assert total == sum(Decimal(fact["total_CLM02"]) for fact in of_file), name
        lines = sum(len(one["Claim"].lines) for one in found)
        assert lines == sum(sum(fact["lines"].values()) for fact in of_file), name
        if of_file[0]["kind"] in {"837P", "837I"}:  # the facts do not add up SV3
            charged = sum((line.charge for one in found for line in one["Claim"].lines), Decimal(0))
            assert charged == sum(Decimal(fact["total_line_charge"]) for fact in of_file), name
        kinds = {"837P": "professional", "837I": "institutional", "837D": "dental"}
        if of_file[0]["kind"] in kinds:
            assert {one["Claim"].kind for one in found} <= {kinds[of_file[0]["kind"]]}, name


def test_our_own_claim_is_read_whole(corpora):
    """Every element that has a place in the model is there."""
    (made,) = claims((corpora / "x12/synthetic-pt/837p_pt_claim.x12").read_bytes())
    claim, line = made["Claim"], made["Claim"].lines[1]
    assert (claim.control_number, claim.charge, claim.frequency, claim.place_of_service) == (
        "PCN-1001", Decimal("250.00"), "1", "11",
    )  # fmt: skip
    assert (claim.authorization_number, claim.rendering_npi, claim.billing_npi) == (
        "AUTH123456", "1987654328", "1234567893",
    )  # fmt: skip
    assert (claim.referring_npi, claim.onset_on, claim.difference) == ("1003000126", date(2026, 6, 15), None)
    assert claim.diagnoses == ("M5450", "M25561")
    assert (line.procedure_code, line.modifiers, line.units, line.diagnoses) == (
        "97140", ("GP", "59"), Decimal(1), ("M5450",),
    )  # fmt: skip
    assert (line.line_control_number, line.service_date, line.line_number) == ("L1001-2", date(2026, 7, 1), 2)
    assert (claim.transmission.interchange, claim.transmission.batch) == ("000000201", "BATCH0001")
    assert (claim.payer, made["Coverage"].group_number, made["Coverage"].priority) == ("SHP01", "GRP100", 1)
    assert made["Patient"].birth_date == date(1980, 1, 1)
    assert made["Patient"].addresses[0].lines == ("9 TEST RD",)


HEAD = (
    "ISA*00*          *00*          *ZZ*SENDER         *ZZ*RECEIVER       *260714*0930*^*00501*000000101*0*T*:~"
    "GS*HC*S*R*20260714*0930*7*X*005010X222A1~ST*837*0001~BHT*0019*00*B1*20260714*0930*CH~"
    "HL*1**20*1~NM1*85*2*CLINIC*****XX*1234567893~"
)
FAMILY = (
    "HL*2*1*22*1~SBR*P**G1******CI~NM1*IL*1*DOE*JOHN****MI*M1~DMG*D8*19700101*M~NM1*PR*2*PLAN*****PI*P1~"
    "HL*3*2*23*0~PAT*19~NM1*QC*1*DOE*KIM~DMG*D8*20100101*F~CLM*A*10***11:B:1~LX*1~SV1*HC:97110*10*UN*1***1~"
    "CLM*B*20***11:B:7~REF*F8*ICN9~LX*1~SV1*HC:97140*15*UN*1***1~"
)


def whole(body: str) -> bytes:
    count = (HEAD + body).count("~") - 1
    return f"{HEAD}{body}SE*{count}*0001~GE*1*7~IEA*1*000000101~".encode()


def test_a_dependent_is_the_patient_and_both_claims_are_theirs():
    """The patient is the dependent, the policy the subscriber's; each claim is a message with both levels."""
    one, two = claims(whole(FAMILY))
    assert one["Claim"].patient == two["Claim"].patient == "P1/M1/kim"
    assert (one["Patient"].name.given, one["Patient"].birth_date) == ("KIM", date(2010, 1, 1))
    assert (one["Coverage"].subscriber_name, one["Coverage"].relationship) == ("DOE, JOHN", "child")
    assert one["Coverage"].subscriber_birth_date == date(1970, 1, 1)
    assert (two["Claim"].frequency, two["Claim"].payer_claim_number) == ("7", "ICN9")


def test_a_claim_that_its_lines_do_not_add_up_to_says_by_how_much():
    """CLM02 less the sum of SV102, to the cent; nothing when they agree."""
    one, two = claims(whole(FAMILY))
    assert (one["Claim"].difference, two["Claim"].difference) == (None, Decimal("5.00"))


def test_the_context_of_claims_names_no_patient():
    """What many messages share holds the envelope and the clinic, and one object serves all of them."""
    items = of_claims(FAMILY)
    assert items[0].context is items[1].context
    assert b"DOE" not in items[0].context
    assert b"CLINIC" in items[0].context


def test_a_delimiter_inside_the_data_is_told_by_its_place():
    """A segment that begins with no segment id quarantines its claim alone, without showing what it held."""
    items = of_claims(FAMILY.replace("CLM*B*20", "CLM*B*20***11:B:7~OConnor and sons~CLM*B2*20"))
    assert len(items) == 3
    NORMALIZE(items[0].body, items[0].context)
    with pytest.raises(InvalidContent) as caught:
        NORMALIZE(items[1].body, items[1].context)
    assert caught.value.reason == "malformed-segment"
    assert caught.value.where.startswith("segment 11 of the message, byte ")
    assert "onnor" not in str(caught.value)


def test_a_slip_in_a_date_does_not_hold_up_the_claim():
    """A date that is none is left out and named."""
    items = of_claims(FAMILY.replace("20100101", "20101301"))
    made = NORMALIZE(items[0].body, items[0].context)
    assert "DMG-02" in made.residue
    assert records(made)["Patient"].birth_date is None


def test_a_payer_is_told_once_in_a_transaction():
    """However many claims go to it: a message of its own, with its address and without any patient."""
    again = FAMILY.replace("HL*2*1", "HL*4*1").replace("HL*3*2", "HL*5*4")
    items, _ = cut(whole(FAMILY.replace("PI*P1~", "PI*P1~N3*1 WAY~N4*DAYTON*OH*45402~") + again))
    (payer,) = (item for item in items if item.kind == "837 payer")
    made = records(NORMALIZE(payer.body, payer.context))["Payer"]
    assert (made.payer_id, made.name, made.address.lines) == ("P1", "PLAN", ("1 WAY",))
    assert b"DOE" not in payer.body
