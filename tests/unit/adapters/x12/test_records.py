"""Files to messages: what is cut, what is named, and what becomes a finding."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.wire.x12_835_cut import CLAIM, REMITTANCE
from gateway.wire.x12_cut import cut
from gateway_x12.config import X12Config
from gateway_x12.simulator import Marks, file_835
from tests.unit.adapters.x12.remittances import ADAPTER, ISA, interchange
from tests.unit.adapters.x12.remittances import cut as messages
from tests.unit.wire.feeding import assert_linear, pieces, same_in_any_pieces, truncated

TWO = "CLP*A*1*10*10~NM1*QC*1*DOE*JANE****MI*M1~CLP*B*1*5*5~"


def parse(chunks):
    return cut(chunks, 2048)


def reasons(data: bytes, **settings) -> list[tuple[str, str]]:
    return [(one.reason, one.what) for one in messages(data, config=X12Config(**settings))[1]]


def test_a_claim_is_its_bytes_in_the_file():
    """Bodies are exact, line breaks inside included, and the offset says where they stand."""
    data = file_835(1, 25, transactions=2)
    items, findings = messages(data)
    assert findings == []
    assert all(data.startswith(one.body, one.offset) for one in items if one.kind == CLAIM)
    assert [one.kind for one in items].count(REMITTANCE) == 2


def test_messages_are_named_by_control_numbers_and_never_by_a_patient():
    """ISA13, GS06, ST02 and the ordinal; the order key is the member number, or the claim's without one."""
    items, _ = messages(interchange(TWO, paid="15"))
    assert [one.control_id for one in items] == ["000000101/7/0001/1", "000000101/7/0001/2", "000000101/7/0001"]
    assert [one.order_key for one in items] == ["M1", "B", None]


def test_claims_of_a_transaction_share_one_context():
    """The same object, with the header that normalizing needs; a claim that looks like another gets its ordinal."""
    items, _ = messages(interchange(TWO + "CLP*B*1*5*5~", paid="20"))
    first, second, twin, _ = items
    assert first.context is second.context
    assert first.context.startswith(ISA.encode())
    assert b"TRN*1*TRACE1*" in first.context
    assert b"CLP" not in first.context
    assert twin.context == first.context + b"ORDINAL*3~"


def test_a_remittance_message_holds_totals():
    """Header, provider adjustments and trailer as they stand, and what the claims add up to."""
    items, _ = messages(interchange(TWO + "PLB*N*20261231*WO*1~", paid="14"))
    assert items[-1].body.startswith(b"ST*835*0001~BPR*I*14*")
    assert items[-1].body.endswith(b"PLB*N*20261231*WO*1~SE*12*0001~")
    assert items[-1].context.endswith(b"TOTALS*2*15.00*15.00*0.00*0*0*0~")


def test_provider_summaries_belong_to_the_remittance():
    """TS2 and TS3 between claims are kept with the remittance; LX only counts."""
    items, _ = messages(interchange("CLP*A*1*1*1~LX*2~TS3*N*11*20261231*1*1~CLP*B*1*1*1~", paid="2"))
    assert [one.body for one in items[:2]] == [b"CLP*A*1*1*1~", b"CLP*B*1*1*1~"]
    assert b"TS3*N*11*" in items[2].body


def test_other_transaction_sets_are_found_and_left_out():
    """One finding for each, and the 835 in the same file is read."""
    other = b"ST*820*0009~BHT*1~SE*3*0009~"
    data = interchange(TWO, paid="15").replace(b"ST*835*", other + b"ST*835*").replace(b"GE*1", b"GE*2")
    assert reasons(data) == [("unsupported-transaction", "this transaction set is not read; it is left out")]
    assert len(messages(data)[0]) == 3


def test_segments_outside_a_transaction_are_one_finding():
    """However many follow each other."""
    data = interchange(TWO, paid="15").replace(b"GE*1*7", b"CLP*X*1*1*1~CAS*CO*1*1~GE*1*7")
    assert reasons(data) == [("stray-segments", "segments outside any transaction")]


def test_a_file_cut_off_keeps_whole_claims_only():
    """The claim and the transaction that the file ends in are evidence, never messages."""
    data = interchange(TWO, paid="15")
    items, findings = messages(data[: data.index(b"SE*") + 3])
    assert [one.control_id for one in items] == ["000000101/7/0001/1"]
    assert [one.reason for one in findings] == ["truncated"] * 3 + ["missing-trailer"] * 3
    assert [one.body for one in findings[:2]] == [b"SE*", b"CLP*B*1*5*5~"]
    assert findings[2].body.startswith(b"ST*835*")


def test_a_transaction_without_trailer_is_read():
    """GE says that no claim follows: the remittance is whole, the missing SE is a finding."""
    data = interchange(TWO, paid="15")
    start = data.index(b"SE*")
    items, findings = messages(data[:start] + data[data.index(b"GE*") :])
    assert [one.kind for one in items] == [CLAIM, CLAIM, REMITTANCE]
    assert [one.reason for one in findings] == ["missing-trailer"]


