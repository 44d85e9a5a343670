"""Journals: balanced to the cent whatever a payer sends, made when their day is closed, never edited."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.model import fold
from gateway.model.bank import BankTransaction
from gateway.model.charge_item import ChargeItem
from gateway.model.denial import Denial
from gateway.model.exchange import Snapshot
from gateway.model.invoice import PatientPayment
from gateway.model.remittance import Adjustment, ClaimPayment, ProviderAdjustment, Remittance, ServiceLine
from gateway.model.settlement import Settlement
from gateway.model.visit import Charge, Visit
from gateway_accounting.config import AccountingConfig
from gateway_accounting.reactor import Accounting

DAY = date(2026, 7, 14)
LATER = datetime(2026, 7, 20, tzinfo=UTC)
PLAIN = AccountingConfig(zone="America/Chicago")


def snapshot(record: msgspec.Struct, id: str = "", *, at: str = "2026-07-14T12:00:00Z", **changes: Any) -> Snapshot:
    told: dict[str, Any] = {
        "type": type(record).__name__, "record_id": id or type(record).__name__, "source": "s", "version": 1,
        "removed": False, "patient": None, "at": at, "observed_at": at, "record": record,
    }  # fmt: skip
    return Snapshot(**(told | changes))


def money(text: str) -> Decimal:
    return Decimal(text)


def claim(paid: str, *adjustments: tuple[str, str, str], **fields: Any) -> ClaimPayment:
    parts = tuple(Adjustment(group=group, reason=reason, amount=money(amount)) for group, reason, amount in adjustments)
    charge = money(paid) + sum((one.amount for one in parts), money("0.00"))
    told = {
        "status": "processed-primary",
        "charge": charge,
        "paid": money(paid),
        "remittance": "R",
        "adjustments": parts,
    }
    return ClaimPayment(**(told | fields))


def remit(amount: str, *provider: tuple[str, str], **fields: Any) -> Remittance:
    told: dict[str, Any] = {
        "amount": money(amount), "trace_number": "EFT1", "payment_date": DAY, "payer": "P", "payer_name": "Some Plan",
        "balanced": True,
        "provider_adjustments": tuple(ProviderAdjustment(reason=reason, amount=money(a)) for reason, a in provider),
    }  # fmt: skip
    return Remittance(**(told | fields))


def derived(key: str, members: Sequence[Snapshot], config: AccountingConfig = PLAIN, now: datetime = LATER):
    derivation = Accounting().derive(key, members, config, now)
    for one in derivation.records:
        fold(one.type, None, msgspec.json.decode(msgspec.json.encode(one.fields)))
    return derivation


def booked(key: str, members: Sequence[Snapshot], config: AccountingConfig = PLAIN) -> dict[str, Decimal]:
    """The one journal of a group, by account."""
    (entry,) = derived(key, members, config).records
    assert entry.type == "LedgerEntry", entry.fields
    return {line["account"]: line["amount"] for line in entry.fields["lines"]}


def journal_of(remittance: Remittance, *claims: ClaimPayment, config: AccountingConfig = PLAIN) -> dict[str, Decimal]:
    members = [snapshot(remittance, "R"), *(snapshot(one, f"C{place}") for place, one in enumerate(claims))]
    return booked("remittance:R", members, config)


def test_a_remittance_becomes_one_journal():
    """Money, contract and the patient's share leave the payer's receivable; a refusal leaves it where it is."""
    lines = journal_of(
        remit("80.00"), claim("80.00", ("CO", "45", "50.00"), ("PR", "2", "20.00"), ("CO", "197", "50.00"))
    )
    assert lines == {
        "cash": money("80.00"), "contractual-adjustment": money("50.00"), "patient-receivable": money("20.00"),
        "payer-receivable": money("-150.00"),
    }  # fmt: skip


def test_a_reversal_and_its_correction_leave_the_correction():
    """A take-back with negative amounts undoes the first booking account by account."""
    first = claim("80.00", ("CO", "45", "20.00"))
    back = claim("-80.00", ("CO", "45", "-20.00"), status="reversal")
    anew = claim("60.00", ("CO", "45", "40.00"))
    assert journal_of(remit("60.00"), first, back, anew) == journal_of(remit("60.00"), anew)
    assert journal_of(remit("-80.00"), back)["cash"] == money("-80.00")


@pytest.mark.parametrize(
    ("reason", "amount", "account"),
    [("L6", "-3.21", "interest"), ("WO", "25.00", "refund-liability"), ("FB", "-9.00", "refund-liability"),
     ("50", "2.00", "fees"), ("CT", "-500.00", "revenue"), ("J1", "1.00", "write-off"), ("CS", "4.00", "clearing")],
)  # fmt: skip
def test_each_provider_adjustment_has_its_account(reason, amount, account):
    """Interest, take-backs, forwarded balances, fees: each moves the money and its own account by the same amount."""
    lines = journal_of(remit(str(money("100.00") - money(amount)), (reason, amount)), claim("100.00"))
    assert lines[account] == money(amount)
    assert lines["cash"] == money("100.00") - money(amount)


def test_what_a_payer_takes_off_without_a_reason_stands_apart_from_the_money():
    """With deposits both are on clearing: the first line there is what the bank will show, and only that."""
    members = [snapshot(remit("70.00", ("CS", "30.00")), "R"), snapshot(claim("100.00"), "C")]
    (entry,) = derived("remittance:R", members, PLAIN.model_copy(update={"deposits": True})).records
    assert [line["amount"] for line in entry.fields["lines"] if line["account"] == "clearing"] == [
        money("70.00"), money("30.00"),
    ]  # fmt: skip


def test_settings_choose_the_accounts():
    """A group, a group with its reason and a provider adjustment each can be given another account."""
    config = PLAIN.model_copy(
        update={
            "adjustments": {"CO-253": "fees", "OA": "write-off"},
            "provider_adjustments": {"CS": "fees"},
            "payees": {"123": "L1"},
        }
    )
    record = remit("87.00", ("CS", "3.00"), payee_id="123")
    lines = journal_of(record, claim("90.00", ("CO", "253", "2.00"), ("OA", "18", "8.00")), config=config)
    assert (lines["fees"], lines["write-off"]) == (money("5.00"), money("8.00"))
    (entry,) = derived("remittance:R", [snapshot(record, "R"), snapshot(claim("90.00"), "C")], config).records
    assert {line["location"] for line in entry.fields["lines"]} == {"L1"}


def test_books_on_the_cash_basis_know_money_alone():
    """No receivable and no adjustment: what was paid is revenue."""
    config = PLAIN.model_copy(update={"basis": "cash"})
    lines = journal_of(remit("80.00"), claim("80.00", ("CO", "45", "20.00")), config=config)
    assert lines == {"cash": money("80.00"), "revenue": money("-80.00")}


cents = st.integers(-500_000, 500_000).map(lambda number: Decimal(number).scaleb(-2))
parts = st.tuples(
    st.sampled_from(["CO", "PR", "OA", "PI"]), st.sampled_from(["45", "2", "197", "253", "23", "X9"]), cents
)
claims = st.builds(
    lambda paid, own, line: claim(
        str(paid), *((group, reason, str(amount)) for group, reason, amount in own),
        lines=tuple(
            ServiceLine(procedure_code="97110", charge=amount, paid=Decimal("0.00"),
                        adjustments=(Adjustment(group=group, reason=reason, amount=amount),))
            for group, reason, amount in line
        ),
        status="reversal" if paid < 0 else "processed-primary",
    ),
    cents, st.lists(parts, max_size=4), st.lists(parts, max_size=3),
)  # fmt: skip
providers = st.lists(st.tuples(st.sampled_from(["WO", "FB", "L6", "72", "50", "CS", "ZZ", "IR"]), cents), max_size=4)


@given(st.lists(claims, min_size=1, max_size=5), providers, st.booleans(), st.sampled_from(["accrual", "cash"]), cents)
@settings(max_examples=150, deadline=None)
def test_every_journal_balances_and_shows_the_banks_amount(payments, provider, deposits, basis, off):
    """Random claims, reversals and provider adjustments: debits are credits, and the money line is BPR02 exactly.

    A remittance that is off by some cents is held, and once released its journal balances all the same.
    """
    paid = sum((one.paid for one in payments), Decimal("0.00")) - sum((a for _, a in provider), Decimal("0.00"))
    record = remit(str(paid + off), *((reason, str(amount)) for reason, amount in provider))
    members = [snapshot(record, "R"), *(snapshot(one, f"C{place}") for place, one in enumerate(payments))]
    config = PLAIN.model_copy(update={"deposits": deposits, "basis": basis})
    records = derived("remittance:R", members, config).records
    if off:
        assert [one.type for one in records] == ["Task"]
        assert records[0].fields["money"] == abs(off)
        records = derived("remittance:R", members, config.model_copy(update={"released": ("EFT1",)})).records
    for entry in records:
        lines = entry.fields["lines"]
        assert sum(line["amount"] for line in lines) == 0
        money = [line["amount"] for line in lines if line["account"] == ("clearing" if deposits else "cash")]
        if record.amount or not deposits:
            assert (money or [Decimal("0.00")])[0] == record.amount


def test_an_unbalanced_remittance_waits_for_its_release():
    """One cent holds it, with a task; naming its trace number books it with the cent on the clearing account."""
    members = [snapshot(remit("80.01", balanced=False), "R"), snapshot(claim("80.00"), "C")]
    (task,) = derived("remittance:R", members).records
    assert (task.type, task.fields["kind"], task.fields["money"]) == ("Task", "accounting-unbalanced", money("0.01"))
    lines = booked("remittance:R", members, PLAIN.model_copy(update={"released": ("EFT1",)}))
    assert (lines["cash"], lines["clearing"]) == (money("80.01"), money("-0.01"))
    line_off = [snapshot(remit("80.00"), "R"), snapshot(claim("80.00", line_balanced=False), "C")]
    assert derived("remittance:R", line_off).records[0].type == "Task"


def test_a_remittance_waits_for_all_its_claims():
    """Half a remittance is not booked; a day after its day the missing half is work."""
    members = [snapshot(remit("80.00", claim_count=2, paid_total=money("80.00")), "R"), snapshot(claim("50.00"), "C1")]
    early = datetime(2026, 7, 15, 18, tzinfo=UTC)
    waiting = derived("remittance:R", members, now=early)
    assert (waiting.records, waiting.again) == ((), datetime(2026, 7, 16, 17, tzinfo=UTC))
    assert derived("remittance:R", members).records[0].fields["kind"] == "accounting-incomplete"
    assert booked("remittance:R", [*members, snapshot(claim("30.00"), "C2")])["cash"] == money("80.00")


def test_a_remittance_that_came_twice_is_booked_once():
    """By the settlement of its trace number, only the first of two equal remittances makes a journal."""
    settled = Settlement(
        kind="deposit", state="open", number="EFT1", expected=money("80.00"), received=money("0.00"),
        difference=money("-80.00"), remittances=("R", "R2"), repeats=1,
    )  # fmt: skip
    reactor = Accounting()
    assert set(reactor.groups(snapshot(settled), PLAIN)) == {"remittance:R", "remittance:R2"}
    both = [snapshot(claim("80.00"), "C"), snapshot(settled)]
    assert booked("remittance:R", [snapshot(remit("80.00"), "R"), *both])["cash"] == money("80.00")
    (task,) = derived("remittance:R2", [snapshot(remit("80.00"), "R2"), *both]).records
    assert task.fields["kind"] == "accounting-repeated"


def test_a_day_is_one_journal_for_each_clinic():
    """Visits, single charges and patients' payments of one day and clinic meet; what was cancelled does not count."""
    visit = Visit(
        service_date=DAY, location="L1", status="signed",
        charges=(Charge(procedure_code="97110", amount=money("100.00")),
                 Charge(procedure_code="97110", amount=money("30.00"), credit=True),
                 Charge(procedure_code="97140", amount=money("9.00"), service_date=date(2026, 7, 15))),
    )  # fmt: skip
    item = ChargeItem(service_date=DAY, location="L1", amount=money("50.00"))
    void = ChargeItem(service_date=DAY, location="L1", amount=money("50.00"), active=False)
    late = datetime(2026, 7, 15, 4, 59, tzinfo=UTC)  # still the 14th in Chicago
    paid = PatientPayment(amount=money("25.00"), location="L1", received_at=late)
    refund = PatientPayment(amount=money("-5.00"), location="L1", received_at=late)
    reactor = Accounting()
    assert reactor.groups(snapshot(visit), PLAIN) == ("day:2026-07-14:L1", "day:2026-07-15:L1")
    assert reactor.groups(snapshot(void), PLAIN) == ()
    assert reactor.groups(snapshot(paid), PLAIN) == ("day:2026-07-14:L1",)
    members = [snapshot(one, str(place)) for place, one in enumerate((visit, item, paid, refund))]
    assert booked("day:2026-07-14:L1", members) == {
        "cash": money("20.00"), "patient-receivable": money("-20.00"), "payer-receivable": money("120.00"),
        "revenue": money("-120.00"),
    }  # fmt: skip
    only = PLAIN.model_copy(update={"charge_sources": ("other",)})
    assert reactor.groups(snapshot(visit), only) == ()


