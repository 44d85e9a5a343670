"""A WebPT company: an SFTP server on which a clinic's Standard Extract appears night by night, quirks included.

Appointments are a rolling window under a misspelt header, with negative ids for recurrences until they are checked in;
the other tables tell what was added, updated and removed by ``export_flag``; of the two SOAP versions one is blank.
"""

from __future__ import annotations

import asyncio
import csv
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from io import StringIO
from pathlib import Path
from random import Random

from gateway.testing.sftp_server import SftpServer
from gateway.testing.simulated_folder import leave
from gateway.testing.synthetic_clinic import SyntheticClinic, SyntheticPerson, synthetic_clinic
from gateway_webpt.records_tables import TABLES, declared
from gateway_webpt.simulator_revflow import Billing

Row = dict[str, str]
USER, PASSWORD = "extract", "extract-of-a-made-up-clinic"
FIRST = date(2026, 6, 1)
WINDOW = 14
_HEADER = {"appointment_id": "appointmnet_id", "primary_ins": "PrimaryIns", "birth_date": "date_of_birth"}
_UPGRADED = _HEADER | {"cell_phone": "text_number"}
_CODES = (("97110", "45.00"), ("97140", "42.00"), ("97530", "55.00"), ("97161", "130.00"))


class Company:
    """A clinic that lives day by day and writes an extract each night. The same seed gives the same files."""

    def __init__(self, clinic: SyntheticClinic, seed: int, first: date = FIRST) -> None:
        self.clinic = clinic
        self.today = first - timedelta(days=1)
        self.appointments: dict[str, Row] = {}
        self.tables: dict[str, dict[str, Row]] = {name: {} for name in ("authorizations", "charges", "transactions")}
        self._flags: dict[str, dict[str, str]] = {name: {} for name in self.tables}
        self._gone: dict[str, dict[str, Row]] = {name: {} for name in self.tables}
        self.billing = Billing()
        self._random = Random(seed)  # noqa: S311 - an invented clinic, the same for the same seed
        self._next = 1000
        self.upgraded = False
        """Whether, without a word, the column of mobile numbers has another name and everybody another mail domain."""

    def live(self) -> None:
        """One day: visits happen and are charged, new ones are booked, some are moved or called off."""
        self.today += timedelta(days=1)
        for patient in self.clinic.patients:
            draw = self._random.random()
            if draw < 0.2:
                self._book(str(patient.key))
            if draw < 0.05:
                self._authorize(str(patient.key))
        for key, row in list(self.appointments.items()):
            day = date.fromisoformat(row["start_date"][:10])
            if day == self.today:
                self._happen(key, row)
            elif day > self.today and self._random.random() < 0.02:
                self._change(key, row)
        self._correct()
        self.billing.live(self.today)

    def night(self) -> dict[str, bytes]:
        """The files of tonight, by name; flags begin anew afterwards."""
        shown = f"{self.today:%Y%m%d}"
        files = {f"appointments_{shown}.csv": table("appointments", self.window())}
        for name, rows in self.tables.items():
            flags = self._flags[name]
            told = [(rows.get(key) or self._gone[name][key]) | {"export_flag": flag} for key, flag in flags.items()]
            twin = "_soap1" if name == "charges" else ""
            files[f"{name}{twin}_{shown}.csv"] = table(name, told)
            flags.clear()
        files |= {f"{name}_{shown}.csv": table(name, rows) for name, rows in self.billing.night()}
        files[f"charges_soap2_{shown}.csv"] = table("charges", [])
        files[f"patients_{shown}.csv"] = table("patients", self._patients(), _UPGRADED if self.upgraded else _HEADER)
        files[f"flowsheets_{shown}.csv"] = b"record_id,case_id,exercise\n1,2,Bridge\n"
        return files

    def window(self) -> list[Row]:
        """Appointments of tonight's window."""
        reach = timedelta(days=WINDOW)
        return [row for row in self.appointments.values() if abs(_day(row) - self.today) <= reach]

    def _patients(self) -> list[Row]:
        return [
            {
                "patient_id": str(one.key), "last_name": one.family, "first_name": one.given, "sex": one.sex,
                "birth_date": f"{one.birth_date:%m/%d/%Y}", "email": self._email(one), "cell_phone": one.phone,
                "modified_date": f"{FIRST}",
            }
            for one in self.clinic.patients
        ]  # fmt: skip

    def _email(self, person: SyntheticPerson) -> str:
        return person.email.replace("@", "@mail.") if self.upgraded else person.email

    def _id(self) -> str:
        self._next += 1
        return str(self._next)

    def _stamp(self) -> str:
        return f"{datetime.combine(self.today, time(18, self._next % 60)):%Y-%m-%d %H:%M:%S}"

    def _book(self, patient: str) -> None:
        day, hour = self.today + timedelta(days=self._random.randint(1, 24)), 8 + self._random.randint(0, 8)
        at = datetime.combine(day, time(hour, 30))
        key = f"-{self._id()}"
        self.appointments[key] = {
            "appointment_id": key, "start_date": f"{at:%Y-%m-%d %H:%M:%S}", "patient_id": patient,
            "end_date": f"{at + timedelta(minutes=45):%m/%d/%Y %I:%M %p}", "case_id": f"9{patient}", "clinic_id": "1",
            "therapist_id": "3", "appointment_type": "Treatment, follow-up", "appointment_status": "Active",
            "time_stamp": self._stamp(),
        }  # fmt: skip

    def _happen(self, key: str, row: Row) -> None:
        """A visit: most are checked in, whereby the id turns positive, and are charged and paid for."""
        if self._random.random() < 0.15:
            self.appointments[key] = row | {
                "appointment_status": "Inactive", "reason": "Sick", "time_stamp": self._stamp()
            }  # fmt: skip
            return
        del self.appointments[key]
        new = key.lstrip("-")
        came = {"appointment_id": new, "check_in_time": row["start_date"], "check_out_time": row["end_date"]}
        self.appointments[new] = row | came | {"time_stamp": self._stamp()}
        code, amount = self._random.choice(_CODES)
        charge = self._id()
        self._tell("charges", charge, {
            "record_id": "1", "record_pointer": charge, "visit_date": f"{self.today:%m/%d/%Y}", "cpt": code,
            "clinic_id": "1", "patient_id": row["patient_id"], "case_id": row["case_id"], "visit_id": new,
            "therapist_id": "3", "units": "1", "charge_amount": amount, "note_type": "DN", "cpt_modifier": "GP",
            "note_finalized_date": f"{self.today}",
        })  # fmt: skip
        self.billing.visit(self.today, new, row["patient_id"], code, amount)
        paid = self._id()
        self._tell("transactions", paid, {
            "record_id": paid, "otc_id": "1", "case_id": row["case_id"], "payment_date": f"{self.today:%m/%d/%Y}",
            "dollar_amount_paid": "25.00", "patient_id": row["patient_id"], "clinic_id": "1", "txn_paid": "1",
            "description": "Copay",
        })  # fmt: skip

    def _change(self, key: str, row: Row) -> None:
        """Moved to the next day, or called off: then it is in no file any more."""
        if self._random.random() < 0.5:
            del self.appointments[key]
            return
        moved = datetime.fromisoformat(row["start_date"]) + timedelta(days=1)
        end = moved + timedelta(minutes=45)
        times = {"start_date": f"{moved:%Y-%m-%d %H:%M:%S}", "end_date": f"{end:%m/%d/%Y %I:%M %p}"}
        self.appointments[key] = row | times | {"time_stamp": self._stamp()}

    def _authorize(self, patient: str) -> None:
        key = self._id()
        self._tell("authorizations", key, {
            "record_id": key, "authorization_id": "7", "auth_number": f"A{key}", "patient_id": patient,
            "auth_start_date": f"{self.today:%m/%d/%Y}", "visit_authorized_for": "12", "authorization_status": "A",
            "case_id": f"9{patient}",
        })  # fmt: skip

    def _correct(self) -> None:
        """Some rows of earlier days are updated, and some removed."""
        for name, change in (("authorizations", {"visit_authorized_for": "20"}), ("charges", {"units": "2"})):
            for key, row in list(self.tables[name].items()):
                draw = self._random.random()
                if draw < 0.02:
                    self._tell(name, key, row | change, "2")
                elif draw < 0.03:
                    self._gone[name][key] = self.tables[name].pop(key) | {"modified_date": f"{self.today}"}
                    self._flags[name][key] = "3"

    def _tell(self, name: str, key: str, row: Row, flag: str = "1") -> None:
        self.tables[name][key] = row | {"modified_date": f"{self.today}"}
        self._flags[name][key] = flag


