"""The made-up clinic writes what the vendor writes, the same for the same seed."""

from __future__ import annotations

import csv
from datetime import date, datetime
from decimal import Decimal
from io import StringIO

from gateway.testing.synthetic_clinic import synthetic_clinic
from gateway_webpt.records_tables import TABLES
from gateway_webpt.simulator import Company
from gateway_webpt.simulator_revflow import CHARGES, CREDITS, PAYMENTS
from gateway_webpt.strict import conformance


def nights(seed: int, number: int = 20):
    company = Company(synthetic_clinic(seed, patients=10, visits=1), seed)
    made = []
    for _ in range(number):
        company.live()
        made.append(company.night())
    return made


def test_the_same_seed_gives_the_same_files():
    """Nights are drawn from the seed alone."""
    assert nights(3) == nights(3)
    assert nights(3) != nights(4)


def test_the_quirks_are_there():
    """Misspelt header, negative ids, all three flags, and a blank twin."""
    whole = b"".join(data for night in nights(3) for name, data in night.items() if "flowsheets" not in name)
    assert b"appointmnet_id" in whole
    assert b"\r\n-1" in whole
    assert all(b"%d\r\n" % flag in whole for flag in (1, 2, 3))
    assert all(len(night[name].splitlines()) == 1 for night in nights(3) for name in night if "soap2" in name)


def test_a_night_shows_a_window_of_appointments_and_no_more():
    """Nothing lies beyond fourteen days around the night, what is further ahead comes in a later one."""
    company = Company(synthetic_clinic(3, patients=10, visits=1), 3)
    beyond = 0
    for _ in range(20):
        company.live()
        name, data = next((name, data) for name, data in company.night().items() if name.startswith("appointments"))
        night = datetime.strptime(name, "appointments_%Y%m%d.csv").date()  # noqa: DTZ007 - a day has no zone
        days = [date.fromisoformat(row["start_date"][:10]) for row in csv.DictReader(StringIO(data.decode()))]
        assert days
        assert all(abs((day - night).days) <= 14 for day in days)
        beyond += len(company.appointments) - len(days)
    assert beyond > 0


def test_the_files_conform():
    """Every file is as published."""
    assert [
        finding for night in nights(3, 5) for name, data in night.items()
        if "flowsheets" not in name for finding in conformance([data])
    ] == []  # fmt: skip


def test_the_tables_of_revflow_are_there_as_published():
    """All seven tables whose columns are known come each night, RevFlow's three with every column that is published."""
    made = nights(3)
    known = {name for name, table in TABLES.items() if table.confirmed} - {"documented_units", "patient_payments"}
    assert len(known) == 7
    for night in made:
        assert known <= {name.removesuffix(".csv").rpartition("_")[0].removesuffix("_soap1") for name in night}
    for name in (CHARGES, PAYMENTS, CREDITS):
        header, *rows = b"".join(data for night in made for file, data in night.items() if name in file).splitlines()
        assert len(header.split(b",")) == {CHARGES: 31, PAYMENTS: 30, CREDITS: 32}[name]
        assert set(rows) - {header}


def test_a_charge_is_paid_after_a_week_and_a_credit_ends_when_it_is_posted():
    """Money adds up in RevFlow: what is charged is paid or open, and what is no procedure is worth nothing."""
    company = Company(synthetic_clinic(3, patients=10, visits=1), 3)
    told: list[dict[str, str]] = []
    for _ in range(30):
        company.live()
        files = company.night()
        told += [
            row for name, data in files.items() if CREDITS in name for row in csv.DictReader(StringIO(data.decode()))
        ]
    charges = company.billing.tables[CHARGES].values()
    for row in charges:
        assert Decimal(row["total_pay_amt"]) + Decimal(row["cur_balance"]) == Decimal(row["charge_amount"])
    assert {row["charge_amount"] for row in charges if row["cpt_code"] == "INSOVER"} == {"0.00"}
    paid = {row["charge_id"]: row["payment_amount"] for row in company.billing.tables[PAYMENTS].values()}
    assert paid == {row["charge_id"]: row["total_pay_amt"] for row in charges if row["total_pay_amt"] != "0.00"} != {}
    assert {row["export_flag"] for row in told} == {"1", "3"}
    assert (
        not {row["patient_credit_id"] for row in told if row["export_flag"] == "3"}
        & company.billing.tables[CREDITS].keys()
    )


def test_a_drift_renames_a_column_and_moves_everybodys_mail():
    """After the event the patients' file has one column under a name nobody announced, and rows that are news."""
    company = Company(synthetic_clinic(3, patients=10, visits=1), 3)
    company.live()
    before = company.night()
    company.upgraded = True
    company.live()
    after = company.night()
    (old, *people), (new, *moved) = (
        next(data for name, data in night.items() if name.startswith("patients")).splitlines()
        for night in (before, after)
    )
    renamed = [(one, other) for one, other in zip(old.split(b","), new.split(b","), strict=True) if one != other]
    assert renamed == [(b"cell_phone", b"text_number")]
    assert not set(people) & set(moved)
