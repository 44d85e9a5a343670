"""The other edges: archives, file names, formulas, log lines, headers and bodies."""

from __future__ import annotations

import csv
import io
import json
import socket
import zipfile
from pathlib import Path

import pytest
import structlog

from gateway import logs
from gateway.cli.printing import _cell
from gateway.errors import GatewayError, LimitExceeded
from gateway.model.exchange import Delivery, Dispatch
from gateway.transport.row_files import compose
from gateway.wire.tabular import plain
from gateway.wire.xlsx import rows
from tests.logged import log_by_itself
from tests.measuring import least
from tests.security.conftest import Admin
from tests.waiting import PATIENCE

SIGNS = (
    *("=", "+", "-", "@", "\t=", "\r=", "\n=", "\x00=", " ="),
    *("\uff1d", "\uff0b", "\uff0d", "\uff20", "\ufeff=", "\u200b=", "\x0b="),
)
CALLS = ("1+1", "cmd|' /C calc'!A0", 'HYPERLINK("http://x","y")', "SUM(A1:A9)", 'DDE("c","x")', "@SUM(1)", "cmd|c")


def bomb(**how: int) -> bytes:
    """An archive that says it is a workbook and unpacks to much more than it is."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for number in range(how.get("parts", 1)):
            archive.writestr(f"xl/part{number}.xml", b"\0" * how.get("size", 1))
    return packed.getvalue()


@pytest.mark.parametrize(
    "data",
    [bomb(size=60 * 2**20), bomb(parts=3000), bomb(size=3 * 2**20, parts=20), b"PK\x03\x04" + b"\0" * 100, b"PK", b""],
    ids=["ratio", "entries", "sum", "torn", "stub", "nothing"],
)
def test_an_archive_that_swells_is_refused_at_once(data: bytes) -> None:
    """Ratio, number and sum are judged from the directory; nothing is unpacked for it, in less than a second."""

    def refused() -> None:
        with pytest.raises(GatewayError):
            list(rows(data))

    assert least(refused, enough=0.9, turns=5) < 1


def test_a_directory_that_lies_is_refused() -> None:
    """A part that says it is small and is not does not get to be unpacked whole."""
    packed = bytearray(bomb(size=8 * 2**20))
    directory = packed.rindex(b"PK\x01\x02")
    packed[directory + 24 : directory + 28] = (100).to_bytes(4, "little")
    with pytest.raises(GatewayError):
        list(rows(bytes(packed)))


def test_a_workbook_larger_than_allowed_is_not_looked_into() -> None:
    """The first limit is on what came, before anything is read of it."""
    with pytest.raises(LimitExceeded):
        list(rows(b"PK\x03\x04" + bytes(64 * 2**20)))


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/passwd", "a\x00b", "..", "C:\\x", "a/../../b", "～/x", "x" * 300]
)
def test_no_name_leads_out_of_a_folder(name: str) -> None:
    """What comes from a record or a route ends in a plain file name, whatever it is."""
    row = Delivery(
        key="k", change="created", type=name, record_id="r", version=1, at="2026-01-01T00:00:00Z", source="s",
        observed_at="2026-01-01T00:00:00Z", fields=(), body=b"{}", order="o",
    )  # fmt: skip
    (file,) = compose(Dispatch(id=name, route="r", deliveries=(row,)), name, [row], ["ndjson"], [])
    assert Path(file.name).name == file.name
    assert file.name.isascii()
    assert ".." not in file.name
    assert len(file.name) < 200


def test_no_cell_is_a_formula() -> None:
    """A hundred payloads: none begins with what a spreadsheet runs; money that is negative stays a number."""
    payloads = [sign + call for sign in SIGNS for call in CALLS]
    assert len(payloads) >= 100
    for payload in payloads:
        out = io.StringIO(newline="")
        csv.writer(out).writerow([plain(payload)])
        (cell,) = next(csv.reader(io.StringIO(out.getvalue(), newline="")))
        assert cell.strip("\ufeff\u200b \t\r\n\x0b\x00")[:1] not in tuple("=+-@＝＋－＠"), repr(payload)


def test_no_log_line_can_be_forged(capsys: pytest.CaptureFixture[str]) -> None:
    """A thousand payloads of line ends, terminal codes and look-alikes make a thousand lines, each one JSON object."""
    ends = (
        *("\n", "\r", "\r\n", "\x85", "\u2028", "\u2029", "\x0b", "\x0c"),
        *("\x1b[2J", "\x1b]0;x\x07", "\x00", "\u202e", "\x9b31m"),
    )
    made = [f'{{"event":"forged","n":{number}}}' for number in range(80)]
    payloads = [f"{end * (number % 5 + 1)}{text}{end}" for number, text in enumerate(made) for end in ends]
    assert len(payloads) > 1000
    logs.configure("info")
    try:
        for payload in payloads:
            structlog.get_logger("x").warning("honest", what=payload, secret=payload)
        written = capsys.readouterr().err
    finally:
        log_by_itself()
    lines = written.split("\n")[:-1]
    assert len(lines) == len(written.splitlines()) == len(payloads)
    assert {json.loads(line)["event"] for line in lines} == {"honest"}
    assert "secret" not in written
    assert all(char.isprintable() or char == "\n" for char in written)
    assert all(_cell(payload).isprintable() for payload in payloads)


@pytest.mark.parametrize("path", ["/health", "/messages", "/nothing", "/session", "/oidc/start"])
@pytest.mark.parametrize("port", ["admin", "public"])
def test_every_answer_is_dressed(admin: Admin, path: str, port: str) -> None:
    """Errors and answers of both ports carry the headers that keep browsers and caches from guessing."""
    url = admin.url if port == "admin" else admin.served.url
    answer = admin.served.ask(url + path, key="")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"
    assert "server" not in answer.headers


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"name":"' + b"x" * 300_000 + b'"}', 413), (b"{" * 5000, 422), (b"\xff\xfe", 422), (b"null", 422),
        (b'{"name":"a","password":"b","code":"c","role":"admin"}', 422), (b'{"name":["a"]}', 422), (b"", 422),
        (b'{"name":"' + b"x" * 201 + b'","password":"b","code":"c"}', 422),
    ],
)  # fmt: skip
def test_a_body_is_what_it_must_be(admin: Admin, body: bytes, status: int) -> None:
    """Too large, too deep, of another form or with one thing more: refused, and nothing of it is repeated."""
    answer = admin.served.ask(
        admin.url + "/session", method="POST", body=body, headers={"Content-Type": "application/json"}, key=""
    )
    assert answer.status == status
    assert b"xxx" not in answer.body


def test_two_lengths_are_not_one_request(admin: Admin) -> None:
    """A request that a proxy and the gateway could read as two different ones is refused."""
    host, port = "127.0.0.1", int(admin.url.rpartition(":")[2])
    for head in (
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"Content-Length: 5\r\nContent-Length: 6\r\n",
        b"Content-Length: -1\r\n", b"Transfer-Encoding: gzip, chunked\r\n",
    ):  # fmt: skip
        with socket.create_connection((host, port), timeout=PATIENCE) as peer:
            peer.sendall(b"POST /session HTTP/1.1\r\nHost: localhost\r\n" + head + b"\r\n0\r\n\r\n")
            peer.shutdown(socket.SHUT_WR)
            answer = peer.recv(200)
        assert b" 200 " not in answer
        assert answer[9:10] in {b"4", b"5", b""}, (head, answer)