def test_a_day_has_no_journal_before_it_is_closed():
    """Twelve hours after midnight of the clinic; until then the reactor asks to be called again."""
    members = [snapshot(ChargeItem(service_date=DAY, amount=money("50.00")))]
    closes = datetime(2026, 7, 15, 17, tzinfo=UTC)
    before = derived("day:2026-07-14:", members, now=closes - timedelta(seconds=1))
    assert (before.records, before.again) == ((), closes)
    assert len(derived("day:2026-07-14:", members, now=closes).records) == 1


def test_a_deposit_moves_money_out_of_clearing():
    """With deposits in the books, a remittance waits on clearing until the bank's line of its number takes it off."""
    config = PLAIN.model_copy(update={"deposits": True})
    record, line = remit("80.00"), BankTransaction(amount=money("80.00"), booked_on=DAY, trace_number="0eft1")
    assert Accounting().groups(snapshot(line), config) == ("trace:EFT1",)
    assert Accounting().groups(snapshot(line), PLAIN) == ()
    both = [snapshot(record, "R"), snapshot(claim("80.00"), "C")]
    waiting = booked("remittance:R", both, config)["clearing"]
    settled = booked("trace:EFT1", [snapshot(record, "R"), snapshot(line)], config)
    assert settled == {"cash": money("80.00"), "clearing": -waiting}
    assert derived("trace:EFT1", [snapshot(line)], config).records == ()


