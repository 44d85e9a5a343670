from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import GatewayError, InvalidConfiguration, InvalidContent, LimitExceeded, MalformedEnvelope
from gateway.model.null import NULL
from gateway.wire.hl7 import MAX_SEGMENTS, Message
from gateway.wire.hl7_path import compile_path
from gateway.wire.hl7_span import spans
from tests.unit.wire.feeding import assert_linear

CORPUS = Path(__file__).parents[3] / "../shared/corpora/hl7v2"
ADT = (
    b"MSH|^~\\&|APP|FAC|GW|HUB|20260105080000||ADT^A04^ADT_A01|77|P|2.5.1\r"
    b'PID|1|""|111^^^X&1.2&ISO^PI~222^^^Y^MR||O\\T\\Hara&Van^AVA^""||1984|F|||1 A ST^""^TOWN||'
    b"^PRN^PH^^1^555^1111111~^NET^Internet^a@b.example\r"
    b"NTE|1||first\rNTE|2||second\r"
)


def read(path: str, data: bytes = ADT):
    return compile_path(path)(Message(data))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("MSH-1", "|"),
        ("MSH-2", "^~\\&"),
        ("MSH-9.2", "A04"),
        ("MSH-10", "77"),
        ("PID-1", "1"),
        ("PID-2", NULL),
        ("PID-2.1", NULL),
        ("PID-2.1.2", NULL),
        ("PID-3.1", "111"),
        ("PID-3", "111^^^X&1.2&ISO^PI"),
        ("PID-3[2].1", "222"),
        ("PID-3[3].1", None),
        ("PID-3[MR].1", "222"),
        ("PID-3[5=MR,4=Y].1", "222"),
        ("PID-3[SS].1", None),
        ("PID-3.4.2", "1.2"),
        ("PID-3.4.9", None),
        ("PID-3.9", None),
        ("PID-5.1.1", "O&Hara"),
        ("PID-5.1.2", "Van"),
        ("PID-5.3", NULL),
        ("PID-5.3.2", NULL),
        ("PID-4", None),
        ("PID-99", None),
        ("PID-11.2", NULL),
        ("PID-13[2=NET].4", "a@b.example"),
        ("NTE-3", "first"),
        ("NTE[2]-3", "second"),
        ("NTE[3]-3", None),
        ("ZZZ-1", None),
        (".1", None),
    ],
)
def test_path_reads_exactly_what_it_names(path, value):
    """Fields, repetitions, selectors, components and subcomponents; empty is None, two quotes are NULL."""
    assert read(path) == value


def test_repetitions_and_segments_are_records():
    """``[*]`` makes records in which relative and full paths read that repetition or segment."""
    phones = read("PID-13[*]")
    assert [compile_path(".2")(phone) for phone in phones] == ["PRN", "NET"]
    assert [compile_path("PID-13.2")(phone) for phone in phones] == ["PRN", "NET"]
    assert [compile_path("PID-5.2")(phone) for phone in phones] == ["AVA", "AVA"]
    assert [compile_path("NTE-3")(note) for note in read("NTE[*]")] == ["first", "second"]
    assert read("PID-99[*]") == read("AIP[*]") == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "PID",
        "PID-",
        "PID-0",
        "PID-3.0",
        "pid-3",
        "PID-3[",
        "PID-3[0]",
        "PID-3.101",
        "PID-3[*].1",
        "PID[*]-3",
        "PID-3[=MR]",
        "PID-3[5=].1",
        "PID 3",
    ],
)
def test_what_is_not_a_path_is_refused(text):
    """A path that means nothing fails when it is compiled, not when a message comes."""
    with pytest.raises(InvalidConfiguration):
        compile_path(text)


def message(fields: str, msh: str = "MSH|^~\\&|A") -> bytes:
    return f"{msh}\rZZZ|{fields}\r".encode()


@pytest.mark.parametrize(
    ("sent", "value"),
    [
        ("\\F\\\\S\\\\T\\\\R\\\\E\\", "|^&~\\"),
        ("a\\.br\\b", "a\nb"),
        ("\\X41\\\\X4243\\", "ABC"),
        ("\\H\\x\\N\\", "x"),
        ("\\Zq\\", "\\Zq\\"),
        ("a\\b\\S\\c", "a\\b^c"),
        ("\\XF\\", "\\XF\\"),
        ("\\.sp2\\", "\n\n"),
        ("\\.sp9999\\", "\\.sp9999\\"),
        ("\\.sk+3\\", "   "),
        ("\\", "\\"),
        ("\\XFF\\", "\\XFF\\"),
        ("\\.in+4\\x", "x"),
    ],
)
def test_escapes(sent, value):
    """Known escape sequences become what they mean, unknown ones stay as they were sent."""
    assert read("ZZZ-1", message(sent)) == value


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_segment_ends(end):
    """Segments end at CR, LF or CR LF."""
    data = end.join(["MSH|^~\\&|A", "PID|1", "NTE|1||x", ""]).encode()
    assert (read("PID-1", data), read("NTE-3", data)) == ("1", "x")


