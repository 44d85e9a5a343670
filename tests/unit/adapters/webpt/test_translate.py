"""Rows to records: the vendor's marks mean what they mean, in the clinic's time."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import GatewayError, InvalidConfiguration, InvalidContent
from gateway.model.identity import Ref
from gateway_webpt.records import Origin
from gateway_webpt.records_row import read_row
from gateway_webpt.translate import path
from tests.unit.adapters.webpt.extract import mapping, normalize, patches, read

APPOINTMENT = (
    "appointmnet_id,start_date,end_date,patient_id,appointment_status,check_in_time,check_out_time,reason,time_stamp\n"
)
AT = "07/14/2026 09:30 AM,07/14/2026 10:15 AM,77"


@pytest.mark.parametrize(
    ("marks", "status", "reason"),
    [
        ("Active,,,,", "booked", None), ("Active,07/14/2026 9:25 AM,,,", "arrived", None),
        ("Active,07/14/2026 9:25 AM,07/14/2026 10:20 AM,,", "completed", None),
        ("Inactive,,,Sick,", "cancelled", "illness"),
    ],
)  # fmt: skip
def test_the_status_of_an_appointment(marks, status, reason):
    """Check-in and check-out tell more than active; inactive is cancelled, with its reason where it is there."""
    (patch,) = patches(f"{APPOINTMENT}-12,{AT},{marks}\n")
    assert (patch.native_id, patch.fields["status"], patch.fields.get("cancel_reason")) == ("-12", status, reason)
    assert patch.fields["start"].isoformat() == "2026-07-14T09:30:00-05:00"


def test_flags_tell_removals_and_nothing_else():
    """Added and updated mean the same; removed removes."""
    head = "record_id,authorization_id,auth_number,patient_id,visit_authorized_for,authorization_status,export_flag\n"
    found = patches(f"{head}1,5,A,77,12,A,1\n2,5,B,77,12,I,2\n3,5,C,77,12,A,3\n")
    assert [(one.operation, one.fields.get("status")) for one in found] == [
        ("upsert", "approved"), ("upsert", "expired"), ("remove", None),
    ]  # fmt: skip


def test_a_charge_is_a_record_and_tells_of_its_visit():
    """Each charge stands alone; all of a visit tell the same of it, in the version of the night."""
    head = "record_pointer,cpt,patient_id,visit_id,visit_date,units,charge_amount,cpt_modifier,modified_date\n"
    text = f"{head}5,97110,77,9,07/14/2026,2,90.00,GP,07/15/2026\n6,97140,77,9,07/14/2026,1,42.00,,07/10/2026\n"
    found = patches(text, Origin(night="2026-07-15"))
    charges = [one for one in found if one.type == "ChargeItem"]
    visits = [one for one in found if one.type == "Visit"]
    assert [(one.native_id, str(one.fields["amount"]), one.fields["visit"]) for one in charges] == [
        ("5", "90.00", Ref("Visit", "9")), ("6", "42.00", Ref("Visit", "9")),
    ]  # fmt: skip
    assert [(one.native_id, one.source_version) for one in visits] == [("9", "2026-07-15")] * 2


def test_an_unpaid_transaction_is_no_payment():
    """What is not paid is no money received; a day is its first moment at the clinic."""
    head = "record_id,otc_id,dollar_amount_paid,patient_id,payment_date,txn_paid\n"
    paid, unpaid = patches(f"{head}1,1,25.00,77,7/14/2026,1\n2,1,25.00,77,7/14/2026,0\n")
    assert (paid.operation, unpaid.operation) == ("upsert", "remove")
    assert paid.fields["received_at"].isoformat() == "2026-07-14T00:00:00-05:00"


def test_tables_without_a_mapping_are_told():
    """An unknown table's rows are accounted for as suppressed, and so is the summary of a file."""
    (item,) = read("flowsheet_no,patient_id\n1,77\n")
    assert normalize()(item.body, item.context).suppressed == "unmapped-table"


