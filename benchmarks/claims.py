"""The 837P that everyone is measured on: therapy claims of two to four lines, seeded, all of it invented."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from benchmarks.corpus import SEED, SERVICES, joined, money

_FAMILY, _GIVEN = ("ASHBYE", "CORWICK", "FENWAY", "GARLAND"), ("ADA", "EMIL", "GUS", "HATTIE")
_DIAGNOSES = ("M5450", "M25511", "M542", "M25561", "R262", "Z96651")


def submitted(claims: int, seed: int = SEED) -> Iterator[bytes]:
    """An 837P of one clinic, one subscriber for each claim, in pieces of a thousand claims."""
    drawn = [_claim(Random(f"{seed}/837/{number}")) for number in range(min(claims, 1000))]
    yield joined(
        f"ISA*00*{'':10}*00*{'':10}*ZZ*{'EXAMPLEPT':15}*ZZ*{'HARBOR01':15}*260714*0930*^*00501*000000001*0*T*:",
        "GS*HC*EXAMPLEPT*HARBOR01*20260714*0930*1*X*005010X222A1", "ST*837*0001*005010X222A1",
        "BHT*0019*00*B1*20260714*0930*CH", "NM1*41*2*EXAMPLE PHYSICAL THERAPY LLC*****46*EXAMPLEPT",
        "PER*IC*BILLING*TE*5555550100", "NM1*40*2*HARBOR MUTUAL HEALTH*****46*HARBOR01", "HL*1**20*1",
        "PRV*BI*PXC*261QP2000X", "NM1*85*2*EXAMPLE PHYSICAL THERAPY LLC*****XX*1234567893", "N3*1 CLINIC ST",
        "N4*SPRINGFIELD*IL*627010001", "REF*EI*123456789",
    )  # fmt: skip
    for first in range(0, claims, len(drawn)):
        part = drawn[: claims - first]
        yield b"".join(text.replace(b"#######", b"%07d" % (first + at + 2)) for at, (text, _) in enumerate(part))
    rounds, rest = divmod(claims, len(drawn))
    segments = rounds * sum(count for _, count in drawn) + sum(count for _, count in drawn[:rest])
    yield joined(f"SE*{segments + 12}*0001", "GE*1*1", "IEA*1*000000001")


def _claim(draw: Random) -> tuple[bytes, int]:
    """The segments of one subscriber and claim with ``#######`` where its number goes, and how many these are."""
    lines = [(*draw.choice(SERVICES)[:2], draw.randrange(1, 4)) for _ in range(draw.randrange(2, 5))]
    total = sum(price * units for _, price, units in lines)
    codes = draw.sample(_DIAGNOSES, 2)
    authorization = (f"REF*G1*AUTH{draw.randrange(10**6):06d}",) if draw.random() < 0.5 else ()
    segments = (
        "HL*#######*1*22*0", "SBR*P*18*GRP100******CI",
        f"NM1*IL*1*{draw.choice(_FAMILY)}*{draw.choice(_GIVEN)}****MI*HM1#######", "N3*9 TEST RD",
        "N4*SPRINGFIELD*IL*627020002", f"DMG*D8*19{draw.randrange(40, 99)}0{draw.randrange(1, 10)}15*F",
        "NM1*PR*2*HARBOR MUTUAL HEALTH*****PI*HMH01", f"CLM*PT1#######*{money(total)}***11:B:1*Y*A*Y*Y",
        "DTP*431*D8*20260615", *authorization, f"HI*ABK:{codes[0]}*ABF:{codes[1]}",
        "NM1*82*1*THERAPIST*TINA****XX*1987654328", "PRV*PE*PXC*225100000X",
        *(one for number, line in enumerate(lines, 1) for one in _line(number, *line)),
    )  # fmt: skip
    return joined(*segments), len(segments)


def _line(number: int, code: str, price: int, units: int) -> tuple[str, ...]:
    return (
        f"LX*{number}", f"SV1*HC:{code}:GP*{money(price * units)}*UN*{units}***1:2", "DTP*472*D8*20260701",
        f"REF*6R*#######{number}",
    )  # fmt: skip
