"""Eligibility answers to Benefits."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from gateway import model
from gateway_x12.records_level import read_answer
from tests.unit.adapters.x12.remittances import NORMALIZE, cut, plain

HEAD = (
    "ISA*00*          *00*          *ZZ*PLAN           *ZZ*CLINIC         *260714*0930*^*00501*000000602*0*T*:~"
    "GS*HB*P*C*20260714*0930*602*X*005010X279A1~ST*271*0001~BHT*0022*11*Q1*20260714*0930~"
    "HL*1**20*1~NM1*PR*2*PLAN*****PI*P1~HL*2*1*21*1~NM1*1P*2*CLINIC*****XX*1234567893~"
)
SUBSCRIBER = "HL*3*2*22*0~TRN*2*T1*9CLINIC~NM1*IL*1*DOE*JANE****MI*M1~"


def whole(body: str) -> bytes:
    count = (HEAD + body).count("~") - 1
    return f"{HEAD}{body}SE*{count}*0001~GE*1*602~IEA*1*000000602~".encode()


def benefits(data: bytes):
    """Every Benefit of a file by native id."""
    found = {}
    for item in cut(data)[0]:
        for patch in NORMALIZE(item.body, item.context).patches:
            if patch.type == "Benefit":
                found[patch.native_id] = model.fold("Benefit", None, plain(patch.fields))
    return found


def one(eb: str, key: str = "P1/M1/jane/PT/in"):
    """The benefit for physical therapy in network that some EB segments make."""
    return benefits(whole(SUBSCRIBER + eb))[key]


def test_every_public_answer_matches_its_facts(corpora):
    """Patients answered about, benefits and rejections of 20 public files."""
    facts = json.loads((corpora / "x12_271_facts.json").read_text("utf-8"))
    assert len(facts) >= 18
    for fact in facts:
        items, _ = cut((corpora / fact["file"]).read_bytes())
        if not items:
            assert "tc_parse_271" in fact["file"]  # its header has fewer than 106 characters
            continue
        kinds = {item.kind for item in items}
        if kinds == {"271 benefit"}:
            bodies = [read_answer(item.body, item.context) for item in items]
            assert sum(seg[0] == "EB" for body in bodies for seg in body.body) == fact["EB_count"], fact["file"]
            members = {item.order_key for item in items if item.order_key not in item.control_id}
            assert members <= set(fact["member_ids"]), fact["file"]
        found = benefits((corpora / fact["file"]).read_bytes())
        codes = {rejected[2] for rejected in fact["AAA"] if rejected[2]}
        assert {made.rejection for made in found.values() if made.rejection} <= codes | {"unspecified"}, fact["file"]
        assert bool(fact["AAA"]) == any(made.rejection for made in found.values()), fact["file"]
        assert all(made.next_step for made in found.values() if made.rejection)


def test_our_own_answer_has_every_figure_of_the_visit(corpora):
    """Active, plan, copay, deductible and out-of-pocket, visits limit, used and left, authorization, by network."""
    found = benefits((corpora / "x12/synthetic-pt/271_pt_active.x12").read_bytes())
    inside, outside = found["SHP01/MBR0001/alice/PT/in"], found["SHP01/MBR0001/alice/PT/out"]
    assert (inside.active, inside.plan_name, inside.copay) == (True, "PPO GOLD", Decimal("40.00"))
    assert (inside.deductible, inside.deductible_left) == (Decimal("1500.00"), Decimal("412.50"))
    assert (inside.out_of_pocket, inside.coinsurance) == (Decimal("5000.00"), None)
    assert (inside.visit_limit, inside.visits_used, inside.visits_left) == (30, 12, 18)
    assert (inside.authorization_required, inside.notes) == (True, ("PER VISIT",))
    assert (outside.coinsurance, outside.copay, outside.in_network) == (Decimal("0.2"), None, False)
    assert found["SHP01/MBR0001/alice"].other_payers == ("OTHER HEALTH PLAN",)


@pytest.mark.parametrize(("eb", "limit", "used", "left"), [
    ("EB*F*IND*PT***23***VS*30~EB*F*IND*PT***29***VS*18~", 30, 12, 18),
    ("EB*F*IND*PT***23***VS*30~EB*F*IND*PT***24***99*5~", 30, 5, 25),
    ("EB*F*IND*PT~HSD*VS*20***23~EB*F*IND*PT~HSD*VS*7***29~", 20, 13, 7),
    ("EB*F*IND*PT***23***P6*60~", 60, None, None),
    ("EB*F*IND*AE^PT***23***VS*30~", 30, None, None),
])  # fmt: skip
def test_visits_are_read_in_every_spelling(eb, limit, used, left):
    """Limit, used and left from EB09 or HSD, and what follows from two of them."""
    found = one(eb)
    assert (found.visit_limit, found.visits_used, found.visits_left) == (limit, used, left)


def test_the_service_counts_before_the_plan_and_the_person_before_the_family():
    """A figure for PT wins over one for everything; IND over FAM; the office over a hospital."""
    found = one(
        "EB*1**30~EB*B**30****99~EB*B**PT****40~EB*C*FAM*PT***23*4000~EB*C*IND*PT***23*1500~"
        "EB*A**PT*****.5~III*ZZ*22~EB*A**PT*****.2~III*ZZ*11~EB*G*IND*30***29*700~"
    )
    assert (found.active, found.copay, found.deductible) == (True, Decimal("40.00"), Decimal("1500.00"))
    assert (found.coinsurance, found.out_of_pocket_left) == (Decimal("0.2"), Decimal("700.00"))


def test_percentages_written_as_whole_numbers_are_fractions():
    """Some payers send 20 where the guide has 0.2."""
    assert one("EB*A**PT*****20~").coinsurance == Decimal("0.2")


def test_an_answer_after_a_rejection_clears_it():
    """What was rejected is deleted by the next answer, not kept beside it."""
    items, _ = cut(whole(SUBSCRIBER + "EB*1**30~"))
    patch = next(one for one in NORMALIZE(items[0].body, items[0].context).patches if one.type == "Benefit")
    assert patch.fields["rejection"] is None
    assert patch.native_id == "P1/M1/jane"


def test_a_rejection_above_the_patient_reaches_the_patient():
    """A payer that cannot answer says so once, and every patient of the transaction is told what to do."""
    data = whole(SUBSCRIBER).replace(b"~HL*2*1*21", b"~AAA*N**42*R~HL*2*1*21")
    (found,) = benefits(data).values()
    assert (found.rejection, found.patient) == ("42", "P1/M1/jane")
    assert "later" in found.next_step
