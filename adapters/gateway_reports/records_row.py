"""A row of a report, and what names its record and its patient."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import msgspec
from msgspec import Struct

from gateway.errors import MalformedEnvelope
from gateway.wire.tabular import cells, decoded


class Context(Struct, frozen=True, omit_defaults=True):
    """What all rows of one file share."""

    report: str
    columns: tuple[str, ...]
    delimiter: str = ","
    order: str = "mdy"
    nulls: tuple[str, ...] = ()


class Row(Struct, gc=False):
    """One row of a report."""

    context: Context
    values: dict[str, str]

    @classmethod
    def of(cls, context: Context, fields: Sequence[str]) -> Row:
        """A row by its fields, in the order of the columns."""
        plain = (field.strip() for field in fields)
        return cls(
            context, dict(zip(context.columns, ("" if one in context.nulls else one for one in plain), strict=False))
        )

    @property
    def person(self) -> str:
        """The patient's name and birth date, where no number names them."""
        parts = (self.values.get("patient_first_name", ""), self.values.get("patient_last_name", ""))
        name = self.values.get("patient_name") or " ".join(part for part in parts if part)
        return f"name/{' '.join(name.casefold().split())}/{self.values.get('birth_date', '')}" if name else ""

    @property
    def patient(self) -> str:
        """Whose row it is: the clinic's number of the patient, else name and birth date."""
        return self.values.get("patient_number") or self.person

    @property
    def key(self) -> str:
        """What names the row's record within its report."""
        match self.context.report:
            case "patients":
                return self.patient
            case "sales":
                number = self.values.get("invoice_number", "")
                return f"{number}/{self.values.get('item', '')}" if number else ""
            case "policies":
                number = self.values.get("policy_number", "")
                return f"{self.patient}/{number}/{self.values.get('claim_number', '')}" if number else ""
            case "receivables":
                owes = (self.patient, self.values.get("insurer", ""))
                return f"owing/{owes[0]}/{owes[1]}" if any(owes) else ""
            case "claims":
                return self.values.get("claim_number", "")
        start = self.values.get("start", "")
        return self.values.get("id") or (f"{self.patient}/{start}" if self.patient and start else "")


@lru_cache(maxsize=64)
def context_of(encoded: bytes) -> Context:
    """A context as it was stored; raises ``MalformedEnvelope`` when it is none."""
    try:
        return msgspec.json.decode(encoded, type=Context)
    except msgspec.DecodeError:
        raise MalformedEnvelope("no-context", "The row's report is not known", where="context") from None


def read_row(body: bytes, encoded: bytes) -> Row:
    """A row as it was stored."""
    context = context_of(encoded)
    return Row.of(context, cells(decoded(body), context.delimiter))
