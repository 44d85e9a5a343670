"""Reports as each system writes them, out of a made-up clinic: the headers that are known, CSV or Excel.

``gateway simulate reports`` leaves new exports in a folder every few seconds, the clinic having changed a little.
"""

from __future__ import annotations

import asyncio
import csv
import tempfile
from collections.abc import Callable, Mapping, Sequence
from io import BytesIO, StringIO
from pathlib import Path
from random import Random

from gateway.testing.simulated_folder import leave
from gateway.testing.synthetic_clinic import SyntheticClinic, SyntheticPerson, synthetic_clinic

Table = tuple[tuple[str, ...], Sequence[tuple[str, ...]]]
_STATES = {"booked": "Booked Online", "arrived": "Arrived", "cancelled": "Cancelled", "no-show": "No Show"}
_APPOINTMENTS = (
    "id", "patient_number", "patient_first_name", "patient_last_name", "start_at", "end_at", "treatment_name",
    "staff_member_name", "first_visit", "state",
)  # fmt: skip
_CLIENTS = (
    "Patient Number", "First Name", "Last Name", "Email", "Birth Date", "Middle Name", "Preferred Name",
    "Mobile Phone", "Insurance Company Name",
)  # fmt: skip
_POLICIES = (
    "Patient", "Insurer(s)", "Name", "Claim #", "Policy #", "Status", "End Date", "Adjuster", "Number of Treatments",
    "Policy Maximum", "Next Appointment", "Notes", "Adjuster Email", "Adjuster Phone",
)  # fmt: skip
_SALES = ("Invoice Number", "Invoice Date", "Patient", "Item", "Status", "Subtotal", "Taxes", "Total", "Balance")


def appointments(clinic: SyntheticClinic) -> Table:
    """Jane's appointments report, with a column for the state as clinics name it."""
    people, staff = {one.key: one for one in clinic.patients}, {one.key: one for one in clinic.therapists}
    rows = [
        (
            f"{visit.key}", f"{1000 + visit.patient}", people[visit.patient].given, people[visit.patient].family,
            f"{visit.start:%Y-%m-%d %H:%M:%S %z}", f"{visit.end:%Y-%m-%d %H:%M:%S %z}", visit.kind,
            _name(staff[visit.therapist]), "false", _STATES[visit.outcome],
        )
        for visit in clinic.visits
    ]  # fmt: skip
    return _APPOINTMENTS, rows


def clients(clinic: SyntheticClinic) -> Table:
    """Jane's list of clients."""
    rows = [
        (
            f"{1000 + one.key}", one.given, one.family, one.email, one.birth_date.isoformat(), "", "", one.phone,
            "Simulated Health Plan",
        )
        for one in clinic.patients
    ]  # fmt: skip
    return _CLIENTS, rows


def sales(clinic: SyntheticClinic) -> Table:
    """Jane's sales report, by invoice date."""
    people = {one.key: one for one in clinic.patients}
    rows = [
        (
            f"{visit.key}-P01", f"{visit.start:%m/%d/%Y}", _name(people[visit.patient]), visit.kind, "Unpaid", "$90.00",
            "$0.00", "$90.00", "$90.00",
        )
        for visit in clinic.visits
        if visit.outcome == "arrived"
    ]  # fmt: skip
    return _SALES, rows


def policies(clinic: SyntheticClinic) -> Table:
    """Jane's insurance policies report."""
    rows = [
        (
            _name(one), "Simulated Health Plan", "Plan A", "", f"P{one.key:06}", "Open", "12/31/2026", "", "12",
            "$1,000.00", "", "", "", "",
        )
        for one in clinic.patients
    ]  # fmt: skip
    return _POLICIES, rows


def receivables(clinic: SyntheticClinic) -> Table:
    """What patients and one insurer owe, under the gateway's own names for the columns: Jane's are not published."""
    rows = [(_name(one), "", "$90.00", "$60.00", "$30.00", "", "") for one in clinic.patients[::2]]
    rows.append(("", "Simulated Health Plan", "$240.00", "$0.00", "$120.00", "$120.00", "$0.00"))
    return ("Patient Name", "Insurer", "Owing", "Aged 0", "Aged 30", "Aged 60", "Aged 90"), rows


