"""A bank's files about deposits that a test or a demo names: BAI2, and ACH with CCD+ addenda."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal
from itertools import count
from random import Random

from msgspec import Struct

from gateway.testing.simulated_folder import SimulatedFolder


class Deposit(Struct, frozen=True):
    """Money that came in from a payer."""

    amount: Decimal
    trace: str
    originating: str = "1999999999"


def bai2(day: date, deposits: Sequence[Deposit], account: str = "000111222333") -> bytes:
    """One group with one account; every second text is continued on a record of its own."""
    cents = [int(one.amount * 100) for one in deposits]
    lines = [
        f"01,BANK,CLINIC,{day:%y%m%d},0600,1,,,2/", f"02,CLINIC,BANK,1,{day:%y%m%d},0600,USD,2/",
        f"03,{account},USD,010,,,/",
    ]  # fmt: skip
    for number, (one, amount) in enumerate(zip(deposits, cents, strict=True)):
        trace = f"TRN*1*{one.trace}*{one.originating}\\"
        if number % 2:
            lines += [f"16,165,{amount},Z,REF{number:05d},,HCCLAIMPMT/", f"88,{trace}"]
        else:
            lines.append(f"16,165,{amount},Z,REF{number:05d},,HCCLAIMPMT {trace}")
    records = len(lines) - 2 + 1
    total = sum(cents)
    lines += [f"49,{total},{records}/", f"98,{total},1,{records + 2}/", f"99,{total},1,{records + 4}/"]
    return "\n".join(lines).encode() + b"\n"


def ach(day: date, deposits: Sequence[Deposit]) -> bytes:
    """One CCD batch with an addenda record for each entry."""
    lines = [f"101 071000013 042000314{day:%y%m%d}0600A094101{'CLINIC BANK':23}{'PAYER BANK':23}{'':8}"]
    lines.append(f"5200{'SAMPLE HEALTH':16}{'':20}1999999999CCDHCCLAIMPMT{day:%y%m%d}{day:%y%m%d}   1042000310000001")
    for number, one in enumerate(deposits, 1):
        head = f"62204200031400011122233{'':6}"
        lines.append(f"{head[:29]:29}{int(one.amount * 100):010d}{'CLINIC':15}{'EXAMPLE PT':22}  1{number:015d}")
        trace = f"TRN*1*{one.trace}*{one.originating}\\"
        lines.append(f"705{trace:80}0001{number:07d}")
    total = sum(int(one.amount * 100) for one in deposits)
    count = 2 * len(deposits)
    lines.append(f"8200{count:06d}{0:010d}{0:012d}{total:012d}1999999999{'':25}042000310000001")
    lines.append(f"9000001000001{count:08d}{0:010d}{0:012d}{total:012d}{'':39}")
    return "\n".join(lines).encode() + b"\n"


def files(seed: int, deposits: int) -> Iterator[tuple[str, bytes]]:
    """BAI2 and ACH files by turns, a day apart."""
    random = Random(seed)  # noqa: S311 - invented money, the same for the same seed
    for number in count(1):
        day = date(2026, 3, 1) + timedelta(days=number)
        sums = [Decimal(random.randrange(100, 500_000)) / 100 for _ in range(deposits)]
        made = [Deposit(amount, f"EFT{number:06d}{at:04d}") for at, amount in enumerate(sums)]
        write, ending = (bai2, "bai") if number % 2 else (ach, "ach")
        yield f"day-{number:05d}.{ending}", write(day, made)


SIMULATORS = (SimulatedFolder("bank", "A bank that leaves BAI2 and ACH files in a folder.", files),)