def test_a_denial_is_written_off_when_somebody_gives_it_up():
    """An open denial stays owed by the payer; a written-off one leaves the receivable, less what was won."""
    lost = Denial(category="coding", state="written-off", at_risk=money("50.00"), recovered=money("10.00"))
    key = Accounting().groups(snapshot(lost), PLAIN)[0]
    assert booked(key, [snapshot(lost)]) == {"payer-receivable": money("-40.00"), "write-off": money("40.00")}
    assert derived(key, [snapshot(msgspec.structs.replace(lost, state="open"))]).records == ()


@pytest.mark.parametrize(("group", "account"), [("PR", "patient-receivable"), ("CO", "payer-receivable")])
def test_a_write_off_leaves_the_account_on_which_the_refusal_left_it(group, account):
    """A refusal for which the patient is liable (PR) stands with the patient, so it is written off there."""
    refusal = claim("0.00", (group, "204", "50.00"))
    lost = Denial(category="non-covered", state="written-off", at_risk=money("50.00"), group=group, reason="204")
    key = Accounting().groups(snapshot(lost), PLAIN)[0]
    owed = Counter({"payer-receivable": money("50.00")})  # by the day's charges
    members = [snapshot(remit("0.00"), "R"), snapshot(refusal, "C")]
    for entry in (*derived("remittance:R", members).records, *derived(key, [snapshot(lost)]).records):
        owed.update({line["account"]: line["amount"] for line in entry.fields["lines"]})
    assert {name: amount for name, amount in owed.items() if amount} == {"write-off": money("50.00")}, account


