"""Bank files to lines, lines to fields: each message is one line as it stands, its context the headers above it.

The first line of a context is ours: the format, and which of several equal lines below the same headers this is.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from msgspec import Struct

from gateway.errors import InvalidConfiguration, InvalidContent
from gateway.model.exchange import Finding, Item
from gateway_bank.strict import Totals

KIND = "bank line"
MAX_LINE = 64 * 1024
FIELDS = frozenset({"key", "date", "amount", "kind", "reference", "trace", "originating", "description", "account"})
"""What a mapping may read of a line."""

_MAX_HEADER = 4096
_BAI2_TRAILERS = ("49", "98", "99")
_ANEW = "Ask the bank for the file anew."


class Line(Struct, frozen=True):
    """A message taken apart."""

    format: str
    headers: list[str]
    text: str
    key: str


def recognize(head: bytes) -> bool:
    """BAI2 begins with record 01, an ACH file with record 1 and priority code 01."""
    return head.startswith(b"01,") or (head.startswith(b"101") and head.find(b"094101") == 34)


def path(text: str) -> Callable[[object], str | None]:
    """Compile the name of a field into a reader of :data:`FIELDS`."""
    if text not in FIELDS:
        raise InvalidConfiguration(
            "not a field of a bank line", where=text[:64], fix=f"use {', '.join(sorted(FIELDS))}"
        )

    def read(record: object) -> str | None:
        return record.get(text) or None if isinstance(record, dict) else None

    return read


def cut(chunks: Iterable[bytes]) -> Iterator[Item | Finding]:
    """Cut a file into lines with their headers; control totals that do not agree become findings."""
    cutter: _Bai2 | _Ach | _Csv | None = None
    for number, text in enumerate(_lines(chunks), 1):
        if len(text) > MAX_LINE:
            yield Finding(reason="line-too-long", what="a line is longer than 64 KiB", where=f"line {number}")
            continue
        if cutter is None:
            cutter = _Bai2() if text.startswith("01,") else _Ach() if text.startswith("101") else _Csv()
        yield from cutter.take(text, number)
    if cutter is not None:
        yield from cutter.close()


def _lines(chunks: Iterable[bytes]) -> Iterator[str]:
    held = b""
    for chunk in chunks:
        *whole, held = (held + chunk).split(b"\n")
        for line in whole:
            if text := _text(line):
                yield text
        held = held[: MAX_LINE + 1]
    if text := _text(held):
        yield text


def _text(line: bytes) -> str:
    try:
        return line.decode("utf-8-sig").strip("\r ")
    except UnicodeDecodeError:
        return line.decode("latin-1").strip("\r ")


class _Cutter:
    def __init__(self, format: str) -> None:
        self._format = format
        self._seen: Counter[bytes] = Counter()

    def _item(self, headers: Iterable[str], text: str) -> Item:
        body, shared = text.encode(), "\n".join(headers)
        digest = hashlib.sha256(shared.encode() + b"\0" + body).digest()
        number = self._seen[digest]
        self._seen[digest] += 1
        context = f"{self._format} {number}\n{shared}".encode()
        return Item(body=body, kind=KIND, control_id=_key(context, body), order_key=None, context=context)


class _Bai2(_Cutter):
    def __init__(self) -> None:
        super().__init__("BAI2")
        self._group = self._account = ""
        self._held: list[str] = []
        self._totals = Totals("BAI2")

    def take(self, text: str, number: int) -> Iterator[Item | Finding]:
        """Follow one record; 88 continues the one before it."""
        id = text[:2]
        if id == "88":
            if self._held and len(self._held) < 100:
                self._held.append(text)
            yield from self._totals.continued(text, number)
            return
        yield from self._flush()
        yield from self._totals.take(text, number)
        if id == "02":
            self._group = text[:_MAX_HEADER]
        elif id == "03":
            self._account = text[:_MAX_HEADER]
        elif id == "16":
            self._held = [text]
        elif id not in ("01", *_BAI2_TRAILERS):
            yield Finding(reason="unknown-record", what="not a record of BAI2", where=f"line {number}")

    def _flush(self) -> Iterator[Item]:
        if self._held:
            yield self._item((self._group, self._account), "\n".join(self._held))
            self._held = []

    def close(self) -> Iterator[Item | Finding]:
        """The file has ended."""
        yield from self._flush()
        yield from self._totals.close()


class _Ach(_Cutter):
    def __init__(self) -> None:
        super().__init__("ACH")
        self._batch = ""
        self._held: list[str] = []
        self._totals = Totals("ACH")

    def take(self, text: str, number: int) -> Iterator[Item | Finding]:
        """Follow one record; 7 belongs to the entry before it."""
        if text[:1] == "7" and self._held:
            self._held.append(text)
        else:
            yield from self._flush()
            if text[:1] == "5":
                self._batch = text[:94]
            elif text[:1] == "6":
                self._held = [text]
        yield from self._totals.take(text, number)

    def _flush(self) -> Iterator[Item]:
        if self._held:
            yield self._item((self._batch,), "\n".join(self._held))
            self._held = []

    def close(self) -> Iterator[Item | Finding]:
        """The file has ended."""
        yield from self._flush()
        yield from self._totals.close()


class _Csv(_Cutter):
    def __init__(self) -> None:
        super().__init__("CSV")
        self._header = ""
        self._width = 0

    def take(self, text: str, number: int) -> Iterator[Item | Finding]:
        """The first line names the columns."""
        if not self._header:
            self._header = text[:_MAX_HEADER]
            self._width = len(_cells(self._header))
        elif len(_cells(text)) != self._width:
            yield Finding(
                reason="wrong-columns", what="a line has not as many columns as the first", where=f"line {number}",
                body=text.encode(),
            )  # fmt: skip
        else:
            yield self._item((self._header,), text)

    def close(self) -> Iterator[Item | Finding]:
        """Nothing waits."""
        return iter(())


def _cells(text: str) -> list[str]:
    try:
        return next(csv.reader(io.StringIO(text)), [])
    except csv.Error:
        return []  # a row whose quotes do not fit, or with half a line end inside, has no columns


def _key(context: bytes, body: bytes) -> str:
    return hashlib.sha256(context + b"\0" + body).hexdigest()[:32]


def read(body: bytes, context: bytes) -> Line:
    """Take a message apart. Raises ``InvalidContent`` when its context is none of ours."""
    head, *headers = context.decode().split("\n")
    format = head.partition(" ")[0]
    if format not in ("BAI2", "ACH", "CSV"):
        raise InvalidContent("unknown-format", "The message is no line of a bank file", where="context")
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise InvalidContent("not-text", "The line is not text in UTF-8", where="line", fix=_ANEW) from None
    return Line(format, headers, text, _key(context, body))