def test_a_patient_is_read_from_the_columns_that_are_there():
    """Numbers keep their use; an empty field deletes; a column that is not there changes nothing."""
    (patch,) = patches("patient_id,last_name,first_name,dob,cell_phone,email\n77,Doe,Jo,2/3/1980,(512) 555-0101,\n")
    assert patch.fields["contacts"] == [
        {"system": "phone", "use": "mobile", "value": "(512) 555-0101", "e164": "+15125550101"}
    ]  # fmt: skip
    assert str(patch.fields["birth_date"]) == "1980-02-03"
    assert "sex" not in patch.fields


def test_the_patients_of_revflow_are_not_taken_for_others():
    """Until a site says that the ids are the same, a RevFlow patient is one of its own."""
    text = "patient_credit_id,patient_id,amount,deposit_date\n5,77,10.00,2026-07-14\n"
    assert [one.patient for one in patches(text)] == ["revflow/77"]
    assert [one.patient for one in patches(text, revflow_patient_ids_are_emr=True)] == ["77"]


def test_dates_the_other_way_round_are_a_setting():
    """The month comes first unless the settings say otherwise; a date that is none names its column."""
    text = f"{APPOINTMENT}1,03/07/2026 09:30,03/07/2026 10:00,77,Active,,,,\n"
    assert patches(text)[0].fields["start"].month == 3
    assert patches(text, date_order="dmy")[0].fields["start"].month == 7
    with pytest.raises(InvalidContent) as caught:
        patches(f"{APPOINTMENT}1,soon,03/07/2026 10:00,77,Active,,,,\n")
    assert caught.value.where == "start_date:time"
    assert "soon" not in str(caught.value)


def test_an_unread_column_is_residue():
    """What no rule reads is counted by its name."""
    (item,) = read(f"{APPOINTMENT.strip()},shoe_size\n1,{AT},Active,,,,,43\n")
    assert normalize()(item.body, item.context).residue == ("shoe_size",)


def test_a_place_that_is_no_column_is_refused():
    """A mapping with a slip does not load."""
    for wrong in ("Start Date", "@nothing", "start_date:noon"):
        with pytest.raises(InvalidConfiguration):
            path(wrong)


CHARGE = (
    "record_pointer,visit_date,cpt,clinic_id,patient_id,case_id,visit_id,therapist_id,units,charge_amount,note_type,"
    "cpt_modifier,modified_date,note_finalized_date,export_flag\n"
)
WRITTEN = (
    "",
    " ",
    "\t",
    "\u3000",
    "NULL",
    " 7",
    "7 ",
    "97110",
    "gp\x0b",
    "07/14/2026",
    " 2026-07-14",
    "$",
    "(1.50)",
    "x",
)


def made(make: Callable[[], object]) -> object:
    """The patches of a row, or the reason why it has none."""
    try:
        return make()
    except GatewayError as error:
        return str(error)


@settings(deadline=None, database=None, derandomize=True, max_examples=150)
@given(st.lists(st.sampled_from(WRITTEN), min_size=14, max_size=14), st.booleans())
def test_the_fast_reading_is_the_explained_one(cells, nulls):
    """Cells with white space around them, without anything, or that cannot be read: explain tells what was made."""
    text = CHARGE + ",".join(["12", *cells]) + "\n"
    (item,) = read(text, null_words=["NULL"] if nulls else [])
    row = read_row(item.body, item.context)
    explained = made(lambda: mapping().traced().patches("charges", row))
    assert made(lambda: normalize()(item.body, item.context).patches) == explained


def test_a_row_of_another_width_than_its_header_is_refused():
    """A field more or less would stand under another column's name."""
    (item,) = read(f"{APPOINTMENT}1,{AT},Active,,,,\n")
    for body in (item.body + b",", item.body.rpartition(b",")[0]):
        with pytest.raises(InvalidContent) as caught:
            normalize()(body, item.context)
        assert (caught.value.reason, caught.value.where) == ("row-length", "appointments")
