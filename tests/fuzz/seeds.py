"""Sound inputs that are no golden messages, and the keys of the senders that sign theirs."""

from __future__ import annotations

import atexit
import base64
import tempfile
from functools import cache
from pathlib import Path

import msgspec

from gateway.http.cursor import feed_cursor, place_token
from gateway.http.tokens import issue
from gateway.testing.synthetic_clinic import synthetic_clinic
from gateway.vault import Vault
from gateway_jane.transport_tokens import Kept, TokenFile, Webhook
from gateway_reports.simulator import REPORTS, as_csv, as_workbook
from gateway_spry.simulator_rows import appointment_row, authorization_row, case_row, patient_row
from tests.unit.adapters.hl7.profiles import HEAD, INSURED, PID, PROFILE, SCH
from tests.unit.adapters.x12.test_translate_benefit import SUBSCRIBER, whole
from tests.unit.vault.opened import Opened

_CLINIC = synthetic_clinic(seed=3, patients=3, visits=4)
_ENDS = ("ISA*00*          *00*          *ZZ*PLAN           *ZZ*CLINIC         *260714*0930*^*00501*000000602*0*T*:~"
         "GS*{0}*P*C*20260714*0930*602*X*{1}~ST*{2}*0001*{1}~{3}SE*{4}*0001~GE*1*602~IEA*1*000000602~")  # fmt: skip
_LEVELS = "HL*1**20*1~NM1*PR*2*PLAN*****PI*P1~HL*2*1*21*1~NM1*41*2*CLINIC*****46*C1~"


def _x12(group: str, version: str, set: str, body: str) -> bytes:
    return _ENDS.format(group, version, set, body, body.count("~") + 2).encode()


ELIGIBILITY = whole(SUBSCRIBER + "EB*C*IND*30**23*500~EB*1**PT~")
X12 = (
    ELIGIBILITY,
    _x12("FA", "005010X231A1", "999", "AK1*HC*202*005010X222A1~AK2*837*0001~IK3*NM1*21*2310*8~IK5*R*5~AK9*R*1*1*0~"),
    _x12("HN", "005010X214", "277", f"BHT*0085*08*B1*20260714*0930*TH~{_LEVELS}TRN*2*BATCH1~"
         "STC*A1:19:PR*20260714*WQ*250~"),
    _x12("HI", "005010X217", "278", "BHT*0007*11*Q1*20260714*0930~HL*1**20*1~NM1*X3*2*PLAN*****PI*P1~HL*2*1*21*1~"
         "NM1*1P*2*CLINIC*****XX*1234567893~HL*3*2*22*1~NM1*IL*1*DOE*JANE****MI*M1~HL*4*3*EV*0~TRN*2*T1*9CLINIC~"
         "UM*HS*I*PT~HCR*A1*AUTH1~HSD*VS*12~"),
    _x12("HC", "005010X222A1", "837", "BHT*0019*00*1*20260714*0930*CH~"
         "NM1*41*2*CLINIC*****46*C1~NM1*40*2*PLAN*****46*P1~"
         "HL*1**20*1~NM1*85*2*CLINIC*****XX*1234567893~HL*2*1*22*0~SBR*P*18*******CI~NM1*IL*1*DOE*JANE****MI*M1~"
         "NM1*PR*2*PLAN*****PI*P1~CLM*PCN1*250***11:B:1*Y*A*Y*Y~HI*ABK:M25562~LX*1~SV1*HC:97110:GP*250*UN*2***1~"),
)  # fmt: skip
"""An eligibility answer, an acknowledgement, a claim acknowledgement, a decided review and a claim."""

REPORT, WORKBOOK = (write(REPORTS["Appointments"](_CLINIC)) for write in (as_csv, as_workbook))
CALENDAR = (Path(__file__).parents[2] / "adapters/gateway_jane/golden/feed.ics").read_bytes()
TABLE = b'Patient Name,Date,Amount\r\n"Roe, Jane",2026-07-15,"1,234.50"\r\nDoe,07/16/2026,"two\r\nlines"\r\n'
HL7 = (
    (
        b"MSH|^~\\&|EMR|PT|HUB|G|20260714093000||ADT^A08^ADT_A01|M1|P|2.5.1|||||USA|UNICODE UTF-8\r"
        b"EVN|A08|20260714\rPID|1||M1^^^PT^MR~S1^^^SSA^SS||ROE^JANE^Q||19800101|F|||1 MAIN ST^^TOWN^TX^75001||"
        b"(555)555-0100\rPV1|1|O|R1^^^PT||||1234567893^LEE^ANN\rOBX|1|TX|N||a\\.br\\b\\X41\\c\r"
    ),
)
AGREED = f"{PROFILE}\0MSG\0{HEAD}{SCH}{PID}{INSURED}".encode()
MLLP = (b"\x0bMSH|^~\\&|A\r\x1c\r\x0bMSH|^~\\&|B\r\x1c\r", b"\x0b" + b"x" * 4090 + b"\x1c\r\x0by\x1c\r")
TEXT = (
    b"MessageSid=SM1&SmsSid=SM1&AccountSid=AC0&From=%2B15555550100&To=%2B15555550199&Body=Yes+please",
    b"CallSid=CA1&AccountSid=AC0&From=%2B1&To=%2B15555550100&CallStatus=completed&Digits=1",
)
JANE = (b'{"event_id":"e-1","event_topic":"APPOINTMENT_CANCELLED","appointment_id":"44","version":1}',)
SPRY = tuple(
    msgspec.json.encode({"event_id": "e1", "event_type": type, "data": data})
    for type, data in (
        ("appointment.cancelled", {"appointment_id": "5", "clinic_id": "1", "spry_case_id": "S1", "patient_id": "7"}),
        ("patient.updated", {"patient_id": 7}),
    )
)


_PERSON = _CLINIC.patients[0]
SPRY_ANSWERS = tuple(
    msgspec.json.encode({"code": 2000, "data": data})
    for data in (
        {"total": 1, "pages": 1, "content": [appointment_row(_CLINIC.visits[0], {
            one.key: patient_row(one) for one in _CLINIC.patients})]},
        case_row(_PERSON), [authorization_row(_PERSON)],
    )
)  # fmt: skip


def short(file: bytes, most: int = 5000) -> bytes:
    """As many whole lines of a file as a small input holds; one document stays whole."""
    return file if len(file) <= most else file[: file.rindex(b"\n", 0, most) + 1]


def based(data: bytes) -> str:
    """As tokens write bytes."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@cache
def folder() -> Path:
    """A folder for as long as the process lives."""
    made = tempfile.TemporaryDirectory()
    atexit.register(made.cleanup)
    return Path(made.name)


@cache
def vault() -> Vault:
    """A real vault."""
    opened = Opened(folder())
    atexit.register(opened.keystore.close)
    return opened.vault


def jane_tokens(secret: str) -> Path:
    """The consent of a clinic whose webhooks are signed with this secret."""
    path = folder() / "jane-tokens.json"
    TokenFile(path).write(Kept(refresh_token="none", webhooks=(Webhook("APPOINTMENT_CANCELLED", "1", secret),)))
    return path


@cache
def issued() -> tuple[str, ...]:
    """A token, a cursor and a place in a list that were given out here."""
    return (
        issue(vault(), "clinic", "client", ("feed",), 0), feed_cursor(vault(), "clinic", {0: 300}),
        place_token(vault(), "clinic", "list", ["1", 2]),
    )  # fmt: skip
