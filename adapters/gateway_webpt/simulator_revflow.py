"""RevFlow, the billing half of the extract: charges, what payers paid and adjusted, and money that is not posted yet.

Its tables count on their own: other charge ids, and account numbers in place of the EMR's patients. Columns are those
of the published lists, of which two are known to be cut off.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal

Row = dict[str, str]
CHARGES, PAYMENTS, CREDITS = "billing_charges_revflow", "payment_adjustments_revflow", "patient_credit_revflow"
PAID_AFTER = timedelta(days=7)
"""From a visit until its payer pays."""
POSTED_AFTER = timedelta(days=9)
"""From the day a credit came in until it is posted to a charge and no credit any more."""
_PART, _CENT = Decimal("0.80"), Decimal("0.01")
_OVERRIDE = 10
"""One charge in so many comes with a row that is no procedure."""
_CREDIT = 4
"""One visit in so many leaves a credit."""


class Billing:
    """The accounts of a company. ``tables`` holds every row that is there, by its key."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[str, Row]] = {CHARGES: {}, PAYMENTS: {}, CREDITS: {}}
        self._told: dict[str, dict[str, Row]] = {name: {} for name in self.tables}
        self._number = 70_000

    def visit(self, today: date, visit: str, patient: str, code: str, amount: str) -> None:
        """A visit is billed; one in some leaves a credit, and one in more a row that is no procedure."""
        number = self._charge(today, visit, patient, code, amount)
        if number % _OVERRIDE == 0:
            self._charge(today, visit, patient, "INSOVER", "0.00")
        if number % _CREDIT == 0:
            key = str(number)
            self._tell(CREDITS, key, {
                "record_id": key, "patient_credit_id": key, "patient_id": patient, "deposit_date": f"{today}",
                "amount": "30.00", "original_amount": "30.00", "created_date": f"{today}", "export_flag": "1",
                "time_stamp": f"{today} 20:00:00", "company_id": "1",
            })  # fmt: skip

    def live(self, today: date) -> None:
        """Payers pay what is a week old, and older credits are posted."""
        for key, charge in list(self.tables[CHARGES].items()):
            due = date.fromisoformat(charge["charge_date"]) + PAID_AFTER == today
            if due and charge["cpt_code"] != "INSOVER":
                self._pay(today, key, charge)
        for key, credit in list(self.tables[CREDITS].items()):
            if date.fromisoformat(credit["deposit_date"]) + POSTED_AFTER == today:
                self._tell(CREDITS, key, credit | {"export_flag": "3", "time_stamp": f"{today} 20:00:00"})
                del self.tables[CREDITS][key]

    def night(self) -> Iterator[tuple[str, list[Row]]]:
        """Each table with the rows that are news since the last night."""
        for name, rows in self._told.items():
            yield name, list(rows.values())
            rows.clear()

    def _charge(self, today: date, visit: str, patient: str, code: str, amount: str) -> int:
        self._number += 1
        key = str(self._number)
        self._tell(CHARGES, key, {
            "record_id": key, "patient_account_number": f"RF-{patient}", "date_of_service": f"{today}",
            "charge_date": f"{today}", "charge_id": key, "update_date": f"{today}", "cpt_code": code, "mod1": "GP",
            "units": "1", "cur_ins_code": "1", "charge_amount": amount, "company_id": "1", "visit_id": visit,
            "webpt_treating_therapist_id": "3", "total_pay_amt": "0.00", "total_adj_amt": "0.00",
            "cur_balance": amount,
        })  # fmt: skip
        return self._number

    def _pay(self, today: date, key: str, charge: Row) -> None:
        amount = Decimal(charge["charge_amount"])
        paid = (amount * _PART).quantize(_CENT)
        self._tell(PAYMENTS, key, {
            "record_id": key, "payment_adjustment_id": key, "charge_id": key, "updated_date": f"{today}",
            "date_of_service": charge["date_of_service"], "cpt_code": charge["cpt_code"], "payment_amount": f"{paid}",
            "deposit_date": f"{today}", "post_date": f"{today}", "adjustment_amount": "0.00", "export_flag": "1",
            "company_id": "1", "eob_key": f"E{key}", "patient_responsible_amount": f"{amount - paid}",
        })  # fmt: skip
        left = {"total_ins_pay_amt": f"{paid}", "total_pay_amt": f"{paid}", "cur_balance": f"{amount - paid}"}
        self._tell(CHARGES, key, charge | left | {"update_date": f"{today}"})

    def _tell(self, name: str, key: str, row: Row) -> None:
        self.tables[name][key] = self._told[name][key] = row