def claims(clinic: SyntheticClinic) -> Table:
    """Claims with their state, likewise."""
    people = {one.key: one for one in clinic.patients}
    states = ("submitted", "paid", "denied", "pending")
    rows = [
        (
            f"C{visit.key:05}", _name(people[visit.patient]), "Simulated Health Plan", f"{visit.start:%m/%d/%Y}",
            states[number % len(states)], "$120.00", "$80.00" if number % len(states) == 1 else "",
        )
        for number, visit in enumerate(one for one in clinic.visits if one.outcome == "arrived")
    ]  # fmt: skip
    return ("Claim Number", "Patient Name", "Insurer", "Service On", "Status", "Billed", "Paid"), rows


def accounts(clinic: SyntheticClinic) -> Table:
    """Prompt's export of patients: the three headers that are known, and a name as clinics set it."""
    rows = [
        (f"{one.key}", f"{one.family}, {one.given}", f"M{one.key}", "Simulated Health Plan") for one in clinic.patients
    ]
    return ("Prompt Account #", "Patient Name", "Member ID#", "Payor Name"), rows


REPORTS: Mapping[str, Callable[[SyntheticClinic], Table]] = {
    "Appointments": appointments,
    "Patients": clients,
    "Sales": sales,
    "Policies": policies,
    "Receivables": receivables,
    "Claims": claims,
}


def as_csv(table: Table) -> bytes:
    """A report as a CSV file."""
    text = StringIO()
    csv.writer(text, lineterminator="\r\n").writerows([table[0], *table[1]])
    return text.getvalue().encode()


def as_workbook(table: Table) -> bytes:
    """A report as an Excel workbook with one sheet, ``Export``."""
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    sheet = book.create_sheet("Export")
    for row in (table[0], *table[1]):
        sheet.append(row)
    data = BytesIO()
    book.save(data)
    return data.getvalue()


def _name(person: SyntheticPerson) -> str:
    return f"{person.given} {person.family}"


class _Exports:
    """The simulator: a folder in which somebody leaves exports again and again."""

    name = "reports"
    summary = "Exported reports of a clinic (Jane's headers), left in a folder every few seconds."
    faults: Mapping[str, str] = {
        "no-state": "the appointments report has no column for the state",
        "cut": "every file ends in the middle of a row",
    }
    lasting = frozenset({"no-state", "cut"})
    events: Mapping[str, str] = {
        "drift": "the column of mobile numbers has another name, and everybody another insurer"
    }
    seconds = 5.0
    """Between two exports."""

    async def serve(
        self, *, host: str, port: int, seed: int, clinic_size: int, faults: Sequence[str],
        opened: Callable[[Mapping[str, str]], None],
    ) -> None:  # fmt: skip
        """Serve until cancelled."""
        del host, port  # files need no address
        draw = Random(seed)  # noqa: S311 - an invented clinic, the same for the same seed
        self._upgraded = False
        with tempfile.TemporaryDirectory() as made:
            opened({"system": "jane", "folder": made})
            number = 0
            while True:
                clinic = synthetic_clinic(seed, patients=clinic_size, visits=clinic_size + draw.randrange(10))
                for title, build in REPORTS.items():
                    number += 1
                    table = build(clinic) if number <= len(REPORTS) else _archived(build(clinic))
                    table = _upgraded(table) if self._upgraded else table
                    leave(Path(made) / f"Clinic_{title}_{number}.csv", _spoiled(table, faults))
                await asyncio.sleep(self.seconds)

    def happen(self, event: str) -> None:
        """Let one of the events happen at the clinic served now."""
        if event in self.events:
            self._upgraded = True


def _archived(table: Table) -> Table:
    """The first appointment was deleted since the first export: the report shows it as archived."""
    header, rows = table
    if header[-1] != "state" or not rows:
        return table
    return header, [(*rows[0][:-1], "Archived"), *rows[1:]]


def _upgraded(table: Table) -> Table:
    """The report as it is after the drift."""
    header, rows = table
    renamed = tuple("Cell" if column == "Mobile Phone" else column for column in header)
    return renamed, [tuple(cell.replace("Health Plan", "Care Plan") for cell in row) for row in rows]


def _spoiled(table: Table, faults: Sequence[str]) -> bytes:
    if "no-state" in faults and table[0][-1] == "state":
        table = table[0][:-1], [row[:-1] for row in table[1]]
    data = as_csv(table)
    return data[: data.index(b",", len(data) // 2)] if "cut" in faults else data


SIMULATORS = (_Exports(),)
