"""Tables: written in many ways, read in one; a bad row costs itself only."""

from __future__ import annotations

import codecs
import csv
import io
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import MalformedEnvelope
from gateway.wire.tabular import Broken, Line, TableLimits, cells, decoded, heading, lines, sniff


def read(data: bytes, size: int = 7, limits: TableLimits | None = None, **given_dialect):
    """Rows of a file that comes in small pieces."""
    dialect = sniff(data[:4096], **given_dialect)
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    return dialect, list(lines(pieces, dialect, limits or TableLimits()))


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16-le", "utf-16", "cp1252"])
def test_every_way_of_writing_gives_the_same_rows(delimiter, newline, encoding):
    """Delimiter, line end, encoding and byte order mark are found by evidence."""
    text = newline.join(delimiter.join(row) for row in (["id", "name"], ["1", "Zoë"], ["2", "Ann"])) + newline
    dialect, found = read(text.encode(encoding))
    assert dialect.delimiter == delimiter
    assert [cells(decoded(row.body), delimiter) for row in found] == [["id", "name"], ["1", "Zoë"], ["2", "Ann"]]
    assert [row.number for row in found] == [1, 2, 3]


@given(
    st.lists(st.lists(st.text('ab,"\n é', max_size=5), min_size=2, max_size=3), min_size=1, max_size=5),
    st.integers(1, 9),
)
def test_what_a_csv_writer_writes_is_read_the_same_in_any_pieces(table, size):
    """Quotes, delimiters and line breaks inside fields survive, wherever the pieces are cut."""
    file = io.StringIO()
    csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(table)
    _, found = read(file.getvalue().encode(), size, delimiter=",")
    assert [cells(decoded(row.body), ",") for row in found] == table


def test_a_row_keeps_its_bytes_and_its_place():
    """What is stored is what was sent, and says where it stood."""
    data = b'a,b\n1,"x\ny"\n\n2,5" scar\n'
    _, found = read(data)
    assert found == [Line(1, 0, b"a,b"), Line(2, 4, b'1,"x\ny"'), Line(5, 13, b'2,5" scar')]
    assert all(data[row.offset :].startswith(row.body) for row in found)


def test_a_stray_quote_costs_its_own_row_only():
    """A quote that is never closed is told with its line; the rows behind it are read."""
    data = b'a,b\n1,"never\n' + b"".join(b"%d,x\n" % number for number in range(2, 10))
    _, found = read(data, limits=TableLimits(row_lines=3))
    assert [row.line.number for row in found if isinstance(row, Broken)] == [2]
    assert [row.number for row in found if isinstance(row, Line)] == [1, *range(3, 11)]


def test_an_endless_line_is_told_in_bounded_memory():
    """A line without end is cut at its limit, and the next line is read."""
    dialect = sniff(b"a,b\n")

    def pieces():
        yield b"a,b\n"
        for _ in range(400):
            yield b"x" * 65536
        yield b"\n1,2\n"

    tracemalloc.start()
    found = list(lines(pieces(), dialect, TableLimits(row_bytes=1000)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [(type(row).__name__, len(row[0].body) if isinstance(row, Broken) else row.body) for row in found] == [
        ("Line", b"a,b"), ("Broken", 1000), ("Line", b"1,2"),
    ]  # fmt: skip
    assert peak < 1_000_000


def test_columns_are_known_by_any_of_their_names():
    """Case and punctuation do not count; what is missing and what is unknown are told."""
    declared = {"appointment_id": ["appointmnet_id"], "start": [], "case": []}
    found = heading(["Appointmnet ID", "START", "Shoe size"], declared)
    assert found.names == ("appointment_id", "start", "shoe_size")
    assert found.missing == ("case",)
    assert found.unknown == ("shoe_size",)
    with pytest.raises(MalformedEnvelope, match="twice"):
        heading(["start", "Start"], declared)


def test_utf16_with_a_mark_is_told_from_utf8():
    """Marks win, zero bytes tell without one, and what is given is not guessed."""
    assert sniff(codecs.BOM_UTF16_BE + "a,b".encode("utf-16-be")).encoding == "utf-16-be"
    assert sniff("a,b\n".encode("utf-16-le")).encoding == "utf-16-le"
    assert sniff(b"a;b|c|d", delimiter=";").delimiter == ";"