def test_a_claim_too_long_is_left_out_and_counted():
    """It costs nothing but itself, and the totals still hold its payment."""
    long = "CLP*A*1*10*10~" + "REF*EA*1~" * 200 + "CLP*B*1*5*5~"
    items, findings = messages(interchange(long, paid="15"), config=X12Config(max_claim_bytes=1024))
    assert [(one.reason, one.where.split(",")[0]) for one in findings] == [("limit-exceeded", "segment 10")]
    assert [one.control_id for one in items] == ["000000101/7/0001/2", "000000101/7/0001"]
    assert b"TOTALS*2*15.00*" in items[1].context


def test_a_claim_with_an_unreadable_segment_is_left_out():
    """Half a claim is not posted."""
    body = f"CLP*A*1*10*10~NTE*{'x' * 70_000}~CLP*B*1*5*5~"
    items, findings = messages(interchange(body, paid="15"))
    assert [one.reason for one in findings] == ["limit-exceeded", "truncated"]
    assert [one.kind for one in items] == [CLAIM, REMITTANCE]


def test_a_broken_interchange_does_not_stop_the_next():
    """Hostile delimiters are refused with the reason, and the file goes on at the next header."""
    data = interchange(TWO, paid="15")
    broken = data.replace(b"*T*:~", b"*T*A~")
    assert reasons(broken + data) == [("hostile-delimiter", "the component separator could also be data")]
    assert len(messages(broken + data)[0]) == 3


@pytest.mark.parametrize(("head", "verdict"), [
    (interchange(TWO), True), (b"\xef\xbb\xbf\n" + interchange(TWO), True), (b"junk " + interchange(TWO), True),
    (interchange(TWO).replace(b"GS*HP", b"GS*PO"), False), (ISA.encode(), True), (b"ISA*00*broken", True),
    (interchange(TWO).replace(b"GS*HP", b"GS*HC"), True), (b"ISAAC", False), (b"MSH|^~\\&|", False),
    (b"", False), (b"{}", False),
])  # fmt: skip
def test_files_are_recognised_by_their_bytes(head, verdict):
    """X12 of a kind that is read or that does not say what it is; not an order and nothing else."""
    assert ADAPTER.recognize(head) is verdict


def test_cutting_does_not_depend_on_the_pieces():
    """Whole, byte by byte, trailing and truncated: the same messages and findings."""
    data = file_835(3, 4, transactions=2)
    same_in_any_pieces(parse, data)
    same_in_any_pieces(parse, data + b"\n" + data[:700])
    for _, got in truncated(parse, data, step=97):
        assert got.error is None


SEGMENTS = [*interchange(TWO + "PLB*N*1*WO*1~").split(b"~"), b"ST*277*1", b"\n", b"CAS*CO*1*x"]


@given(st.lists(st.sampled_from(SEGMENTS), max_size=25))
@settings(deadline=None)
def test_segments_in_any_order_make_no_exception(shuffled):
    """Whatever stands where, the file is read to its end and every message can be traced to its bytes."""
    data = ISA.encode() + b"~".join(shuffled) + b"~"
    read = same_in_any_pieces(parse, data, sizes=(1, 50))
    assert read.error is None


@pytest.mark.parametrize("unit", [b"CLP*A*1*1*1~", b"ST*835*1~", b"HL*1**22~", b"PLB*1*2*WO*1~", b"CAS*C*1*1~", b"~"])
def test_time_is_linear_in_hostile_shapes(unit):
    """Twice the bytes take at most 2.3 times as long, whatever is repeated."""
    start = interchange("CLP*A*1*1*1~").partition(b"SE*")[0]
    assert_linear(
        lambda data: sum(1 for _ in cut(pieces(data, 65536), 4096)), lambda size: start + unit * (size // len(unit)),
        smallest=512 * 1024,
    )  # fmt: skip


PROGRAM = """
import re, sys
from pathlib import Path
from gateway.wire.x12_cut import cut
from gateway_x12.simulator import file_835
data = file_835(1, 1000)
first, last = data.index(b"CLP*"), max(data.rfind(b"PLB*"), data.rfind(b"SE*"))
last = data.index(b"PLB*") if b"PLB*" in data else data.index(b"SE*")
def chunks(times):
    yield data[:first]
    for _ in range(times):
        yield data[first:last]
    yield data[last:]
count = sum(1 for _ in cut(chunks(int(sys.argv[1])), 1 << 20))
status = Path("/proc/self/status").read_text()
print(count, int(re.search(r"VmHWM:\\s+(\\d+)", status)[1]))
"""


def peak(thousands: int) -> int:
    """Most kilobytes that cutting so many claims of one transaction took."""
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(thousands)], capture_output=True, text=True, check=True)
    count, kilobytes = map(int, done.stdout.split())
    assert count >= thousands * 1000
    return kilobytes


def test_memory_does_not_grow_with_the_file():
    """Eighty thousand claims more take 25 bytes more for each at most: a million stay under 200 MB."""
    few, many = peak(20), peak(100)
    assert few < 100_000
    assert many - few < 2_000


def test_marks_of_the_file_carry_into_our_own_segments():
    """Totals and ordinals are written in the interchange's delimiters."""
    data = file_835(1, 3, marks=Marks(element="|", segment="\n", line=""))
    items, findings = messages(data)
    assert findings == []
    assert b"TOTALS|3|" in items[-1].context