def _day(row: Row) -> date:
    return date.fromisoformat(row["start_date"][:10])


def table(name: str, rows: Iterable[Row], header: Mapping[str, str] = _HEADER) -> bytes:
    """A file of the extract with the vendor's own header."""
    columns = [
        *dict.fromkeys((*declared(name), *TABLES[name].version, *(("export_flag",) if name == "charges" else ())))
    ]
    text = StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([header.get(column, column) for column in columns])
    writer.writerows([[row.get(column, "") for column in columns] for row in rows])
    return text.getvalue().encode()


def put(folder: Path, files: Mapping[str, bytes]) -> None:
    """Leave files in a mailbox as an uploader does: whole or not at all."""
    for name, data in files.items():
        leave(folder / name, data)


class _Mailbox:
    """The simulator: a mailbox into which a night falls every few seconds."""

    name = "webpt"
    summary = "WebPT's Standard Extract: an SFTP mailbox in which a clinic's nights appear."
    faults: Mapping[str, str] = {
        "cut": "the connection ends in the middle of a file",
        "stall": "the server stops answering",
        "gap": "every fifth night is left out",
    }
    lasting = frozenset({"gap"})
    events: Mapping[str, str] = {"drift": "mobile numbers have another column, all patients another mail domain"}
    seconds = 5.0
    """Between two nights."""

    async def serve(
        self, *, host: str, port: int, seed: int, clinic_size: int, faults: Sequence[str],
        opened: Callable[[Mapping[str, str]], None],
    ) -> None:  # fmt: skip
        """Serve until cancelled."""
        with tempfile.TemporaryDirectory() as made:
            folder = Path(made)
            server = SftpServer(folder, {USER: PASSWORD})
            await server.start(host, port)
            if "cut" in faults:
                server.fail("cut")
            if "stall" in faults:
                server.fail("stall")
            self._company = company = Company(synthetic_clinic(seed, patients=clinic_size, visits=1), seed)
            opened({
                "sftp.host": host, "sftp.port": str(server.port), "sftp.user": USER, "sftp.host_keys": server.host_key,
                "sftp.password": PASSWORD,
            })  # fmt: skip
            try:
                while True:
                    company.live()
                    files = company.night()
                    put(folder, files if "gap" not in faults or company.today.day % 5 else {})
                    await asyncio.sleep(self.seconds)
            finally:
                await server.stop()

    def happen(self, event: str) -> None:
        """Let one of the events happen at the clinic served now."""
        self._company.upgraded = self._company.upgraded or event in self.events


SIMULATORS = (_Mailbox(),)
