"""Refusals become denials with the kind, the money and the day; what is taken back or paid later does not stay."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import msgspec
import pytest

from gateway.model import fold
from gateway.model.denial import DenialDecision
from gateway.model.exchange import Snapshot
from gateway.model.remittance import Adjustment, ClaimPayment, ServiceLine
from gateway_denials.config import DenialsConfig
from gateway_denials.reactor import Denials

NOW = datetime(2026, 7, 20, tzinfo=UTC)


def line(reason: str, amount: str, *, paid: str = "0.00", group: str = "CO", remarks=(), control: str = "L1"):
    adjustment = Adjustment(group=group, reason=reason, amount=Decimal(amount))
    return ServiceLine(
        procedure_code="97110", charge=Decimal(amount) + Decimal(paid), paid=Decimal(paid), remarks=remarks,
        adjustments=(adjustment,), line_control_number=control,
    )  # fmt: skip


def payment(*lines: ServiceLine, status: str = "processed-primary", number: int = 1, **fields) -> Snapshot:
    paid = sum((one.paid for one in lines), Decimal("0.00"))
    charge = sum((one.charge for one in lines), Decimal("0.00"))
    record = ClaimPayment(
        **{
            "status": status,
            "charge": charge,
            "paid": paid,
            "lines": lines,
            "patient_control_number": "PCN-1",
            **fields,
        }
    )
    return Snapshot(
        type="ClaimPayment", record_id=f"payment-{number}", source="x12", version=1, removed=False, patient="patient-1",
        at="2026-07-14T12:00:00Z", observed_at=f"2026-07-{13 + number}T12:00:00Z", record=record,
    )  # fmt: skip


def derived(*members: Snapshot, **settings):
    derivation = Denials().derive("claim:PCN-1", members, DenialsConfig(**settings), NOW)
    for one in derivation.records:
        fold(one.type, None, msgspec.json.decode(msgspec.json.encode(one.fields)))
    return [one.fields for one in derivation.records if one.type == "Denial"], [
        one.fields for one in derivation.records if one.type == "Task"
    ]


@pytest.mark.parametrize(
    ("reason", "remarks", "category"),
    [
        ("197", ("M62",), "authorization"),
        ("50", ("N115",), "medical-necessity"),
        ("16", ("M51",), "coding"),
        ("16", (), "documentation"),
        ("16", ("M51", "M62"), "authorization"),
        ("29", (), "timely-filing"),
        ("119", (), "benefit-limit"),
        ("22", (), "coordination-of-benefits"),
        ("18", (), "duplicate"),
        ("B7", (), "provider-credentialing"),
        ("4", (), "coding"),
        ("ZZZ", (), "other"),
    ],
)
def test_a_refused_line_becomes_a_denial_of_its_kind(reason, remarks, category):
    """The reason decides; a vague one is refined by remark codes, the graver kind first."""
    (denial,), (task,) = derived(payment(line(reason, "150.00", remarks=remarks)))
    assert (denial["category"], denial["at_risk"], denial["partial"]) == (category, Decimal("150.00"), False)
    assert (denial["denied_on"], denial["act_by"]) == (date(2026, 7, 14), date(2026, 9, 12))
    assert task["money"] == Decimal("150.00")
    assert task["due_on"] == denial["act_by"]
    assert task["title"] == denial["next_step"]


@pytest.mark.parametrize(
    ("group", "reason"), [("CO", "45"), ("PR", "1"), ("PR", "2"), ("PR", "3"), ("CO", "253"), ("OA", "23")]
)
def test_contract_patient_share_and_policy_are_no_denials(group, reason):
    """What nobody can win back makes no work."""
    assert derived(payment(line(reason, "50.00", paid="10.00", group=group))) == ([], [])


def test_a_patient_who_is_liable_is_still_a_denial():
    """PR with a reason that refuses keeps its group, which says who owes."""
    (denial,), _ = derived(payment(line("50", "80.00", group="PR")))
    assert denial["group"] == "PR"


def test_a_denied_claim_without_a_reason_is_seen():
    """CLP02 4 alone is enough: the kind is found by a person."""
    (denial,), _ = derived(payment(status="denied", charge=Decimal("90.00")))
    assert (denial["category"], denial["at_risk"]) == ("other", Decimal("90.00"))


def test_a_reversal_takes_the_denial_back_and_a_later_payment_closes_it():
    """Denied, reversed, paid: nothing is left; denied and paid under the same line number: nothing either."""
    denied = payment(line("197", "150.00"))
    taken = payment(line("197", "-150.00"), status="reversal", number=2)
    paid = payment(line("45", "50.00", paid="100.00"), number=3)
    assert len(derived(denied)[0]) == 1
    assert derived(denied, taken) == ([], [])
    assert derived(denied, paid) == ([], [])
    assert derived(paid, taken, denied) == derived(denied, taken, paid)


@pytest.mark.parametrize(
    ("status", "own", "later"),
    [("processed-primary", (), None), ("processed-secondary", (), True), ("processed-tertiary-forwarded", (), True),
     ("denied", (Adjustment(group="OA", reason="23", amount=Decimal("10.00")),), True)],
)  # fmt: skip
def test_who_decides_after_another_payer_is_told(status, own, later):
    """By the claim's status, or by a reason that only such a payer gives: the amount stood with the patient."""
    (denial,), _ = derived(payment(line("50", "16.00"), status=status, adjustments=own))
    assert denial.get("after_another_payer") is later


