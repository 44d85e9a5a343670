"""Files to rows: recognized by their header, however they are written, each bad row alone."""

from __future__ import annotations

import csv
import io
import tracemalloc

import pytest
from openpyxl import Workbook

from gateway.model.exchange import Finding, Item
from gateway_webpt.records import Origin, is_table, origin_of
from gateway_webpt.records_tables import TABLES
from gateway_webpt.simulator import table
from tests.unit.adapters.webpt.extract import ADAPTER, config, patches, read

AUTH = "record_id,authorization_id,auth_number,patient_id,modified_date,export_flag"


@pytest.mark.parametrize("name", [name for name in TABLES if name not in {"documented_units", "patient_payments"}])
def test_every_table_is_recognized_by_its_header(name):
    """Columns lead to the table in any order and case; only published ones claim a file that nobody named."""
    head = table(name, [])
    assert is_table(head) == bool(TABLES[name].confirmed)
    columns = head.decode().strip().split(",")
    row = ",".join(str(number) for number in range(1, len(columns) + 1))
    shuffled = ",".join(reversed(columns)).upper()
    (item,) = read(f"{shuffled}\n{row}\n")
    assert item.kind == name


def test_a_table_that_nobody_knows_is_kept_as_it_is():
    """All 18 tables are accepted: a file with one of the system's keys is stored and says so."""
    (item,) = read("flowsheet_no,patient_id,exercise\n1,77,Bridge\n")
    assert (item.kind, item.order_key, item.body) == ("other", "77", b"1,77,Bridge")
    assert not is_table(b"flowsheet_no,patient_id\n")


def test_a_file_of_something_else_is_one_finding():
    """A header without any known column is refused, with the cure."""
    (finding,) = read("colour,size\nred,1\n")
    assert isinstance(finding, Finding)
    assert finding.reason == "no-table"


def test_an_empty_twin_is_no_fault():
    """One of the two SOAP versions may be blank: with a header only, or without a byte."""
    assert read("") == []
    assert read(table("charges", [])) == []


def test_the_twin_tables_keep_their_ids_apart():
    """What SOAP 2.0 calls 5 is not what SOAP 1.0 calls 5, unless the settings say so."""
    text = "record_pointer,cpt,patient_id,visit_id\n5,97110,77,9\n"
    names = [origin_of(f"charges_{version}_20260714.csv", {}) for version in ("soap1", "SOAP 2.0")]
    ids = [{patch.native_id for patch in patches(text, name)} for name in names]
    assert ids == [{"5", "9"}, {"soap2/5", "soap2/9"}]
    assert {patch.native_id for patch in patches(text, names[1], soap_versions_share_ids=True)} == {"5", "9"}


def test_names_tell_the_night():
    """Dates in file names are read in the usual ways; the settings name tables by pattern."""
    assert origin_of("APPT_2026-07-14_0310.csv", {"appt_*": "appointments"}) == Origin(
        "appointments", "2026-07-14T03:10"
    )
    assert origin_of("x20260714.csv", {}).night == "2026-07-14"
    assert origin_of("x.csv", {}) == Origin()


def test_bad_rows_cost_themselves_only():
    """Too few fields, no id: findings with line and bytes, and the others are messages."""
    found = read(f"{AUTH}\n1,2,A,77,2026-07-01,1\n1,2\n,2,B,77,2026-07-01,1\n3,2,C,78,2026-07-01,1\n")
    assert [type(one) for one in found] == [Item, Finding, Finding, Item]
    assert [(one.reason, one.where, one.body) for one in found if isinstance(one, Finding)] == [
        ("row-length", "authorizations line 3", b"1,2"),
        ("no-key", "authorizations line 4", b",2,B,77,2026-07-01,1"),
    ]
    assert [one.fix.partition(" and ")[0] for one in found if isinstance(one, Finding)] == [
        "correct the row", "fill in record_id"
    ]  # fmt: skip


def test_a_patient_is_never_a_control_id():
    """The control id of a patient's row is a digest; that of other rows is the row's own id."""
    (patient,) = read("patient_id,last_name,first_name\n77,Doe,Jo\n")
    (authorization,) = read(f"{AUTH}\n1,2,A,77,2026-07-01,1\n")
    assert "77" not in patient.control_id.split(":")
    assert authorization.control_id == "authorizations:1:2026-07-01 2026-07-01"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("delimiter", ["\t", "|", ";"])
def test_formats_are_found_by_evidence(encoding, delimiter):
    """The same rows come out of every way of writing them."""
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows([AUTH.split(","), ["1", "2", "Ä 5", "77", "7/1/2026", "1"]])
    found = patches(text.getvalue().encode(encoding))
    assert [(patch.native_id, patch.fields["number"], patch.patient) for patch in found] == [("1", "Ä 5", "77")]


def test_a_workbook_is_a_table():
    """An Excel export goes the same way as CSV."""
    book = Workbook()
    for row in (["Date of Service", "Date of Transaction", "Amount Paid", "Charge Type", "Patient Name", "Case Name"],
                ["7/14/2026", "7/14/2026", "$1,025.50", "Copay", "Doe, Jo", "Knee"]):  # fmt: skip
        book.active.append(row)
    file = io.BytesIO()
    book.save(file)
    payment = next(patch for patch in patches(file.getvalue()) if patch.type == "PatientPayment")
    assert str(payment.fields["amount"]) == "1025.50"
    assert (payment.fields["kind"], payment.patient) == ("copay", "report/doe, jo/Knee")


def test_memory_is_flat():
    """Twenty thousand rows are cut in the memory of a few."""
    row = b"1,2,A,77,2026-07-01,1\n" * 500

    def chunks():
        yield AUTH.encode() + b"\n"
        for _ in range(40):
            yield row

    tracemalloc.start()
    count = sum(1 for _ in ADAPTER.cut(chunks(), config()))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 20_000
    assert peak < 1_000_000