def test_line_feed_inside_a_field_stays():
    """In a message with CR, a line feed that no segment follows is part of the value."""
    assert read("NTE-3", b"MSH|^~\\&|A\rNTE|1||two\nlines\rPID|1") == "two\nlines"


def test_odd_delimiters_are_those_of_the_header():
    """MSH-1 and MSH-2 decide; escapes translate to the message's own delimiters."""
    data = b"MSH$%*!@$A$\rPID$1$$7%8@9*5$a!F!b!S!c"
    assert (read("PID-3.2.2", data), read("PID-3[2]", data), read("PID-4", data)) == ("9", "5", "a$b%c")


@pytest.mark.parametrize(
    ("msh", "sub", "escaped"),
    [("MSH|^|A", None, "\\T\\"), ("MSH||A", "b", "&"), ("MSH|^~|A", None, "\\T\\"), ("MSH|^~\\|A", None, "\\T\\")],
)
def test_delimiters_that_are_left_out_are_not_used(msh, sub, escaped):
    """A shorter MSH-2 leaves characters plain; an empty one means the usual delimiters."""
    assert read("ZZZ-1.1.2", message("a&b", msh)) == sub
    assert read("ZZZ-1", message("\\T\\", msh)) == escaped


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no-header"),
        (b"PID|1", "no-header"),
        (b"MSH", "no-header"),
        (b"MSHA^~\\&|x", "delimiters"),
        (b"MSH|^^\\&|x", "delimiters"),
        (b"MSH|abcd|x", "delimiters"),
        (b"MSH|^~\\&#!?|x", "delimiters"),
    ],
)
def test_unreadable_header_is_malformed(data, reason):
    """Without a usable header nothing is guessed."""
    with pytest.raises(MalformedEnvelope) as caught:
        Message(data)
    assert caught.value.reason == reason


def test_too_many_segments_are_refused():
    """A message of line ends does not fill the memory."""
    with pytest.raises(LimitExceeded):
        Message(b"MSH|^~\\&|\r" + b"\r" * (MAX_SEGMENTS + 1)).segments("PID")


HEAD = "MSH|^~\\&|A|||||||||||||||{}\rPID|1||"


@pytest.mark.parametrize(
    ("declared", "encoding", "found"),
    [
        ("UNICODE UTF-8", "utf-8", "utf-8"),
        ("", "utf-8", "utf-8"),
        ("8859/1", "utf-8", "utf-8"),
        ("8859/1", "latin-1", "iso8859-1"),
        ("ASCII", "latin-1", "cp1252"),
        ("", "cp1252", "cp1252"),
        ("8859/15", "iso8859-15", "iso8859-15"),
        ("UNICODE UTF-16", "utf-16", "utf-16-le"),
        ("", "utf-16-be", "utf-16-be"),
        ("", "utf-8-sig", "utf-8"),
        ("8859/1~UNICODE UTF-8", "latin-1", "iso8859-1"),
        ("NO SUCH", "cp1252", "cp1252"),
    ],
)
def test_charset_by_declaration_and_evidence(declared, encoding, found):
    """MSH-18 is weighed against the bytes, and the text is right either way."""
    data = (HEAD.format(declared) + "Zoë Müller\r").encode(encoding)
    assert Message(data).charset == found
    assert read("PID-3", data) == "Zoë Müller"


def test_windows_bytes_in_latin_1_are_windows_1252():
    """0x80-0x9F are no characters of 8859/1: the sender meant Windows-1252."""
    assert read("PID-3", HEAD.format("8859/1").encode() + b"\x93x\x94") == "\u201cx\u201d"


