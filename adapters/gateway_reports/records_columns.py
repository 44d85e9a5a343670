"""The reports and their columns under our own names, and which headers of each system are known to stand for them.

Only headers that were seen in the system's own guides or in code that reads its files are built in. A column's own name
is always a header of it.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct


class Report(Struct, frozen=True):
    """One kind of report."""

    columns: tuple[str, ...]
    needs: tuple[tuple[str, ...], ...]
    """Of each group one column must be there."""


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


AGED: dict[str, int] = {f"aged_{days}": days for days in (0, 30, 60, 90, 120)}
"""Columns of what is owed for so many days or more, up to the next."""
_WHO = (("patient_number", "patient_name", "patient_last_name"),)
REPORTS: dict[str, Report] = {
    "appointments": Report(
        _words(
            "id patient_number patient_first_name patient_last_name patient_name birth_date start end state type"
            " practitioner location cancelled_at cancel_reason first_visit"
        ),
        (("start",), *_WHO),
    ),
    "patients": Report(
        _words(
            "patient_number first_name middle_name last_name preferred_name patient_name birth_date sex email"
            " mobile_phone home_phone work_phone street city region postal_code insurer member_number"
        ),
        (("patient_number",), ("last_name", "patient_name", "member_number")),
    ),
    "sales": Report(
        _words(
            "invoice_number patient_number patient_name issued_on purchased_on item practitioner payer status subtotal"
            " tax total collected balance"
        ),
        (("invoice_number",), ("patient_number", "patient_name"), ("total", "balance", "collected")),
    ),
    "policies": Report(
        _words(
            "patient_number patient_name insurer plan_name claim_number policy_number status end_date adjuster"
            " adjuster_email adjuster_phone treatments maximum next_appointment notes"
        ),
        (("patient_number", "patient_name"), ("policy_number",), ("insurer",)),
    ),
    "receivables": Report(
        _words(f"patient_number patient_name birth_date insurer as_of owing {' '.join(AGED)}"),
        (("patient_number", "patient_name", "insurer"), ("owing",)),
    ),
    "claims": Report(
        _words(
            "claim_number patient_number patient_name birth_date insurer payer_claim_number service_on status billed"
            " paid balance"
        ),
        (("claim_number",), ("patient_number", "patient_name"), ("billed", "balance"), ("status",)),
    ),
}
Headers = Mapping[str, Mapping[str, tuple[str, ...]]]
SYSTEMS: dict[str, Headers] = {
    "jane": {
        "appointments": {
            "start": ("start_at",), "end": ("end_at",), "type": ("treatment_name",),
            "practitioner": ("staff_member_name",),
        },
        "patients": {"insurer": ("Insurance Company Name",)},
        "sales": {"issued_on": ("Invoice Date",), "purchased_on": ("Purchase Date",), "tax": ("Taxes",),
                  "patient_name": ("Patient",)},
        "policies": {
            "patient_name": ("Patient",), "insurer": ("Insurer(s)", "Insurer"), "plan_name": ("Name",),
            "claim_number": ("Claim #",), "policy_number": ("Policy #",), "treatments": ("Number of Treatments",),
            "maximum": ("Policy Maximum",),
        },
    },
    "prompt": {
        "patients": {
            "patient_number": ("Prompt Account #",), "member_number": ("Member ID#",), "insurer": ("Payor Name",),
        },
    },
    "raintree": {},
    "clinicient": {},
}  # fmt: skip
