"""A payer: makes 835 files for a physical therapy clinic, all invented, that balance at every level.

Seeded, so the same arguments give the same bytes. Among the claims are paid, reduced and denied ones, reversals each
followed by the corrected claim, and provider adjustments at the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import count
from random import Random

from msgspec import Struct

from gateway.testing.simulated_folder import SimulatedFolder

_FAMILY = ("ASHBYE", "BRANDLEY", "CORWICK", "DELMARE", "ELLERTON", "FENWAY", "GARLAND", "HOLLOWAY", "IVERSEN")
_GIVEN = ("ADA", "BASIL", "CLEO", "DORA", "EMIL", "FAYE", "GUS", "HATTIE", "IDA", "JONAS", "KIT", "LENA")
_CODES = (("97110", 4500), ("97112", 4800), ("97140", 4200), ("97530", 5500), ("97116", 4000), ("97161", 13000))
"""Therapy procedure codes with a charge per unit in cents."""
_DENIALS = (("197", "N54"), ("50", "N115"), ("29", "N211"), ("16", "M127"))
"""Reasons with a remark: no authorization, not necessary, too late, information lacking."""
_PAYER, _TAX, _NPI = "HARBOR MUTUAL HEALTH", "1351840590", "1234567893"


class Marks(Struct, frozen=True):
    """The delimiters of a file, and the cosmetic line break after each segment."""

    element: str = "*"
    component: str = ":"
    repetition: str = "^"
    segment: str = "~"
    line: str = "\n"


class _Line(Struct, frozen=True):
    """One service line, amounts in cents; ``adjustments`` are (group, reason, cents)."""

    code: str
    units: int
    charge: int
    adjustments: tuple[tuple[str, str, int], ...]
    remark: str = ""

    @property
    def paid(self) -> int:
        return self.charge - sum(cents for _, _, cents in self.adjustments)


def file_835(
    seed: int,
    claims: int,
    *,
    control: int = 1,
    day: date = date(2026, 7, 14),
    transactions: int = 1,
    marks: Marks | None = None,
    sender: str = "HARBOR01",
) -> bytes:
    """One interchange with ``transactions`` remittances that have ``claims`` claims in all, two for each reversal."""
    marks = marks or Marks()
    payer = _Payer(Random(seed), day, marks)  # noqa: S311 - invented data, the same for the same seed
    isa = (
        "ISA", "00", " " * 10, "00", " " * 10, "ZZ", f"{sender:15.15}", "ZZ", f"{'EXAMPLEPT':15}", f"{day:%y%m%d}",
        "0930", marks.repetition, "00501", f"{control:09d}", "0", "T", marks.component,
    )  # fmt: skip
    made = [isa, ("GS", "HP", sender, "EXAMPLEPT", f"{day:%Y%m%d}", "0930", str(control), "X", "005010X221A1")]
    for number in range(1, transactions + 1):
        share = claims // transactions + (number <= claims % transactions)
        body = list(payer.transaction(control, number, share))
        made += [("ST", "835", f"{number:04d}"), *body, ("SE", str(len(body) + 2), f"{number:04d}")]
    made += [("GE", str(transactions), str(control)), ("IEA", "1", f"{control:09d}")]
    end = marks.segment + marks.line
    return "".join(marks.element.join(segment) + end for segment in made).encode()


class _Payer:
    """Adjudicates invented claims."""

    def __init__(self, random: Random, day: date, marks: Marks) -> None:
        self._random = random
        self._day = day
        self._marks = marks

    def transaction(self, control: int, number: int, claims: int) -> Iterator[tuple[str, ...]]:
        """The segments between ST and SE."""
        loops: list[tuple[str, ...]] = []
        paid, ordinal = 0, 0
        while ordinal < claims:
            several = claims - ordinal >= 2 and self._random.random() < 0.08
            made = list(self._reversal(control, ordinal) if several else self._claim(control, ordinal))
            ordinal += 2 if several else 1
            loops += made
            paid += sum(_cents(segment[4]) for segment in made if segment[0] == "CLP")
        provider = self._provider_adjustments()
        total = paid - sum(cents for _, cents in provider)
        yield from self._header(control, number, total)
        yield ("LX", "1")
        yield from loops
        if provider:
            pairs = [part for code, cents in provider for part in (code, _money(cents))]
            yield ("PLB", _NPI, f"{self._day.year}1231", *pairs)

    def _header(self, control: int, number: int, total: int) -> Iterator[tuple[str, ...]]:
        day = f"{self._day:%Y%m%d}"
        bank = ("01", "071000013", "DA", "1234567890", _TAX, "", "01", "042000314", "DA", "9876543210")
        yield ("BPR", "I", _money(total), "C", "ACH", "CCP", *bank, day)
        yield ("TRN", "1", f"EFT{control:09d}{number:04d}", _TAX)
        yield ("DTM", "405", day)
        yield ("N1", "PR", _PAYER)
        yield ("N3", "1 HARBOR WAY")
        yield ("N4", "DAYTON", "OH", "454020001")
        yield ("PER", "BL", "EDI SUPPORT", "TE", "8005550101")
        yield ("N1", "PE", "EXAMPLE PHYSICAL THERAPY LLC", "XX", _NPI)
        yield ("REF", "TJ", "371234567")

    def _provider_adjustments(self) -> list[tuple[str, int]]:
        colon = self._marks.component
        possible = [(f"WO{colon}OVERPAID{self._random.randrange(1000)}", 2500), (f"L6{colon}INTEREST", -1050)]
        return [one for one in possible if self._random.random() < 0.5]

    def _claim(self, control: int, ordinal: int) -> Iterator[tuple[str, ...]]:
        who = self._who(control, ordinal)
        lines = [self._line(self._random.choices(("paid", "reduced", "denied"), (70, 20, 10))[0]) for _ in range(3)]
        yield from self._loop(who, lines, suffix="")

    def _reversal(self, control: int, ordinal: int) -> Iterator[tuple[str, ...]]:
        """An earlier payment taken back, and the claim paid anew: both have the same CLP01."""
        who, line = self._who(control, ordinal), self._line("reduced")
        taken = tuple((group, reason, -cents) for group, reason, cents in line.adjustments)
        yield from self._loop(who, [_Line(line.code, -line.units, -line.charge, taken)], suffix="", status="22")
        again = self._line("paid")
        yield from self._loop(who, [again], suffix="A")

    def _who(self, control: int, ordinal: int) -> tuple[str, str, str, str]:
        member = f"HM{self._random.randrange(10**8):08d}"
        return f"PT{control:05d}{ordinal:07d}", self._random.choice(_FAMILY), self._random.choice(_GIVEN), member

    def _line(self, outcome: str) -> _Line:
        random = self._random
        code, price = random.choice(_CODES)
        units = random.randrange(1, 4)
        charge = price * units
        if outcome == "denied":
            reason, remark = random.choice(_DENIALS)
            return _Line(code, units, charge, (("CO", reason, charge),), remark)
        contract = charge * random.randrange(30, 45) // 100
        coinsurance = (charge - contract) * 20 // 100
        adjustments = [("CO", "45", contract), ("PR", "2", coinsurance)]
        if outcome == "reduced":
            adjustments += [("PR", "1", (charge - contract - coinsurance) // 3), ("CO", "59", random.randrange(1, 300))]
        return _Line(code, units, charge, tuple(adjustments))

    def _loop(
        self, who: tuple[str, str, str, str], lines: list[_Line], *, suffix: str, status: str = ""
    ) -> Iterator[tuple[str, ...]]:
        number, family, given, member = who
        charge, paid = sum(line.charge for line in lines), sum(line.paid for line in lines)
        patient = sum(cents for line in lines for group, _, cents in line.adjustments if group == "PR")
        status = status or ("1" if paid else "4")
        amounts = _money(charge), _money(paid), _money(patient)
        service = f"{self._day - timedelta(days=self._random.randrange(10, 40)):%Y%m%d}"
        yield ("CLP", number, status, *amounts, "12", f"HMC{number}{suffix}", "11", "7" if suffix else "1")
        yield ("NM1", "QC", "1", family, given, "", "", "", "MI", member)
        yield ("NM1", "82", "1", "THERAPIST", "TINA", "", "", "", "XX", "1987654328")
        yield ("DTM", "232", service)
        yield ("DTM", "233", service)
        for at, line in enumerate(lines, 1):
            procedure = self._marks.component.join(("HC", line.code, "GP"))
            yield ("SVC", procedure, _money(line.charge), _money(line.paid), "", str(line.units))
            yield ("DTM", "472", service)
            yield from _adjustments(line)
            yield ("REF", "6R", f"{number}{suffix}{at}")
            if line.remark:
                yield ("LQ", "HE", line.remark)


def _adjustments(line: _Line) -> Iterator[tuple[str, ...]]:
    """One CAS for each group, all its reasons in one segment."""
    for group in dict.fromkeys(group for group, _, _ in line.adjustments):
        parts = [(reason, _money(cents), "") for one, reason, cents in line.adjustments if one == group]
        yield ("CAS", group, *[part for triplet in parts for part in triplet][:-1])


def _money(cents: int) -> str:
    """An amount as payers write it: no trailing zeros, no point without places."""
    text = f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02d}"
    return text.rstrip("0").rstrip(".")


def _cents(text: str) -> int:
    whole, _, places = text.lstrip("-").partition(".")
    cents = int(whole) * 100 + int(f"{places:0<2}")
    return -cents if text.startswith("-") else cents


def files(seed: int, claims: int) -> Iterator[tuple[str, bytes]]:
    """835 files without end."""
    for number in count(1):
        yield f"remittance-{number:05d}.835", file_835(seed + number, claims, control=number)


SIMULATORS = (
    SimulatedFolder("x12", "A payer that leaves 835 files in a folder.", files, settings={"patterns": "*.835"}),
)
