"""Money announced against money arrived: open, matched, short, over, and work when it stays so."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import msgspec
import pytest

from gateway.model import fold
from gateway.model.bank import BankTransaction
from gateway.model.claim import Claim
from gateway.model.exchange import Snapshot
from gateway.model.remittance import Adjustment, ClaimPayment, Remittance
from gateway_reassociation.config import ReassociationConfig
from gateway_reassociation.reactor import Reassociation

NOW = datetime(2026, 7, 16, tzinfo=UTC)
LATE = datetime(2026, 7, 30, tzinfo=UTC)


def snapshot(record, number: int = 1) -> Snapshot:
    return Snapshot(
        type=type(record).__name__, record_id=f"{type(record).__name__}-{number}", source="s", version=1, removed=False,
        patient=None, at="2026-07-14T12:00:00Z", observed_at="2026-07-14T12:00:00Z", record=record,
    )  # fmt: skip


def remittance(amount: str = "216.72", trace: str = "EFT 001") -> Snapshot:
    record = Remittance(amount=Decimal(amount), trace_number=trace, payment_date=date(2026, 7, 14), payer_id="1999")
    return snapshot(record)


def deposit(amount: str = "216.72", number: int = 1) -> Snapshot:
    return snapshot(BankTransaction(amount=Decimal(amount), booked_on=date(2026, 7, 15), trace_number="eft001"), number)


def settled(*members: Snapshot, now: datetime = NOW, key: str = "trace:EFT001"):
    derivation = Reassociation().derive(key, members, ReassociationConfig(), now)
    for one in derivation.records:
        fold(one.type, None, msgspec.json.decode(msgspec.json.encode(one.fields)))
    tasks = [one.fields for one in derivation.records if one.type == "Task"]
    return derivation.records[0].fields, tasks, derivation.again


@pytest.mark.parametrize(
    ("members", "state", "difference"),
    [
        ((remittance(),), "open", "-216.72"),
        ((deposit(),), "open", "216.72"),
        ((remittance(), deposit()), "matched", "0.00"),
        ((remittance(), deposit("216.71")), "short", "-0.01"),
        ((remittance(), deposit("216.73")), "over", "0.01"),
        ((remittance(), deposit("200.00"), deposit("16.72", 2)), "matched", "0.00"),
        ((remittance("0.00"),), "matched", "0.00"),
    ],
)
def test_a_remittance_and_the_bank_agree_to_the_cent(members, state, difference):
    """One cent is seen; a remittance of nothing needs no deposit."""
    fields, tasks, _ = settled(*members)
    assert (fields["state"], fields["difference"]) == (state, Decimal(difference))
    assert bool(tasks) == (state in ("short", "over"))


def test_both_sides_meet_whatever_the_bank_does_to_the_number():
    """Case, blanks and leading zeros do not keep a deposit from its remittance."""
    reactor, config = Reassociation(), ReassociationConfig()
    assert reactor.groups(remittance(trace="00EFT 001"), config) == reactor.groups(deposit(), config)


def test_what_stays_open_becomes_work_on_its_day():
    """Before the day the reactor asks to be called again; after it there is a task."""
    _, tasks, again = settled(remittance())
    assert tasks == []
    assert again == datetime(2026, 7, 19, 12, tzinfo=UTC)
    _, tasks, again = settled(remittance(), now=LATE)
    assert again is None
    assert tasks[0]["money"] == Decimal("216.72")


def test_a_remittance_that_came_twice_is_expected_once():
    """Two channels, one payment: counted once and said."""
    twice = snapshot(remittance().record, 2)
    fields, _, _ = settled(remittance(), twice, deposit())
    assert (fields["state"], fields["repeats"]) == ("matched", 1)


def paid(amount: str, share: str, contract: str, number: int = 1, sign: int = 1) -> Snapshot:
    adjustments = tuple(
        Adjustment(group=group, reason=reason, amount=sign * Decimal(text))
        for group, reason, text in (("PR", "2", share), ("CO", "45", contract))
    )
    amounts = Decimal(amount), sum((one.amount for one in adjustments), Decimal("0.00"))
    return snapshot(
        ClaimPayment(
            status="processed-primary", charge=sign * amounts[0] + amounts[1], paid=sign * amounts[0],
            adjustments=adjustments, patient_control_number="PCN-1",
        ),
        number,
    )  # fmt: skip


CLAIM = snapshot(Claim(control_number="PCN-1", charge=Decimal("250.00")))


@pytest.mark.parametrize(
    ("members", "state"),
    [
        ((CLAIM,), "open"),
        ((CLAIM, paid("148.50", "26.50", "75.00")), "matched"),
        ((CLAIM, paid("100.00", "26.50", "75.00")), "short"),
        (
            (
                CLAIM,
                paid("100.00", "50.00", "100.00"),
                paid("100.00", "50.00", "100.00", 2, -1),
                paid("90.00", "60.00", "100.00", 3),
            ),
            "matched",
        ),
    ],
    ids=["no answer", "paid", "unexplained", "reversed and corrected"],
)
def test_a_claim_is_accounted_for(members, state):
    """Paid, patient's share and contract add up to the charge; a reversal and its correction count as one answer."""
    fields, _, _ = settled(*members, key="claim:PCN-1")
    assert fields["state"] == state


