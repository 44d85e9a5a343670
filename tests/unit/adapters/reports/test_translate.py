"""Rows to patches: records of every report, states, dates and amounts as people and workbooks write them."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from gateway import model
from gateway.errors import InvalidConfiguration, InvalidContent
from gateway.mapping import Mapping
from gateway.model.identity import Ref
from gateway_reports.config import ReportsConfig
from gateway_reports.plugin import ReportsAdapter
from gateway_reports.records import cut
from gateway_reports.simulator import REPORTS, accounts, as_csv
from gateway_reports.translate import amount, moment, path
from tests.unit.adapters.reports.test_records import CLINIC, JANE

ADAPTER = ReportsAdapter()
MAPPING = Mapping.load(ADAPTER.mappings, None, ADAPTER.path).bind(zone="America/Chicago")
WITH = ADAPTER.normalizer(JANE, MAPPING)


def made(data: bytes, config: ReportsConfig = JANE) -> list[dict]:
    return [{one.type: one for one in WITH(item.body, item.context).patches} for item in cut(data, config)]


@pytest.mark.parametrize("title", REPORTS)
def test_every_row_of_every_report_makes_valid_records(title: str) -> None:
    """No required field lacks, and every reference has its record or will."""
    for item in cut(as_csv(REPORTS[title](CLINIC)), JANE):
        result = WITH(item.body, item.context)
        assert result.patches
        for one in result.patches:
            fields = {name: v.native_id if isinstance(v, Ref) else v for name, v in one.fields.items()}
            assert model.fold(one.type, None, fields) is not None


def test_an_appointment_of_a_numbered_patient() -> None:
    """Offset behind a space, patient by number, therapist by name."""
    header = b"id,patient_number,start_at,end_at,staff_member_name,state\n"
    data = header + b"5,1001,2026-01-05 09:00:00 -0400,,Ava Moreau,No Show\n"
    (found,) = made(data)
    fields = found["Appointment"].fields
    assert (found["Appointment"].native_id, fields["status"]) == ("5", "no-show")
    assert fields["start"] == dt.datetime(2026, 1, 5, 13, 0, tzinfo=dt.UTC)
    assert fields["patient"] == Ref("Patient", "1001")
    assert found["Practitioner"].fields["name"] == {"text": "Ava Moreau"}
    assert "Patient" not in found


@pytest.mark.parametrize(
    ("state", "status"),
    [("Booked Online", "booked"), ("first visit", "booked"), ("Checked In", "arrived"), ("Cancelled", "cancelled")],
)
def test_the_words_of_the_filters_are_states(state: str, status: str) -> None:
    """Each word of the systems' filters is known in any letter case."""
    (found,) = made(f"id,patient_number,start_at,state\n5,1,2026-01-05,{state}\n".encode())
    assert found["Appointment"].fields["status"] == status


def test_an_unknown_state_waits_and_an_archived_one_is_removed() -> None:
    """The word is not repeated."""
    with pytest.raises(InvalidContent) as told:
        made(b"id,patient_number,start_at,state\n5,1,2026-01-05,Rescheduled\n")
    assert "Rescheduled" not in str(told.value)
    (found,) = made(b"id,patient_number,start_at,state\n5,1,2026-01-05,Archived\n")
    assert found["Appointment"].operation == "remove"


def test_without_a_column_for_the_state_all_are_booked_where_somebody_said_so() -> None:
    """It is a choice in the settings, not a guess."""
    (found,) = made(
        b"id,patient_number,start_at\n5,1,2026-01-05 10:00\n", ReportsConfig(system="jane", without_state="booked")
    )
    assert found["Appointment"].fields["status"] == "booked"


def test_a_patient_known_by_name_is_one_for_all_reports() -> None:
    """Case and spaces do not matter; the policy refers to the same patient."""
    header = b"Patient,Insurer(s),Policy #,Status,End Date\n"
    first, second = made(header + b"Ava  Moreau,Plan,P1,Open,12/31/2026\nAVA MOREAU,Plan,P2,Closed,\n")
    assert first["Patient"].native_id == second["Patient"].native_id == "name/ava moreau/"
    fields = first["Coverage"].fields
    assert (fields["active"], fields["ends_on"]) == (True, dt.date(2026, 12, 31))
    assert fields["patient"] == Ref("Patient", "name/ava moreau/")
    assert (first["Payer"].fields["name"], second["Coverage"].fields["active"]) == ("Plan", False)