@pytest.mark.parametrize(("declared", "tail"), [("UNICODE UTF-8", b"ab\xffc"), ("", b"ab\x81c")])
def test_undecodable_bytes_are_named_by_their_offset(declared, tail):
    """Bytes that are no text are refused by place, and the error holds none of them."""
    head = HEAD.format(declared).encode()
    with pytest.raises(InvalidContent) as caught:
        Message(head + tail)
    assert (caught.value.reason, caught.value.where) == ("charset", f"byte {len(head) + 2}")
    assert caught.value.__context__ is None


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "latin-1"])
def test_spans_name_the_bytes(encoding):
    """A span cuts exactly the bytes of the place out of what was received."""
    text = '\r\nMSH|^~\\&|A\r\nPID|é|""|1^é&ü~2^^^^MR\nNTE||x'
    data = text.encode(encoding)
    message = Message(data)

    def cut(path: str) -> list[str]:
        plain = encoding.removesuffix("-sig") if encoding != "utf-16" else "utf-16-le"
        return [data[begin:end].decode(plain) for begin, end in spans(message, path)]

    assert cut("PID-3.2.2") == ["ü"]
    assert cut("PID-3[MR].1") == ["2"]
    assert cut("PID-3[*]") == ["1^é&ü", "2^^^^MR"]
    assert cut("PID-2.1") == ['""']
    assert cut("MSH-3") == ["A"]
    assert cut("MSH-1") == ["|"]
    assert cut("MSH-2") == ["^~\\&"]
    assert cut("NTE[*]") == ["NTE||x"]
    assert cut("NTE-2") == ["x"]
    assert cut("PID-9") == cut("ZZZ-1") == cut("PID-3.3") == cut("PID-3[SS].1") == []


PATHS = ["MSH-9.1", "PID-3[MR].1", "PID-5.1", "PID-13[*]", "NTE[*]", "PID-5.2.2", "ZZZ-1", "MSH-2", "OBX[2]-5"]
PIECES = [
    "MSH|^~\\&|",
    "MSH",
    "PID|",
    "|",
    "^",
    "~",
    "\\",
    "&",
    "\r",
    "\n",
    '""',
    "x",
    "\\X4\\",
    "\\F\\",
    "é",
    "\ufeff",
    "\0",
]


@given(st.lists(st.sampled_from(PIECES), max_size=60), st.sampled_from(["utf-8", "utf-16", "cp1252"]))
def test_any_text_reads_or_fails_in_our_own_words(pieces, encoding):
    """Whatever comes, reading and span agree or an error of the gateway's family is raised."""
    check("".join(["MSH|^~\\&|", *pieces]).encode(encoding, "ignore"))


@given(st.binary(max_size=200))
def test_any_bytes_read_or_fail_in_our_own_words(data):
    """Bytes that are no HL7 at all raise nothing but the gateway's errors."""
    check(data)
    check(b"MSH" + data)


def check(data: bytes) -> None:
    try:
        message = Message(data)
        for path in PATHS:
            value = compile_path(path)(message)
            found = spans(message, path)
            if isinstance(value, list):
                assert len(value) == len(found)
            elif value is not None:
                assert len(found) == 1
    except GatewayError:
        pass


def test_public_corpus_parses():
    """Every public sample reads or is refused in the gateway's words."""
    if not CORPUS.exists():
        pytest.skip("the shared corpus of public HL7 samples is not on this machine")
    for file in CORPUS.rglob("*"):
        if file.suffix.lower() in {".hl7", ".txt"}:
            check(file.read_bytes())


@pytest.mark.parametrize(
    "unit", ["|", "^", "~", "&", "\\", "\r", "\n", "\\X41", "\\X41\\", '""', "PID|1\r", "A\n", "é", "~^^^^MR"]
)
def test_time_is_linear(unit):
    """Hostile fields cost twice the time for twice the bytes."""
    read_all = [compile_path(path) for path in PATHS if not path.endswith("[*]")]

    def work(data):
        try:
            message = Message(data)
            for read_one in read_all:
                read_one(message)
        except LimitExceeded:
            pass

    def shape(size):
        return b"MSH|^~\\&|A\rPID|1||1\rZZZ|" + (unit * (size // len(unit.encode()))).encode()

    assert_linear(work, shape)


def test_records_cost_no_copy_of_their_segment():
    """Many repetitions beside many fields take linear time, not their product."""

    def work(data):
        for record in compile_path("PID-3[*]")(Message(data)):
            compile_path("PID-3.1")(record)

    assert_linear(work, lambda size: b"MSH|^~\\&|A\rPID|1||" + b"~x" * 5000 + b"|" * (size - 10_000))


@pytest.mark.parametrize(("path", "unit"), [("ZZZ-1[*]", "~x"), ("ZZZ[*]", "\rZZZ|x")])
def test_too_many_records_are_refused(path, unit):
    """A place that repeats without end is refused by name."""
    with pytest.raises(LimitExceeded) as caught:
        read(path, message("x" + unit * 10_000))
    assert caught.value.where == path.removesuffix("[*]")
