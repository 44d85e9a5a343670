"""The corpus that everyone is measured on: HL7 schedules and an 835 of any size, seeded, all of it invented.

Messages are as long as those of a real practice system: about 2.3 KB and 15 segments for an appointment, three or
four service lines for a claim. The people and visits are those of the synthetic clinic.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

from gateway.testing.synthetic_clinic import SyntheticClinic, SyntheticPerson, SyntheticVisit, synthetic_clinic
from gateway.wire.hl7 import escape

SEED = 20260714
_OID = "2.16.840.1.113883.19.5"
"""HL7's own arc for examples."""
_NOTES = (
    "Patient reports pain 6 of 10 after stairs and long sitting", "Bring imaging from the referring provider",
    "Call to confirm the day before, prefers text", "Wears a knee brace, allow extra time",
    "Authorization pending, twelve visits requested", "Telehealth is fine when the weather is bad",
)  # fmt: skip
_DIAGNOSES = (
    ("M54.50", "Low back pain, unspecified"), ("M25.511", "Pain in right shoulder"), ("M54.2", "Cervicalgia"),
    ("M25.561", "Pain in right knee"), ("R26.2", "Difficulty in walking"), ("Z96.651", "Presence of right knee joint"),
)  # fmt: skip
_FAMILY, _GIVEN = ("ASHBYE", "CORWICK", "FENWAY", "GARLAND"), ("ADA", "EMIL", "GUS", "HATTIE")
SERVICES = (
    ("97110", 4500, "Therapeutic exercise"), ("97112", 4800, "Neuromuscular reeducation"),
    ("97140", 4200, "Manual therapy"), ("97530", 5500, "Therapeutic activities"), ("97116", 4000, "Gait training"),
    ("97161", 13000, "Evaluation, low complexity"),
)  # fmt: skip
"""Procedure, charge of a unit in cents, what it is."""
_STATUS = {
    "booked": ("S12", "Booked"), "arrived": ("S14", "Booked"), "cancelled": ("S15", "Cancelled"),
    "no-show": ("S26", "Noshow"),
}  # fmt: skip


