"""Settings of the reactor ``accounting``: what each amount is in the books."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gateway.model.ledger_entry import AccountRole
from gateway.settings import Part, Zone


class AccountingConfig(Part):
    """``[reactors.config]`` of a reactor ``accounting``."""

    zone: Zone = Field(description="IANA time zone in which days of business begin and end.")
    basis: Literal["accrual", "cash"] = Field(
        default="accrual", description="accrual books charges and adjustments; cash books money alone, as revenue."
    )
    close_after_hours: float = Field(
        default=12.0, ge=0, le=240, description="Hours after the end of a day at which its journals are made."
    )
    deposits: bool = Field(
        default=False,
        description="Whether remittances wait on the clearing account until the bank shows them, which is a journal.",
    )
    adjustments: dict[str, AccountRole] = Field(
        default_factory=dict,
        description='Accounts of claim adjustments by group and reason, "CO-253" = "fees", or by group alone.',
    )
    provider_adjustments: dict[str, AccountRole] = Field(
        default_factory=dict, description="Accounts of provider adjustments (PLB) that differ from the usual ones."
    )
    charge_sources: tuple[str, ...] = Field(
        default=(), description="Only charges of these sources; of all when empty. Name one where two tell the same."
    )
    payees: dict[str, str] = Field(
        default_factory=dict, description="Record id of the clinic by payee number (NPI) of its remittances."
    )
    released: tuple[str, ...] = Field(
        default=(), description="Trace numbers of held remittances to book as they are; differences go to clearing."
    )
