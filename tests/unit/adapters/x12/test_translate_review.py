"""Reviews to Authorizations."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal

import pytest

from tests.unit.adapters.x12.remittances import NORMALIZE, cut, records


def reviews(data: bytes):
    """Every Authorization of a file."""
    return [records(NORMALIZE(item.body, item.context))["Authorization"] for item in cut(data)[0]]


def test_every_public_review_matches_its_facts(corpora):
    """Decision and number of each; a request without a decision is requested."""
    facts = json.loads((corpora / "x12_278_facts.json").read_text("utf-8"))
    assert len(facts) >= 6
    words = {"A1": "approved", "A4": "pended"}
    for fact in facts:
        if "278-edge" in fact["file"]:
            continue  # a request (BHT02 13) whose event stands at the payer's level: it decides nothing of a patient's
        (found,) = reviews((corpora / fact["file"]).read_bytes())
        expected = words[fact["HCR01"][0]] if fact["HCR01"] else "requested"
        assert found.status == expected, fact["file"]
        assert found.number == (fact["auth_numbers"] or [None])[0], fact["file"]
        assert found.trace_number == fact["TRN"][0].split("*")[2]


@pytest.mark.parametrize(("name", "status", "number", "visits"), [
    ("request_pt", "requested", None, None), ("response_approved", "approved", "AUTH123456", 12),
    ("response_modified", "modified", "AUTH123457", 8), ("response_pended", "pended", None, None),
    ("response_denied", "denied", None, None),
])  # fmt: skip
def test_our_own_reviews_are_decided_as_written(corpora, name, status, number, visits):
    """Certified, modified, pended and denied, under the number of the request they answer."""
    (found,) = reviews((corpora / f"x12/synthetic-pt/278_{name}.x12").read_bytes())
    assert (found.status, found.number, found.visits_approved) == (status, number, visits)
    assert (found.trace_number, found.service_type) == ("AUTHTRACE0001", "PT")
    assert (found.starts_on, found.ends_on) == (date(2026, 7, 15), date(2026, 10, 14))


def test_a_request_keeps_what_was_asked_for(corpora):
    """Visits, units, procedures and diagnoses asked for stay beside what is granted later."""
    (found,) = reviews((corpora / "x12/synthetic-pt/278_request_pt.x12").read_bytes())
    assert (found.visits_requested, found.units_requested) == (12, Decimal(24))
    assert (found.service_codes, found.diagnoses) == (("97110",), ("M5450", "M25561"))


HEAD = (
    "ISA*00*          *00*          *ZZ*PLAN           *ZZ*CLINIC         *260714*0930*^*00501*000000702*0*T*:~"
    "GS*HI*P*C*20260714*0930*702*X*005010X217~ST*278*0001~BHT*0007*11*R1*20260714*0945*18~"
    "HL*1**20*1~NM1*X3*2*PLAN*****PI*P1~HL*2*1*21*1~NM1*1P*2*CLINIC*****XX*1234567893~"
    "HL*3*2*22*1~NM1*IL*1*DOE*JANE****MI*M1~HL*4*3*EV*0~TRN*2*T1~UM*HS*I*PT~"
)


def one(event: str):
    """The authorization that an event makes."""
    count = (HEAD + event).count("~") - 1
    return reviews(f"{HEAD}{event}SE*{count}*0001~GE*1*702~IEA*1*000000702~".encode())[0]


@pytest.mark.parametrize(("hsd", "visits"), [
    ("HSD*VS*12***35*6~", 12), ("HSD*VS*2*WK*1*35*6~", 12), ("HSD*VS*2*WK*2*35*6~", 6), ("HSD*VS*3*WK~", None),
    ("HSD*HS*4~", None),
])  # fmt: skip
def test_visits_are_a_total_or_a_rate_times_its_periods(hsd, visits):
    """Two a week for six weeks are twelve; a rate without an end is no number of visits."""
    assert one("HCR*A1*N1~" + hsd).visits_approved == visits


@pytest.mark.parametrize(("decision", "status"), [
    ("HCR*C~", "cancelled"), ("HCR*A2*N1~", "modified"), ("HCR*CT~", "pended"), ("HCR*NA~", "not-required"),
    ("AAA*N**33*C~", "rejected"), ("", "pended"),
    ("HL*5*4*SS*0~HCR*A1*N1~HL*6*4*SS*0~HCR*A3**0F~", "modified"), ("HL*5*4*SS*0~HCR*A3**0F~", "denied"),
])  # fmt: skip
def test_every_decision_has_its_word(decision, status):
    """Of the event or of its services; mixed services are a modified review; a rejected one was not decided."""
    found = one(decision)
    assert found.status == status
    assert (found.next_step is not None) == (status == "rejected")


def test_services_that_were_not_certified_grant_nothing():
    """Only units of certified services count."""
    found = one(
        "HL*5*4*SS*0~HCR*A1*N1~SV1*HC:97110**UN*24~HSD*VS*6~HL*6*4*SS*0~HCR*A3**0F~SV1*HC:97140**UN*12~HSD*VS*4~"
    )
    assert (found.units_approved, found.visits_approved, found.number) == (Decimal(24), 6, "N1")