def test_a_refusal_that_the_settings_booked_is_not_written_off_again():
    """Where an account of its own took the amount when the remittance came, giving the denial up books nothing."""
    lost = Denial(category="timely-filing", state="written-off", at_risk=money("50.00"), group="CO", reason="29")
    config = PLAIN.model_copy(update={"adjustments": {"CO-29": "write-off"}})
    assert derived(Accounting().groups(snapshot(lost), config)[0], [snapshot(lost)], config).records == ()


def _books(*remittances: tuple[Remittance, ClaimPayment]) -> dict[str, Decimal]:
    """What the accounts hold after a charge of 100.00 and these remittances."""
    sums = Counter({"payer-receivable": money("100.00"), "revenue": money("-100.00")})
    for record, one in remittances:
        for entry in derived("remittance:R", [snapshot(record, "R"), snapshot(one, "C")]).records:
            sums.update({line["account"]: line["amount"] for line in entry.fields["lines"]})
    return {name: amount for name, amount in sums.items() if amount}


FIRST = claim("64.00", ("CO", "45", "20.00"), ("PR", "2", "16.00"))


@pytest.mark.parametrize(
    ("second", "left"),
    [
        (claim("16.00", ("OA", "23", "84.00"), status="processed-secondary"),
         {"cash": "80.00", "contractual-adjustment": "20.00"}),
        (claim("10.00", ("OA", "23", "84.00"), ("PR", "1", "6.00"), status="processed-secondary"),
         {"cash": "74.00", "contractual-adjustment": "20.00", "patient-receivable": "6.00"}),
        (claim("10.00", ("OA", "23", "84.00"), ("CO", "45", "6.00"), status="processed-secondary-forwarded"),
         {"cash": "74.00", "contractual-adjustment": "26.00"}),
        (claim("0.00", ("OA", "23", "84.00"), ("CO", "303", "16.00"), status="denied"),
         {"cash": "64.00", "contractual-adjustment": "36.00"}),
        (claim("0.00", ("OA", "23", "84.00"), ("PR", "275", "16.00"), status="processed-secondary"),
         {"cash": "64.00", "contractual-adjustment": "20.00", "patient-receivable": "16.00"}),
    ],
    ids=["paid", "share", "contract", "qualified beneficiary", "not covered"],
)  # fmt: skip
def test_a_second_payer_settles_what_the_first_left_to_the_patient(second, left):
    """What the first payer did is booked once: the second says it again (CARC 23), and pays what the patient owed."""
    held = _books((remit("64.00"), FIRST), (remit(str(second.paid)), second))
    assert held == {"revenue": money("-100.00"), **{name: money(amount) for name, amount in left.items()}}


