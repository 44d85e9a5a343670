"""How the simulated payer decides claims, and the 835 it tells it with: balanced to the cent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from random import Random

from msgspec import Struct

from gateway.wire.x12_write import Body, day, number

_CENT = Decimal("0.01")
_ZERO = Decimal("0.00")
_DENIALS = (("197", "M62"), ("50", "N115"), ("16", "M51"), ("119", ""), ("29", ""))
_TAX = "1999999999"


class Decided(Struct, frozen=True):
    """One line of a claim after the payer saw it."""

    procedure: tuple[str, ...]
    charge: Decimal
    units: str
    control: str
    adjustments: tuple[tuple[str, str, Decimal], ...]
    remark: str = ""

    @property
    def paid(self) -> Decimal:
        """Charge less adjustments."""
        return self.charge - sum((amount for _, _, amount in self.adjustments), _ZERO)


class Adjudicated(Struct, frozen=True):
    """A claim after the payer saw it."""

    control: str
    payer_number: str
    name: tuple[str, ...]
    treated: date
    lines: tuple[Decided, ...]

    @property
    def charge(self) -> Decimal:
        """Of all lines."""
        return sum((line.charge for line in self.lines), _ZERO)

    @property
    def paid(self) -> Decimal:
        """Of all lines."""
        return sum((line.paid for line in self.lines), _ZERO)

    @property
    def left(self) -> Decimal:
        """What the patient owes."""
        return sum((amount for line in self.lines for group, _, amount in line.adjustments if group == "PR"), _ZERO)


def adjudicate(body: list[list[str]], random: Random) -> Adjudicated:
    """Decide the first claim of an 837P: most lines are paid, some are reduced, some denied."""
    names = {one[1]: one for one in reversed(body) if one[0] == "NM1"}  # other payers' people come later
    claim = next(one for one in body if one[0] == "CLM")
    patient, member = names.get("QC", names["IL"]), names["IL"][9]
    starts = [place for place, one in enumerate(body) if one[0] == "LX"]
    lines = tuple(_line(body[start:end], random) for start, end in zip(starts, [*starts[1:], len(body)], strict=True))
    treated = next(one[3] for one in body if one[:2] == ["DTP", "472"])
    return Adjudicated(
        claim[1], f"HMC{random.randrange(10**8):08d}", (*patient[3:5], "", "", "", "MI", member),
        date(int(treated[:4]), int(treated[4:6]), int(treated[6:8])), lines,
    )  # fmt: skip


def _line(loop: list[list[str]], random: Random) -> Decided:
    service = next(one for one in loop if one[0] == "SV1")
    control = next((one[2] for one in loop if one[:2] == ["REF", "6R"]), "")
    charge = Decimal(service[2]).quantize(_CENT)
    outcome = random.choices(("paid", "reduced", "denied"), (70, 18, 12))[0]
    remark = ""
    if outcome == "denied":
        reason, remark = random.choice(_DENIALS)
        adjustments: tuple[tuple[str, str, Decimal], ...] = (("CO", reason, charge),)
    else:
        contract = _part(charge, random.randrange(25, 45))
        share = _part(charge - contract, 20)
        adjustments = (("CO", "45", contract), ("PR", "2", share))
        if outcome == "reduced":
            adjustments += (("PR", "1", _part(charge - contract - share, 30)),)
    return Decided(tuple(service[1].split(":")), charge, service[4], control, adjustments, remark)


def _part(amount: Decimal, percent: int) -> Decimal:
    return (amount * percent / 100).quantize(_CENT, ROUND_HALF_UP)


def remittance(now: Sequence[Adjudicated], again: Sequence[Adjudicated], on: date, trace: str) -> tuple[Body, ...]:
    """The body of one 835; ``again`` are earlier claims that are reversed and then paid one percent less."""
    loops: list[Body] = []
    total = _ZERO
    for claim in again:
        corrected = _corrected(claim)
        loops += [*_loop(_reversed(claim), "22"), *_loop(corrected, "1", "7")]
        total += corrected.paid - claim.paid
    for claim in now:
        loops += _loop(claim, "1" if claim.paid else "4")
        total += claim.paid
    recovered = -total if total < 0 else _ZERO  # a payment is never negative: the rest is owed to the next one
    header = _header(max(total, _ZERO), on, trace)
    plb: list[Body] = [("PLB", "1234567893", f"{on.year}1231", ("FB", trace), number(-recovered))] if recovered else []
    return (*header, ("LX", "1"), *loops, *plb)


def _header(total: Decimal, on: date, trace: str) -> Iterator[Body]:
    when = day(on)
    bank = ("01", "071000013", "DA", "1234567890", _TAX, "", "01", "042000314", "DA", "9876543210")
    method = ("ACH", "CCP", *bank, when) if total else ("NON", *[""] * 11, when)
    yield ("BPR", "I" if total else "H", number(total), "C", *method)
    yield ("TRN", "1", trace, _TAX)
    yield ("DTM", "405", when)
    yield ("N1", "PR", "SAMPLE HEALTH PLAN")
    yield ("N3", "100 PAYER WAY")
    yield ("N4", "HARTFORD", "CT", "061030000")
    yield ("PER", "BL", "EDI SUPPORT", "TE", "8005550100")
    yield ("N1", "PE", "EXAMPLE PHYSICAL THERAPY LLC", "XX", "1234567893")
    yield ("REF", "TJ", "123456789")


def _loop(claim: Adjudicated, status: str, frequency: str = "1") -> Iterator[Body]:
    amounts = number(claim.charge), number(claim.paid), number(claim.left)
    yield ("CLP", claim.control, status, *amounts, "12", claim.payer_number, "11", frequency)
    yield ("NM1", "QC", "1", *claim.name)
    for line in claim.lines:
        yield ("SVC", line.procedure, number(line.charge), number(line.paid), "", line.units)
        yield ("DTM", "472", day(claim.treated))
        for group in dict.fromkeys(group for group, _, _ in line.adjustments):
            parts = [
                p for one, reason, amount in line.adjustments if one == group for p in (reason, number(amount), "")
            ]
            yield ("CAS", group, *parts[:-1])
        if line.control:
            yield ("REF", "6R", line.control)
        if line.remark:
            yield ("LQ", "HE", line.remark)


def _reversed(claim: Adjudicated) -> Adjudicated:
    lines = tuple(
        Decided(
            line.procedure, -line.charge, f"-{line.units}", line.control,
            tuple((group, reason, -amount) for group, reason, amount in line.adjustments),
        )
        for line in claim.lines
    )  # fmt: skip
    return Adjudicated(claim.control, claim.payer_number, claim.name, claim.treated, lines)


def _corrected(claim: Adjudicated) -> Adjudicated:
    lines = tuple(
        Decided(
            line.procedure, line.charge, line.units, line.control,
            (*line.adjustments, ("CO", "59", _part(line.paid, 10))) if line.paid else line.adjustments, line.remark,
        )
        for line in claim.lines
    )  # fmt: skip
    return Adjudicated(claim.control, f"{claim.payer_number}A", claim.name, claim.treated, lines)
