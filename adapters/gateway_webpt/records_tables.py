"""The tables: what identifies each, its key, its version and whose rows they are.

Columns of the first seven are documented; for the others only keys are, and alternatives stand for names that sites
use. A table is recognized by its columns: all that it needs must be there, and the one that needs most wins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from gateway.wire.tabular import Heading, heading


class Table(Struct, frozen=True, kw_only=True):
    """One table of the extract, or one report."""

    needs: tuple[str, ...]
    key: tuple[str, ...] = ()
    """Columns whose first that holds something names a row; none: the row's own digest does."""
    version: tuple[str, ...] = ()
    """Columns of which the first that holds something tells how new a row is."""
    patient: str = "patient_id"
    alternatives: Mapping[str, Sequence[str]] = {}
    confirmed: tuple[str, ...] = ()
    """Further columns that are published: what of them is missing is told. None: the table's columns are not known."""
    revflow: bool = False
    personal: bool = False
    """Its key is a patient's id, which must not become a control id."""


def _columns(text: str) -> tuple[str, ...]:
    return tuple(text.split())


TABLES: dict[str, Table] = {
    "appointments": Table(
        needs=("appointment_id", "start_date", "end_date", "patient_id"),
        key=("appointment_id",),
        version=("time_stamp",),
        alternatives={"appointment_id": ("appointmnet_id",)},
        confirmed=_columns(
            "parent_appointment_id check_in_time check_out_time calendar_title clinic_id therapist_id appointment_type"
            " case_id appointment_status appointment_creator_id apt_apttype visit_comment reason time_stamp"
        ),
    ),
    "authorizations": Table(
        needs=("record_id", "authorization_id", "auth_number", "patient_id"),
        key=("record_id",),
        version=("modified_date",),
        confirmed=_columns(
            "case_id auth_start_date auth_end_date visit_authorized_for notes authorization_status clinic_id"
            " modified_date ins_name policy_number group_number payer_type export_flag"
        ),
    ),
    "charges": Table(
        needs=("record_pointer", "cpt", "patient_id", "visit_id"),
        key=("record_pointer",),
        version=("modified_date",),
        confirmed=_columns(
            "record_id visit_date clinic_id case_id therapist_id cosign_therapist_id insurance_id insurance_type_id"
            " units charge_amount cpt_code_id client_id note_type cpt_prefix cpt_suffix cpt_modifier modified_date"
            " note_finalized_date"
        ),
        alternatives={"primary_ins": ("primaryins",)},
    ),
    "transactions": Table(
        needs=("record_id", "otc_id", "dollar_amount_paid", "patient_id"),
        key=("record_id",),
        version=("modified_date",),
        confirmed=_columns(
            "case_id visit_date payment_date description clinic_id txn_paid txn_status modified_date export_flag"
        ),
    ),
    "billing_charges_revflow": Table(
        needs=("charge_id", "patient_account_number", "cpt_code", "charge_amount"),
        key=("charge_id",),
        version=("update_date",),
        patient="patient_account_number",
        confirmed=_columns(
            "record_id date_of_service charge_date update_date mod1 mod2 units cur_ins_code cur_insurance_code"
            " cur_insurance_class gpms_code company_id visit_id place_of_service_id treating_therapist_id"
            " webpt_treating_therapist_id billing_therapist_id webpt_billing_therapist_id md_code total_ins_pay_amt"
            " total_pat_adj_amt cur_balance owed_amt total_pay_amt total_adj_amt age_start_date total_ins_adj_amt"
        ),
        revflow=True,
    ),
    "payment_adjustments_revflow": Table(
        needs=("payment_adjustment_id", "charge_id", "payment_amount", "adjustment_amount"),
        key=("payment_adjustment_id",),
        version=("updated_date",),
        patient="",
        confirmed=_columns(
            "record_id date_of_service updated_date cpt_code payment_code deposit_date post_date adjustment_code"
            " gpms_code export_flag company_id payment_type patient_credit_id eob_key adj_qual adj_code payment_code_id"
            " patient_responsible_amount place_of_service_id payment_desc payment_code_code created_by from_payer_id"
            " from_payer_name from_payer_desc xfer_amt"
        ),
        revflow=True,
    ),
    "patient_credit_revflow": Table(
        needs=("patient_credit_id", "patient_id", "amount", "deposit_date"),
        key=("patient_credit_id",),
        version=("time_stamp",),
        confirmed=_columns(
            "record_id from_ins_code payer_name original_amount payment_type created_date company_id payment_code_id"
            " place_of_service_id place_of_service_name provider_id provider_first provider_last webpt_therapist_id"
            " charge_id time_stamp created_by patient_credit_type money_type status adjustment_code_id from_payer_id"
            " from_payer_name from_payer_desc ins_class_desc payment_desc payment_code_code export_flag"
        ),
        revflow=True,
    ),
    "patients": Table(
        needs=("patient_id", "last_name", "first_name"),
        key=("patient_id",),
        version=("modified_date",),
        alternatives={
            "last_name": ("patient_last_name", "lname"),
            "first_name": ("patient_first_name", "fname"),
            "birth_date": ("date_of_birth", "dob", "patient_dob"),
            "sex": ("gender",),
            "email": ("email_address",),
            "cell_phone": ("mobile_phone", "cell", "mobile"),
            "home_phone": ("phone", "phone_home"),
            "work_phone": ("phone_work",),
            "address1": ("address", "street", "address_1"),
            "address2": ("address_2",),
            "zip": ("zip_code", "postal_code"),
        },
        personal=True,
    ),
    "cases": Table(
        needs=("case_id", "patient_id", "case_status"),
        key=("case_id",),
        version=("modified_date",),
        alternatives={"case_status": ("status",), "closed_date": ("case_closed_date", "close_date")},
    ),
    "visits": Table(
        needs=("visit_id", "patient_id", "case_id", "visit_date"),
        key=("visit_id",),
        version=("modified_date",),
        alternatives={"visit_date": ("date_of_service",), "note_finalized_date": ("finalized_date",)},
    ),
    "clinics": Table(
        needs=("clinic_id", "clinic_name"), key=("clinic_id",), patient="", alternatives={"clinic_name": ("name",)}
    ),
    "therapists": Table(
        needs=("therapist_id", "last_name"),
        key=("therapist_id",),
        patient="",
        alternatives={"last_name": ("therapist_last_name",), "first_name": ("therapist_first_name",)},
    ),
    "patient_insurance": Table(
        needs=("patient_identity_id", "patient_id"),
        key=("patient_identity_id",),
        version=("modified_date",),
        alternatives={"policy_number": ("member_id", "policy_id"), "ins_name": ("insurance_name", "payer_name")},
    ),
    "documented_units": Table(
        needs=("visit_id", "patient_name", "patient_dob", "date_of_service", "cpt_code", "units"),
        patient="",
        confirmed=_columns("clinic_name case_name date_of_finalization documenting_therapist modifier"),
    ),
    "patient_payments": Table(
        needs=("date_of_transaction", "amount_paid", "patient_name", "charge_type"),
        patient="",
        confirmed=_columns("date_of_service case_therapist collected_by case_name"),
    ),
}
OTHER = Table(needs=())
"""A table that nothing here knows: its rows are kept, and an overlay may map them."""
KEYS = frozenset(
    _columns("patient_id case_id visit_id clinic_id company_id therapist_id patient_identity_id insurance_type_id")
)
"""One of these in a header shows that a table is of this system."""