def test_a_second_payer_s_refusal_is_written_off_from_the_patient_s_share():
    """It refused what the first payer left to the patient; nothing stays owed."""
    second = claim("0.00", ("OA", "23", "84.00"), ("CO", "50", "16.00"), status="processed-secondary")
    held = Counter(_books((remit("64.00"), FIRST), (remit("0.00"), second)))
    lost = Denial(
        category="medical-necessity", state="written-off", at_risk=money("16.00"), group="CO", reason="50",
        after_another_payer=True,
    )  # fmt: skip
    held.update(booked(Accounting().groups(snapshot(lost), PLAIN)[0], [snapshot(lost)]))
    left = {"cash": "64.00", "contractual-adjustment": "20.00", "write-off": "16.00", "revenue": "-100.00"}
    assert {name: amount for name, amount in held.items() if amount} == {one: money(two) for one, two in left.items()}


def test_a_reversed_second_payment_leaves_what_the_first_said():
    """Negative amounts of a second payer go back to where its payment came from."""
    second = claim("16.00", ("OA", "23", "84.00"), status="processed-secondary")
    back = claim("-16.00", ("OA", "23", "-84.00"), status="reversal")
    once = _books((remit("64.00"), FIRST))
    assert _books((remit("64.00"), FIRST), (remit("16.00"), second), (remit("-16.00"), back)) == once


changes = st.lists(st.dictionaries(st.integers(1, 4), cents, max_size=4), min_size=1, max_size=6)


@given(changes)
@settings(max_examples=60, deadline=None)
def test_a_day_opened_again_ends_in_the_same_sums(history):
    """However often charges of a closed day come, change and go, bookings and reversals add up to the newest state.

    Entries appear and disappear as the core makes them: what one derivation leaves out is removed, and reversed.
    """
    books: Counter[str] = Counter()
    standing: dict[str, Any] = {}
    for state in history:
        members = [
            snapshot(ChargeItem(service_date=DAY, amount=amount), str(number)) for number, amount in state.items()
        ]
        made = {one.native_id: one.fields for one in derived("day:2026-07-14:", members).records}
        for sign, entries in ((-1, standing.keys() - made.keys()), (1, made.keys() - standing.keys())):
            for name in entries:
                assert name not in standing or name not in made
                for line in (made | standing)[name]["lines"]:
                    books[line["account"]] += sign * line["amount"]
        for name in made.keys() & standing.keys():
            assert made[name] == standing[name], "a journal was edited"
        standing = made
    charged = sum(history[-1].values(), Decimal("0.00"))
    assert (books["payer-receivable"], books["revenue"]) == (charged, -charged)


def test_what_is_removed_makes_no_journal():
    """A remittance that its source takes back leaves nothing, so the core takes its journal back."""
    assert (
        derived("remittance:R", [snapshot(remit("80.00"), "R", removed=True), snapshot(claim("80.00"))]).records == ()
    )
