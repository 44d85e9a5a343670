"""Who a document names: by the records that came, and by what the route's settings say of payers and who bills."""

from __future__ import annotations

import msgspec
import pytest
from pydantic import ValidationError

from gateway.model import encode
from gateway.model.coverage import Coverage
from gateway.model.exchange import Retry
from gateway.model.organization import Payer
from gateway.model.patient import Identifier
from gateway_clearinghouse.config import ClearinghouseConfig, setup
from gateway_clearinghouse.sink_directory import Directory
from gateway_clearinghouse.sink_memory import Memory
from gateway_clearinghouse.translate_837 import claim
from tests.unit.plugins.clearinghouse.submissions import AT, PARTIES, submission
from tests.unit.plugins.clearinghouse.written import file, segments

BILLING = {
    "name": "Northside PT", "npi": "1992999825", "tax_id": "98-7654321", "lines": ["1 Clinic St"],
    "city": "Springfield", "state": "IL", "postal_code": "62701-0001",
}  # fmt: skip
CHARGES_ALONE = Payer(name="Sample Health Plan ", identifiers=(Identifier(value="MCR-IL"),))
"""As HL7 tells of one: a name and the clinic's own number."""


def settings(tmp_path, **fields) -> ClearinghouseConfig:
    needed = {
        "memory": tmp_path / "memory", "submitter_id": "SUBM001", "submitter_name": "Us", "receiver_id": "CH001",
        "submitter_phone": "5555550100", "connection": "core-soap", "url": "https://core.example/x", "user": "u",
        "password": "env:P",
    }  # fmt: skip
    return ClearinghouseConfig.model_validate(needed | fields)


@pytest.fixture
def directory(tmp_path):
    """A directory with these settings, in which the payer and the therapist, but no organization, have come by."""
    memories = []

    def made(payer: Payer = CHARGES_ALONE, **fields) -> Directory:
        config = settings(tmp_path, **fields)
        memories.append(Memory(config.memory))
        for type, id, one in (
            ("Payer", "payer-1", payer), ("Practitioner", "therapist-1", PARTIES.practitioner),
            ("Location", "location-1", PARTIES.location),
        ):  # fmt: skip
            memories[-1].keep(type, id, encode(one))
        return Directory(config, setup(config), memories[-1])

    yield made
    for one in memories:
        one.close()


@pytest.mark.parametrize("named", ["sample health plan", "MCR-IL"], ids=["by name", "by the clinic's number"])
def test_a_clinic_that_tells_of_charges_alone_can_be_billed(directory, named):
    """Settings say the payer's id at this clearinghouse and who bills: with both the claim can be written."""
    parties = directory(payers={named: "60054"}, billing=BILLING).parties(submission())
    read = segments(file(claim(submission(), parties, AT)))
    assert ["NM1", "PR", "2", "SAMPLE HEALTH PLAN", "", "", "", "", "PI", "60054"] in read
    assert ["NM1", "85", "2", "NORTHSIDE PT", "", "", "", "", "XX", "1992999825"] in read
    assert ["REF", "EI", "987654321"] in read


def test_nothing_is_guessed(directory):
    """Without the settings the company that bills is waited for, and a clinic's number is no payer id."""
    assert directory().parties(submission()) == Retry("directory-lacks-organization", 60.0)


def test_the_id_of_this_clearinghouse_counts_before_the_sources(directory):
    """Also for payers that decided or pay later; one that is not listed keeps the id that its source gave it."""
    of_the_source = Payer(name="Sample Health Plan", payer_id="SHP01")
    one = directory(of_the_source, payers={"SHP01": "ABC12"}, billing=BILLING)
    told = one.parties(msgspec.structs.replace(submission(), other_policies=(Coverage(payer="payer-1"), Coverage())))
    assert told.payer.payer_id == "ABC12"
    assert [payer and payer.payer_id for payer in told.later_payers] == ["ABC12", None]
    one._memory.keep("Payer", "payer-1", encode(msgspec.structs.replace(of_the_source, name="Other", payer_id="OTH01")))
    assert one.parties(submission()).payer.payer_id == "OTH01"


def test_a_policy_without_a_payer_is_known_by_its_plan(directory):
    """WebPT names the insurance as text only; a plan that the settings do not list is waited for, not guessed."""
    one = directory(payers={"Prairie Health PPO": "PHP01"}, billing=BILLING)
    policy = Coverage(member_id="M1", plan_name="PRAIRIE HEALTH PPO")
    told = one.parties(msgspec.structs.replace(submission(policy=policy), payer=None, other_policies=(policy,)))
    assert (told.payer.name, told.payer.payer_id, told.later_payers) == (policy.plan_name, "PHP01", (told.payer,))
    unlisted = msgspec.structs.replace(policy, plan_name="Other")
    lacking = one.parties(msgspec.structs.replace(submission(policy=unlisted), payer=None))
    assert lacking == Retry("directory-lacks-payer", 60.0)


def test_the_locations_own_company_bills_before_that_of_the_settings(directory):
    """Settings speak only where no record does."""
    one = directory(PARTIES.payer, billing=BILLING)
    owned = msgspec.structs.replace(PARTIES.location, organization="org-1")
    one._memory.keep("Location", "location-1", encode(owned))
    one._memory.keep("Organization", "org-1", encode(PARTIES.billing))
    assert one.parties(submission()).billing.npi == PARTIES.billing.npi
    assert one.parties(msgspec.structs.replace(submission(), location=None)).billing.npi == BILLING["npi"]


def test_one_name_has_one_id(tmp_path):
    """Names that differ by letter case alone must not lead to two payers."""
    assert settings(tmp_path, payers={"Plan": "60054", "PLAN ": "60054"}).payers
    with pytest.raises(ValidationError, match="differ by letter case"):
        settings(tmp_path, payers={"Plan": "60054", "PLAN ": "00131"})