def test_a_line_that_is_left_to_the_patient_later_is_no_denial():
    """A corrected claim that goes to the deductible pays nothing and refuses nothing: the denial is closed."""
    denied = payment(line("197", "150.00"))
    deductible = payment(line("1", "150.00", group="PR"), number=2)
    assert derived(denied, deductible) == ([], [])
    whole = payment(status="denied", charge=Decimal("150.00"))
    assert derived(whole, deductible) == ([], [])
    liable = payment(line("50", "150.00", group="PR"), number=2)
    assert [one["category"] for one in derived(denied, liable)[0]] == ["medical-necessity"]


def test_the_days_to_act_count_from_the_remittance():
    """A file that is read months later, or before an older one, moves no last day and no order."""
    old, new = date(2026, 3, 2), date(2026, 3, 20)
    refused = payment(line("197", "150.00"), paid_on=new, number=1)
    (denial,), tasks = derived(refused)
    assert (denial["denied_on"], denial["act_by"]) == (new, date(2026, 5, 19))
    assert str(new) in tasks[0]["reason"]
    first = payment(line("45", "50.00", paid="100.00"), paid_on=old, number=2)
    taken = payment(line("45", "-50.00", paid="-100.00"), status="reversal", paid_on=new, ordinal=1, number=1)
    anew = payment(line("197", "150.00"), paid_on=new, ordinal=2, number=1)
    assert len(derived(msgspec.structs.replace(anew, record_id="payment-3"), taken, first)[0]) == 1


def test_a_remittance_that_came_by_two_channels_refuses_once():
    """What was written off stays so when the same remittance comes again by another way."""
    refused = payment(line("197", "150.00"), paid_on=date(2026, 7, 14), remittance="r1")
    again = payment(line("197", "150.00"), paid_on=date(2026, 7, 14), remittance="r2", number=2)
    assert [one["state"] for one in derived(refused, again, decision())[0]] == ["written-off"]


def test_payers_time_and_small_sums_are_settings():
    """A line of business with days of its own has its own last day; small sums make no task."""
    medicare = payment(line("50", "4.00"), filing_indicator="MB")
    (denial,), tasks = derived(medicare, appeal_days_by_filing_indicator={"MB": 120}, least="5.00")
    assert denial["act_by"] == date(2026, 11, 11)
    assert tasks == []


def test_removed_payments_leave_nothing():
    """A group whose payments are gone derives nothing, so what was derived before is removed."""
    gone = msgspec.structs.replace(payment(line("197", "150.00")), removed=True)
    assert derived(gone) == ([], [])


def test_groups_are_claim_numbers():
    """Payments of one claim meet whatever remittance they came in."""
    assert Denials().groups(payment(), DenialsConfig()) == ("claim:PCN-1",)


def decision(verdict: str = "written-off", *, number: int = 1, place: str = "L1", removed: bool = False) -> Snapshot:
    record = DenialDecision(
        denial="denial-1", claim_payment=f"payment-{number}", claim_number="PCN-1", place=place, verdict=verdict,
        decided_by="cli:kim", decided_at=NOW, patient="patient-1",
    )  # fmt: skip
    return Snapshot(
        type="DenialDecision", record_id="decision-1", source="gateway.decisions", version=1, removed=removed,
        patient="patient-1", at="2026-07-19T12:00:00Z", observed_at="2026-07-19T12:00:00Z", record=record,
    )  # fmt: skip


def test_a_denial_that_was_written_off_has_that_state_and_no_task():
    """The money stays told, for the books; the work about it ends."""
    (denial,), tasks = derived(payment(line("197", "150.00")), decision())
    assert (denial["state"], str(denial["at_risk"]), tasks) == ("written-off", "150.00", [])


def test_only_the_line_that_was_meant_is_written_off():
    """Another line of the same payment stays open, and so does the claim as a whole."""
    refused = payment(line("197", "150.00"), line("50", "20.00", control="L2"))
    states = {one["line_control_number"]: one["state"] for one in derived(refused, decision())[0]}
    assert states == {"L1": "written-off", "L2": "open"}
    whole = payment(status="denied", charge=Decimal("150.00"))
    assert derived(whole, decision())[0][0]["state"] == "open"
    assert derived(whole, decision(place="claim"))[0][0]["state"] == "written-off"


def test_taking_it_back_and_a_later_refusal_open_it_again():
    """The last word of a person counts; a later payment that refuses the line is another question."""
    refused = payment(line("197", "150.00"))
    assert derived(refused, decision("open"))[0][0]["state"] == "open"
    assert derived(refused, decision(removed=True))[0][0]["state"] == "open"
    again = payment(line("197", "150.00"), number=2)
    (denial,), tasks = derived(refused, again, decision())
    assert (denial["state"], len(tasks)) == ("open", 1)


def test_a_decision_belongs_to_the_group_of_its_claim():
    """It is derived together with the payments whose refusal it is about."""
    reactor, config = Denials(), DenialsConfig()
    refused = payment(line("197", "150.00"))
    assert reactor.groups(decision(), config) == reactor.groups(refused, config)