def said(status: str, paid: str, *parts: tuple[str, str, str], number: int, payer: str, day: int = 1) -> Snapshot:
    adjustments = tuple(Adjustment(group=group, reason=reason, amount=Decimal(text)) for group, reason, text in parts)
    charge = Decimal(paid) + sum((one.amount for one in adjustments), Decimal("0.00"))
    record = ClaimPayment(
        status=status, charge=charge, paid=Decimal(paid), adjustments=adjustments, patient_control_number="PCN-1",
        payer_claim_number=payer, paid_on=date(2026, 7, day), remittance=f"remittance-{number}",
    )  # fmt: skip
    return snapshot(record, number)


FIRST = said("processed-primary", "150.00", ("CO", "45", "75.00"), ("PR", "2", "25.00"), number=1, payer="A1")
SECOND = said("processed-secondary", "20.00", ("OA", "23", "225.00"), ("PR", "1", "5.00"), number=2, payer="B1")
BACK = said("reversal", "-20.00", ("OA", "23", "-225.00"), ("PR", "1", "-5.00"), number=3, payer="B1")
REFUSED = said("denied", "0.00", ("OA", "23", "225.00"), ("CO", "29", "25.00"), number=4, payer="B2")


@pytest.mark.parametrize(
    ("payments", "paid_in_all", "share"),
    [((FIRST, SECOND), "170.00", "5.00"), ((SECOND, FIRST), "170.00", "5.00"),
     ((FIRST, SECOND, BACK), "150.00", "25.00"), ((FIRST, REFUSED), "150.00", "0.00")],
    ids=["paid", "in another order", "taken back", "refused"],
)  # fmt: skip
def test_a_second_payer_accounts_for_the_same_charge(payments, paid_in_all, share):
    """What two payers paid adds up; what the later one says is left is what the patient owes, and nothing is over."""
    for members in ((CLAIM, *payments), payments):
        fields, tasks, _ = settled(*members, key="claim:PCN-1")
        assert (fields["state"], fields["expected"], tasks) == ("matched", Decimal("250.00"), [])
        assert (fields["paid"], fields["patient_responsibility"]) == (Decimal(paid_in_all), Decimal(share))


def test_a_claim_in_a_remittance_that_came_twice_is_answered_once():
    """Another channel's copy adds nothing; two equal claims of one remittance are two."""
    copy = msgspec.structs.replace(FIRST.record, remittance="another", ordinal=3)
    fields, tasks, _ = settled(CLAIM, FIRST, snapshot(copy, 9), key="claim:PCN-1")
    assert (fields["state"], fields["paid"], tasks) == ("matched", Decimal("150.00"), [])
    fields, _, _ = settled(CLAIM, FIRST, snapshot(FIRST.record, 9), key="claim:PCN-1")
    assert (fields["state"], fields["paid"]) == ("over", Decimal("300.00"))


def test_work_names_the_number_that_it_is_about():
    """A biller finds the remittance by its trace number, the claim by its number."""
    _, tasks, _ = settled(remittance(), deposit("216.00"))
    assert "EFT 001" in tasks[0]["reason"]
