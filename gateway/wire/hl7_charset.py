"""Which character set an HL7 v2 message is in: what MSH-18 says, weighed against what the bytes show.

MSH-18 is often absent and sometimes wrong. Bytes that are valid UTF-8 beyond ASCII are UTF-8 whatever single-byte set
was declared, since such sequences make no words in Latin scripts; bytes 0x80-0x9F in "8859/1" are Windows-1252. What
no rule explains is refused with the place of the first byte, never replaced.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from gateway.errors import InvalidContent

Evidence = Literal["byte order mark", "bytes", "declared", "assumed"]

# HL7 table 0211 and the spellings seen in the wild, upper case, without spaces, hyphens and underscores.
_CODECS = {
    "ASCII": "ascii",
    "8859/1": "iso8859-1",
    "8859/2": "iso8859-2",
    "8859/3": "iso8859-3",
    "8859/4": "iso8859-4",
    "8859/5": "iso8859-5",
    "8859/6": "iso8859-6",
    "8859/7": "iso8859-7",
    "8859/8": "iso8859-8",
    "8859/9": "iso8859-9",
    "8859/15": "iso8859-15",
    "ISO88591": "iso8859-1",
    "ISO885915": "iso8859-15",
    "LATIN1": "iso8859-1",
    "WINDOWS1252": "cp1252",
    "CP1252": "cp1252",
    "ISOIR6": "ascii",
    "ISOIR100": "iso8859-1",
    "ISOIR14": "shift_jis",
    "ISOIR13": "shift_jis",
    "ISOIR87": "iso2022_jp",
    "ISOIR159": "iso2022_jp_1",
    "GB180302000": "gb18030",
    "KSX1001": "euc_kr",
    "CNS116431992": "big5",
    "BIG5": "big5",
    "UNICODE": "utf-8",
    "UNICODEUTF8": "utf-8",
    "UTF8": "utf-8",
    "UNICODEUTF16": "utf-16-be",
    "UTF16": "utf-16-be",
}
_ESCAPED = frozenset({"iso2022_jp", "iso2022_jp_1"})
_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))


class Decoded(NamedTuple):
    """A message as text: where its text begins in the bytes, in which charset, and how that is known."""

    text: str
    start: int
    charset: str
    evidence: Evidence


def codec(name: str) -> str | None:
    """The codec of a charset as named in MSH-18, or None when the name is not known."""
    return _CODECS.get(name.upper().replace(" ", "").replace("-", "").replace("_", ""))


def width(data: bytes) -> tuple[int, str] | None:
    """(length of the byte order mark, codec) of UTF-16 and marked UTF-8, by the bytes alone; None for the rest."""
    for mark, name in _BOMS:
        if data.startswith(mark):
            return len(mark), name
    # Every message begins with an ASCII letter, so the zero byte of its pair tells the order.
    if data[1:2] == b"\0" and data[3:4] == b"\0":
        return 0, "utf-16-le"
    if data[:1] == b"\0" and data[2:3] == b"\0":
        return 0, "utf-16-be"
    return None


def decode(data: bytes, default: str | None = None) -> Decoded:
    """Decode one message.

    Args:
        data: the message's bytes, without framing.
        default: the charset a facility uses when MSH-18 is empty; without it UTF-8 when the bytes are, Windows-1252
            otherwise.

    Raises:
        InvalidContent: ``charset`` with the byte offset where the bytes are not text in the charset found.
    """
    if data.isascii() and b"\0" not in data[:4] and b"\x1b" not in data:
        return Decoded(data.decode("ascii"), 0, "ascii", "bytes")
    wide = width(data)
    if wide is not None:
        start, name = wide
        return Decoded(_strict(data, start, name), start, name, "byte order mark" if start else "bytes")
    name, evidence = _choose(data, default)
    return Decoded(_strict(data, 0, name), 0, name, evidence)


def _choose(data: bytes, default: str | None) -> tuple[str, Evidence]:
    declared = _declared(data)
    name = codec(declared) if declared else codec(default) if default else None
    if name in _ESCAPED:
        return name, "declared"
    if name == "utf-8" and declared:
        return name, "declared"
    if _is_utf8(data):
        return "utf-8", "bytes"
    if name is None or name in {"ascii", "utf-8", "utf-16-be"}:
        return "cp1252", "assumed"
    if name == "iso8859-1" and any(0x80 <= byte <= 0x9F for byte in data):
        return "cp1252", "bytes"
    return name, "declared" if declared else "assumed"


def _declared(data: bytes) -> str:
    """MSH-18, first repetition, from a message in a charset that contains ASCII."""
    begin = data.find(b"MSH")
    if begin < 0:
        return ""
    stops = [at for at in (data.find(b"\r", begin), data.find(b"\n", begin)) if at >= 0]
    fields = data[begin : min(stops, default=len(data))].split(data[begin + 3 : begin + 4] or b"|", 18)
    if len(fields) < 18:
        return ""
    # Between repetitions stands the second character of MSH-2, if there is one.
    repeat = fields[1][1:2]
    first = fields[17].split(repeat, 1)[0] if repeat else fields[17]
    return first.decode("ascii", "replace").strip()


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _strict(data: bytes, start: int, name: str) -> str:
    try:
        return data[start:].decode(name)
    except UnicodeDecodeError as error:
        at = start + error.start
    # Raised outside the handler: the codec's own error carries the bytes of the message.
    raise InvalidContent(
        "charset",
        f"The bytes are not text in {name}.",
        where=f"byte {at}",
        fix="Ask the sender to fill MSH-18 with the charset it really uses, or set the facility's charset.",
    )
