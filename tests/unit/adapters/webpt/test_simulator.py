"""The made-up clinic writes what the vendor writes, the same for the same seed."""

from __future__ import annotations

import csv
from datetime import date, datetime
from io import StringIO

from gateway.testing.synthetic_clinic import synthetic_clinic
from gateway_webpt.simulator import Company
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