def declared(name: str) -> dict[str, Sequence[str]]:
    """The columns of a table, with the other names of each."""
    table = TABLES.get(name, OTHER)
    names = dict.fromkeys((*table.needs, *table.confirmed, *table.alternatives), ())
    return {**names, **table.alternatives}


def recognized(header: Sequence[str], named: str = "") -> tuple[str, Heading] | None:
    """The table a header belongs to, with its columns; a name that was set wins; None when it is of no table."""
    if named:
        return named, heading(header, declared(named))
    best: tuple[str, Heading] | None = None
    for name, table in TABLES.items():
        found = heading(header, declared(name))
        if found.found.issuperset(table.needs) and (best is None or len(table.needs) > len(TABLES[best[0]].needs)):
            best = name, found
    if best is not None:
        return best
    plain = heading(header, {})
    return ("other", plain) if KEYS.intersection(plain.names) else None


def likeliest(header: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """The table of which a header has at least half of what identifies it, and what lacks; nothing when of none."""
    lacks: dict[str, tuple[str, ...]] = {}
    for name, table in TABLES.items():
        found = heading(header, declared(name)).found
        missing = tuple(column for column in table.needs if column not in found)
        if 2 * len(missing) <= len(table.needs):
            lacks[name] = missing
    best = min(
        lacks, key=lambda name: (len(lacks[name]) / len(TABLES[name].needs), -len(TABLES[name].needs)), default=""
    )
    return best, lacks.get(best, ())
