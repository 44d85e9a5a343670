"""Payers, bank and books: claims are answered, paid by one remittance and one deposit, and booked."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from msgspec import Struct

from gateway.testing.simulated_folder import leave
from gateway_bank.simulator import Deposit, bai2
from gateway_clearinghouse.simulator import ClearinghouseSimulator
from gateway_demo.config import BANK_FOLDER, DROP, MEMORY
from gateway_demo.simulator_clinic import DIRECTORY_SIZE, PATIENTS
from gateway_quickbooks.simulator import Company

DAYS_AGO = 2
"""The remittance is dated so long ago that its day is closed in the books."""
NEVER = 86_400.0


class Paid(Struct, kw_only=True):
    """What the payer says it paid, and the bank says came."""

    trace: str = ""
    amount: Decimal = Decimal(0)


def clearinghouse(folder: Path) -> ClearinghouseSimulator:
    """One whose remittances this module times itself."""
    return ClearinghouseSimulator(folder, seed=4, remit_after=NEVER)


async def play_payers(folder: Path, house: ClearinghouseSimulator, company: Company) -> Paid:
    """Wait for every claim, pay them, tell the bank, and wait for the journals of both."""
    while len(house.payer.claims) < PATIENTS:  # noqa: ASYNC110 - the simulator sends no event
        await asyncio.sleep(0.1)
    at = datetime.now(UTC) - timedelta(days=DAYS_AGO)
    remittance = house.payer.remit(at) or b""
    segments = [one.split("*") for one in remittance.decode("ascii").replace("\n", "").split("~")]
    told = {one[0]: one for one in reversed(segments)}
    paid = Paid(trace=told["TRN"][2], amount=Decimal(told["BPR"][2]))
    leave(folder / DROP / "remittance.835", remittance)
    leave(folder / BANK_FOLDER / "day.bai2", bai2(at.date(), [Deposit(paid.amount, paid.trace)]))
    while {"remittance", "deposit"} - kinds(company, paid.trace):  # noqa: ASYNC110 - as above
        await asyncio.sleep(0.1)
    return paid


def kinds(company: Company, trace: str) -> set[str]:
    """What is booked of one trace number."""
    notes = (str(one["PrivateNote"]) for one in company.entries.values())
    return {note.removesuffix(trace).strip() for note in notes if note.endswith(trace)}


async def directory_known(folder: Path) -> None:
    """Wait until the route to the clearinghouse knows payer, clinic and therapists."""
    path = folder / MEMORY
    while not path.exists() or path.read_bytes().count(b'"record":') < DIRECTORY_SIZE:  # noqa: ASYNC110 - as above
        await asyncio.sleep(0.1)