def test_a_sale_is_an_invoice_with_exact_amounts() -> None:
    """Dollar signs, commas and parentheses are read; No Charge says nothing of payment."""
    header = b"Invoice Number,Invoice Date,Patient,Item,Status,Total,Balance\n"
    first, second = made(
        header + b'9-P01,1/5/2026,A B,X,partially_paid,"$1,090.50",(5.00)\n9-P01,1/5/2026,A B,Y,No Charge,0,0\n'
    )
    fields = first["Invoice"].fields
    assert (str(fields["total"]), str(fields["outstanding"]), fields["status"]) == ("1090.50", "-5.00", "partly-paid")
    assert first["Invoice"].native_id != second["Invoice"].native_id
    assert second["Invoice"].fields["status"] is None


def test_a_prompt_patient_has_a_coverage() -> None:
    """Member number and payor become a policy of their own."""
    found = made(as_csv(accounts(CLINIC)), ReportsConfig(system="prompt"))[0]
    assert found["Coverage"].fields["member_id"] == "M1"
    assert found["Patient"].fields["identifiers"] == [{"value": "1", "type": "MR"}]


@pytest.mark.parametrize(
    ("text", "order", "iso"),
    [
        ("2026-01-05 09:00:00 -0400", "mdy", "2026-01-05T09:00:00-04:00"),
        ("2026-01-05T09:00:00Z", "mdy", "2026-01-05T09:00:00Z"),
        ("1/5/2026 9:05 PM", "mdy", "2026-01-05T21:05:00"),
        ("05/01/2026 12:00 am", "dmy", "2026-01-05T00:00:00"),
        ("1/5/2026", "mdy", "2026-01-05"),
        ("46027.375", "mdy", "2026-01-05T09:00:00"),
        ("46027", "mdy", "2026-01-05T00:00:00"),
        ("tomorrow", "mdy", "tomorrow"),
        ("2026-01-05 at nine", "mdy", "2026-01-05 at nine"),
    ],
)
def test_dates_as_people_and_workbooks_write_them(text: str, order: str, iso: str) -> None:
    """What is no date stays as it is, and the converter refuses it."""
    assert moment(text, order) == iso


@pytest.mark.parametrize(
    ("text", "plain"), [("$1,090.50", "1090.50"), ("(5.00)", "-5.00"), ("-5", "-5"), ("5 dollars", "5 dollars")]
)
def test_amounts_as_people_write_them(text: str, plain: str) -> None:
    """What is no amount stays as it is, and the converter refuses it."""
    assert amount(text) == plain


def test_columns_that_no_rule_reads_are_residue() -> None:
    """The column is named, not its value."""
    (item,) = cut(b"id,patient_number,start_at,state,Insurance State\n5,1,2026-01-05,Arrived,submitted\n", JANE)
    assert WITH(item.body, item.context).residue == ("insurance_state",)


@pytest.mark.parametrize("text", ["", "Start At", "@other", "start:day"])
def test_a_place_that_is_no_column_is_a_mistake_of_the_mapping(text: str) -> None:
    """It is refused when the mapping is loaded."""
    with pytest.raises(InvalidConfiguration):
        path(text)


def test_what_is_owed_is_told_with_its_age() -> None:
    """The parts that a report has, youngest first, for a patient and for a payer; an empty part is none."""
    config = ReportsConfig(
        system="jane", columns={"receivables": {"owing": "Total Owing", "aged_0": "Current", "aged_90": "90+"}}
    )
    data = b"Patient Name,Insurer,Total Owing,Current,90+\nAva Rossi,,$90.50,$60.50,$30.00\n,Plan A,$5.00,,5\n"
    first, second = made(data, config)
    fields = first["AccountBalance"].fields
    assert (fields["owing"], fields["patient"]) == (Decimal("90.50"), Ref("Patient", "name/ava rossi/"))
    assert fields["aged"] == [{"days": 0, "amount": Decimal("60.50")}, {"days": 90, "amount": Decimal("30.00")}]
    owed = second["AccountBalance"]
    assert owed.fields["payer"] == Ref("Payer", "Plan A")
    assert owed.fields["aged"] == [{"days": 90, "amount": Decimal("5.00")}]
    assert owed.native_id != first["AccountBalance"].native_id
    assert "Patient" not in second


def test_a_claim_is_told_as_the_system_has_it() -> None:
    """Number, state and charge; it names no transmission, so no acknowledgement is missed. Strange words wait."""
    header = b"Claim Number,Patient Name,Insurer,Status,Billed\n"
    (found,) = made(header + b"C1,Ava Rossi,Plan A,Denied,$120.00\n")
    claim = found["Claim"]
    assert (claim.native_id, claim.fields["status"], claim.fields["charge"]) == ("C1", "denied", Decimal("120.00"))
    assert "transmission" not in claim.fields
    with pytest.raises(InvalidContent) as told:
        made(header + b"C1,Ava Rossi,Plan A,Odd,$120.00\n")
    assert "Odd" not in str(told.value)
