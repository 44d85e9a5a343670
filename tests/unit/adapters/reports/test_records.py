"""Headers recognized, what lacks listed by name, rows that are none, and the same rows from CSV and Excel."""

from __future__ import annotations

import pytest

from gateway.errors import LimitExceeded, MalformedEnvelope
from gateway.model.exchange import Finding, Item
from gateway.testing.synthetic_clinic import synthetic_clinic
from gateway_reports.config import ReportsConfig
from gateway_reports.records import cut, is_report, open_file, whole
from gateway_reports.records_row import read_row
from gateway_reports.simulator import REPORTS, accounts, appointments, as_csv, as_workbook

CLINIC = synthetic_clinic(seed=3, patients=8, visits=20)
JANE = ReportsConfig(system="jane")
SECRET = "Roe"
TITLES = [
    ("Appointments", "appointments"),
    ("Patients", "patients"),
    ("Sales", "sales"),
    ("Policies", "policies"),
    ("Receivables", "receivables"),
    ("Claims", "claims"),
]


@pytest.mark.parametrize(("title", "kind"), TITLES)
@pytest.mark.parametrize("write", [as_csv, as_workbook])
def test_each_report_is_told_by_its_headers(title: str, kind: str, write) -> None:
    """CSV and Excel give the same rows with the same meaning, whatever the order of columns."""
    header, rows = REPORTS[title](CLINIC)
    turned = tuple(reversed(header)), [tuple(reversed(row)) for row in rows]
    for table in ((header, rows), turned):
        items = list(cut(write(table), JANE))
        assert [one.kind for one in items] == [kind] * len(rows)
        values = [read_row(one.body, one.context).values for one in items]
        plain = [read_row(one.body, one.context).values for one in cut(as_csv((header, rows)), JANE)]
        assert values == plain


@pytest.mark.parametrize(
    ("system", "header", "lacking"),
    [
        ("jane", "id,patient_number,start_at", "state"),
        ("jane", "Patient,Insurer(s),Status", "policy_number"),
        ("prompt", "Prompt Account #,Phone", "last_name or patient_name or member_number"),
        ("raintree", "Patient Number,First Name,Phone", "last_name or patient_name or member_number"),
    ],
)
def test_what_lacks_is_listed(system: str, header: str, lacking: str) -> None:
    """By our names for the columns, with the setting that names their headers; nothing of the file is repeated."""
    data = f"{header},{SECRET}\n1,2,3,4\n".encode()
    with pytest.raises(MalformedEnvelope) as told:
        open_file(data, ReportsConfig(system=system))
    assert lacking in str(told.value)
    assert "columns." in str(told.value)
    assert SECRET not in str(told.value)


@pytest.mark.parametrize("system", ["raintree", "clinicient"])
def test_a_system_of_which_nothing_is_known_is_read_by_named_headers(system: str) -> None:
    """Every column comes from the settings; a file's name may say which report it is."""
    columns = {"start": "When", "patient_number": "Chart", "state": "What"}
    config = ReportsConfig(system=system, columns={"appointments": columns}, reports={"visits*.csv": "appointments"})
    data = b"When;Chart;What;Other\n2026-03-02 09:00;77;Arrived;x\n"
    (item,) = cut(data, config, "VISITS_march.csv")
    assert (item.kind, item.order_key) == ("appointments", "77")
    assert "77" not in item.control_id
    with pytest.raises(MalformedEnvelope, match="of no report"):
        open_file(data, ReportsConfig(system=system))


def test_prompt_patients_are_read_by_the_three_published_headers() -> None:
    """Account number, member number and payor are enough."""
    (item, *_) = cut(as_csv(accounts(CLINIC)), ReportsConfig(system="prompt"))
    values = read_row(item.body, item.context).values
    assert (values["patient_number"], values["member_number"]) == ("1", "M1")


def test_what_a_header_lacks_stands_in_the_cure() -> None:
    """Quarantine keeps place and cure: whoever dropped the file reads there which columns were not found."""
    (found,) = cut(b"id,patient_number,Room\n1,7,2\n", JANE)
    assert isinstance(found, Finding)
    assert "Name the headers of start under columns.appointments" in found.fix


def test_rows_that_are_none_do_not_stop_the_others() -> None:
    """Too short, without what names the record, and with an open quote: each a finding with line and bytes."""
    data = b'id,patient_number,start_at,state\n1,7,2026-03-02,Arrived\n2,8\n,,,Arrived\n3,"9\n4,7,2026-03-03,Arrived\n'
    parts = list(cut(data, JANE))
    assert len([one for one in parts if isinstance(one, Item)]) == 2
    found = {one.reason: one for one in parts if isinstance(one, Finding)}
    assert found.keys() >= {"row-length", "no-key", "quote-not-closed"}
    assert found["no-key"].where == "appointments line 4"
    assert "own number" in found["no-key"].fix
    assert found["row-length"].body == b"2,8"


def test_the_same_file_again_is_the_same_messages_and_another_is_not() -> None:
    """A row that returns to an earlier state in a later export is news."""
    first, again = as_csv(appointments(CLINIC)), as_csv(appointments(CLINIC))
    ids = [one.control_id for one in cut(first, JANE)]
    assert ids == [one.control_id for one in cut(again, JANE)]
    assert not set(ids) & {one.control_id for one in cut(first + b"\r\n", JANE)}


def test_a_file_without_rows_or_header_is_nothing() -> None:
    """An empty file makes no message; one of another kind is a finding."""
    assert list(cut(b"", JANE)) == []
    assert list(cut(as_csv((appointments(CLINIC)[0], [])), JANE)) == []
    assert [one.reason for one in cut(b"MSH|^~\\&|\n", JANE)] == ["no-report"]
    assert [one.reason for one in cut(b"PK\x03\x04broken", JANE)] == ["not-a-workbook"]


def test_a_report_is_held_within_a_limit() -> None:
    """More than 64 MiB is refused."""
    with pytest.raises(LimitExceeded):
        whole(b" " * 2**20 for _ in range(65))


def test_only_headers_of_one_system_are_recognized_by_themselves() -> None:
    """Files with plain names must be named with --source."""
    assert is_report(as_csv(appointments(CLINIC))[:4096])
    assert is_report(as_csv(accounts(CLINIC))[:4096])
    assert not is_report(b"Patient Number,First Name,Last Name\n")
    assert not is_report(b"")