def schedule(count: int, seed: int = SEED) -> list[bytes]:
    """``count`` SIU messages of one clinic; the same arguments give the same bytes."""
    clinic = synthetic_clinic(seed, places=3, therapists=24, patients=max(20, count // 4), visits=count)
    draw = Random(seed)
    begin = min(visit.booked_at for visit in clinic.visits)
    return [
        _appointment(clinic, visit, draw, begin + timedelta(seconds=7 * number)).encode()
        for number, visit in enumerate(clinic.visits)
    ]


def _appointment(clinic: SyntheticClinic, visit: SyntheticVisit, draw: Random, now: datetime) -> str:
    patient, therapist = clinic.patients[visit.patient - 1], clinic.therapists[visit.therapist - 1]
    event, status = _STATUS[visit.outcome]
    start, minutes = f"{visit.start:%Y%m%d%H%M%S}", int((visit.end - visit.start).total_seconds()) // 60
    place, room = f"SITE{visit.place}", draw.randrange(1, 9)
    code, _, service = draw.choice(SERVICES)
    (first, first_text), (second, second_text) = draw.sample(_DIAGNOSES, 2)
    who, sender = _provider(therapist, "PT"), _provider(draw.choice(clinic.therapists), "MD")
    duration = f"{start}|0|min^minutes^ISO+|{minutes}|min^minutes^ISO+"
    clerk = f"{draw.randrange(1000, 9999)}^FRONT^DESK"
    stamp = f"{now:%Y%m%d%H%M%S%z}"
    segments = (
        (f"MSH|^~\\&|PRACTICE|{place}|GATEWAY|HUB|{stamp}||SIU^{event}^SIU_S12|{visit.key:014d}|P|2.5.1|||AL|NE|USA"
        "|UNICODE UTF-8"),
        (f"SCH|{200_000 + visit.key}^PRACTICE|{900_000 + visit.key}^HUB||||{event}^{status}^L"
        f"|FOLLOWUP^A follow up visit^HL70276|Normal^Routine schedule request type^HL70277|{minutes}|min^minutes^ISO+"
        f"|^^{minutes}^{start}^{visit.end:%Y%m%d%H%M%S}|||||{clerk}|^WPN^PH^^1^202^5550111|||{clerk}"
        f"|||||{status}^{status}^HL70278"),
        f"NTE|1|P|{draw.choice(_NOTES)}", f"NTE|2|P|{draw.choice(_NOTES)}", _pid(patient), f"PD1||||{sender}",
        (f"PV1|1|O|{place}^GYM^{room}^CLINIC||||{who}|{sender}||PHT|||||||{who}|OP|V{visit.key:09d}^^^PRACTICE&{_OID}"
        f"&ISO^VN|{'|' * 24}{start}"),
        f"PV2|||{first}^{first_text}^I10|||||{start}{'|' * 13}|N",
        f"DG1|1||{first}^{first_text}^I10||{stamp}|W", f"DG1|2||{second}^{second_text}^I10||{stamp}|W", "RGS|1|A",
        f"AIS|1|A|{code}^{service}^C4|{duration}|NO|{status}^{status}^HL70278", f"NTE|1|P|{draw.choice(_NOTES)}",
        f"AIL|1|A|{place}^GYM^{room}^CLINIC|C^Clinic^L||{duration}",
        f"AIP|1|A|{who}|PT^Physical therapist^L||{duration}|NO|{status}^{status}^HL70278",
    )  # fmt: skip
    return "\r".join(segments) + "\r"


def _provider(person: SyntheticPerson, degree: str) -> str:
    return f"19{person.key:08d}^{escape(person.family)}^{escape(person.given)}^^^^{degree}^^NPI&{_OID}.6&ISO^L^^^NPI"


def _pid(person: SyntheticPerson) -> str:
    area, local = person.phone[1:4], person.phone[6:].replace("-", "")
    address = f"{escape(person.street)}^^{escape(person.city)}^{person.state}^{person.postal_code}^USA^H"
    return (
        f"PID|1||{1_000_000 + person.key}^^^PRACTICE&{_OID}&ISO^MR~XB{person.key:08d}^^^HARBOR^MB||"
        f"{escape(person.family)}^{escape(person.given)}^^^^^L||{person.birth_date:%Y%m%d}|{person.sex[0].upper()}"
        f"||2106-3^White^HL70005|{address}||^PRN^CP^^1^{area}^{local}~^NET^Internet^{person.email}||en^English^ISO639"
        f"|M||A{person.key:08d}^^^PRACTICE&{_OID}&ISO^AN||||2186-5^Not Hispanic^HL70189"
    )


def remittance(claims: int, seed: int = SEED) -> Iterator[bytes]:
    """An 835 of one transaction that balances at every level, in pieces of a thousand claims.

    A thousand different claims are drawn once and come again and again under new numbers, so that a file of any size
    is written in bounded memory and its total is known before its first claim.
    """
    drawn = [_claim(Random(f"{seed}/{number}")) for number in range(min(claims, 1000))]
    rounds, rest = divmod(claims, len(drawn))
    total = rounds * sum(paid for _, paid, _ in drawn) + sum(paid for _, paid, _ in drawn[:rest])
    head = (
        f"ISA*00*{'':10}*00*{'':10}*ZZ*{'HARBOR01':15}*ZZ*{'EXAMPLEPT':15}*260714*0930*^*00501*000000001*0*T*:",
        "GS*HP*HARBOR01*EXAMPLEPT*20260714*0930*1*X*005010X221A1", "ST*835*0001",
        f"BPR*I*{money(total)}*C*ACH*CCP*01*071000013*DA*1234567890*1351840590**01*042000314*DA*9876543210*20260716",
        "TRN*1*EFT0000000010001*1351840590", "DTM*405*20260714", "N1*PR*HARBOR MUTUAL HEALTH", "N3*1 HARBOR WAY",
        "N4*DAYTON*OH*454020001", "PER*BL*EDI SUPPORT*TE*8005550101",
        "N1*PE*EXAMPLE PHYSICAL THERAPY LLC*XX*1234567893", "REF*TJ*371234567", "LX*1",
    )  # fmt: skip
    yield joined(*head)
    for round_number in range(rounds + (rest > 0)):
        part = drawn if round_number < rounds else drawn[:rest]
        first = round_number * len(drawn)
        yield b"".join(text.replace(b"#######", b"%07d" % (first + number)) for number, (text, _, _) in enumerate(part))
    segments = rounds * sum(count for _, _, count in drawn) + sum(count for _, _, count in drawn[:rest])
    yield joined(f"SE*{segments + len(head) - 2 + 1}*0001", "GE*1*1", "IEA*1*000000001")


def write_remittance(path: Path, claims: int) -> None:
    """The same as a file."""
    with path.open("wb") as out:
        for piece in remittance(claims):
            out.write(piece)


def _claim(draw: Random) -> tuple[bytes, int, int]:
    """The segments of one claim with ``#######`` where its number goes, what it pays in cents, how many segments."""
    denied = draw.random() < 0.1
    lines = [_line(draw, number, denied) for number in range(1, draw.choice((3, 4)) + 1)]
    charge, paid, patient = (sum(line[at] for line in lines) for at in (1, 2, 3))
    reference = (f"REF*G1*AUTH{draw.randrange(10**6):06d}",) if draw.random() < 0.25 else ()
    amount = () if denied else (f"AMT*AU*{money(charge)}",)
    segments = (
        f"CLP*PT1#######*{4 if denied else 1}*{money(charge)}*{money(paid)}*{money(patient)}*12*HMC1#######*11*1",
        f"NM1*QC*1*{draw.choice(_FAMILY)}*{draw.choice(_GIVEN)}*K***MI*HM1#######",
        "NM1*82*1*THERAPIST*TINA****XX*1987654328", "REF*EA*R1#######", *reference, "DTM*232*20260620",
        "DTM*233*20260620", "DTM*050*20260701", *amount, *(segment for line in lines for segment in line[0]),
    )  # fmt: skip
    return joined(*segments), paid, len(segments)


def _line(draw: Random, number: int, denied: bool) -> tuple[tuple[str, ...], int, int, int]:
    """The segments of a service line, its charge, what is paid and what the patient owes, in cents."""
    code, price, _ = draw.choice(SERVICES)
    units = draw.randrange(1, 4)
    charge = price * units
    if denied:
        reason, remark = draw.choice((("197", "N54"), ("50", "N115"), ("29", "N211"), ("16", "M127")))
        adjusted, paid, patient, last = (f"CAS*CO*{reason}*{money(charge)}",), 0, 0, (f"LQ*HE*{remark}",)
    else:
        contract = charge * 38 // 100
        reduced = draw.randrange(100, 300) if draw.random() < 0.15 else 0
        deductible = (charge - contract) * 3 // 10 if draw.random() < 0.33 else 0
        coinsurance = (charge - contract - deductible) // 5
        patient = deductible + coinsurance
        paid = charge - contract - reduced - patient
        owed = f"*1*{money(deductible)}*" if deductible else ""
        adjusted = (
            f"CAS*CO*45*{money(contract)}" + (f"**59*{money(reduced)}" if reduced else ""),
            f"CAS*PR{owed}*2*{money(coinsurance)}",
        )
        last = (f"AMT*B6*{money(charge - contract)}",)
    segments = (
        f"SVC*HC:{code}:GP*{money(charge)}*{money(paid)}**{units}", "DTM*472*20260620", *adjusted,
        f"REF*6R*#######{number}", *last,
    )  # fmt: skip
    return segments, charge, paid, patient


def joined(*segments: str) -> bytes:
    """Segments with their terminators."""
    return "".join(f"{segment}~" for segment in segments).encode()


def money(cents: int) -> str:
    """An amount as payers write it: no trailing zeros, no point without places."""
    return f"{cents // 100}.{cents % 100:02d}".rstrip("0").rstrip(".")
