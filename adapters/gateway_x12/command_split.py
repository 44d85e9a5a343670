"""Cuts a file into files of one transaction each, every one a whole interchange under its original numbers."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from msgspec import Struct

from gateway.errors import InvalidConfiguration
from gateway.model.exchange import Finding
from gateway.transport.whole_file import write_all
from gateway.wire.x12 import Segment, SegmentReader
from gateway.wire.x12_835 import element


class Part(Struct):
    """One file that was written; its name tells nothing of a patient."""

    file: str
    set: str
    """ST01; TA1 for an interchange acknowledgement."""
    segments: int


def split(pieces: Iterable[bytes], folder: Path) -> tuple[list[Part], list[Finding]]:
    """Write the transactions of a file into a folder; what could not be read comes back as findings.

    Raises ``InvalidConfiguration`` when a part would overwrite a file or the folder cannot be written.
    """
    splitter = _Splitter(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for event in _events(pieces):
            splitter.take(event)
    except OSError as error:
        raise InvalidConfiguration(
            f"A part cannot be written: {error.strerror}", where="--to", fix="Name an empty folder that you may write."
        ) from None
    finally:
        splitter.close()
    return splitter.parts, splitter.findings


def _events(pieces: Iterable[bytes]) -> Iterator[Segment | Finding]:
    reader = SegmentReader()
    for piece in pieces:
        yield from (one for one in reader.feed(piece) if isinstance(one, Segment | Finding))
    yield from (one for one in reader.close() if isinstance(one, Segment | Finding))


class _Splitter:
    """Writes segments as they come; holds the headers of the open envelopes only."""

    def __init__(self, folder: Path) -> None:
        self.parts: list[Part] = []
        self.findings: list[Finding] = []
        self._folder = folder
        self._isa: Segment | None = None
        self._gs: Segment | None = None
        self._out: int | None = None

    def take(self, event: Segment | Finding) -> None:
        """Follow one segment."""
        if isinstance(event, Finding):
            self.findings.append(event)
            return
        elements = event.elements()
        id = elements[0]
        if id in {"ISA", "GS", "ST", "GE", "IEA"} and self._out is not None:
            self._missing_trailer(event)
        if id == "ISA":
            self._isa, self._gs = event, None
        elif id == "GS":
            self._gs = event
        elif id == "ST" or (id == "TA1" and self._isa is not None):
            self._open(event, element(elements, 1) if id == "ST" else "TA1")
        elif self._out is not None:
            self._write(event)
        if id in {"SE", "TA1"}:
            self._end()

    def close(self) -> None:
        """The file has ended; a transaction that is still open lacks its trailer."""
        if self._out is not None:
            self._missing_trailer(None)

    def _missing_trailer(self, before: Segment | None) -> None:
        where = before.where if before else "end of file"
        self.findings.append(Finding(reason="missing-trailer", what="a transaction has no trailer", where=where))
        self._end()

    def _open(self, first: Segment, set_id: str) -> None:
        safe = set_id if set_id.isascii() and set_id.isalnum() and len(set_id) <= 3 else "other"
        name = f"{len(self.parts) + 1:05d}-{safe}.x12"
        self._out = os.open(self._folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self.parts.append(Part(name, safe, 0))
        for header in (self._isa, self._gs if set_id != "TA1" else None):
            if header is not None:
                write_all(self._out, header.text + header.delimiters.segment + b"\n")
        self._write(first)

    def _write(self, segment: Segment) -> None:
        if self._out is not None:
            write_all(self._out, segment.text + segment.delimiters.segment + b"\n")
            self.parts[-1].segments += 1

    def _end(self) -> None:
        out, self._out = self._out, None
        if out is None:
            return
        try:
            grouped = self._gs if self.parts[-1].set != "TA1" else None
            if grouped is not None:
                write_all(out, self._trailer(grouped, "GE", 6, 1))
            if self._isa is not None:
                write_all(out, self._trailer(self._isa, "IEA", 13, 1 if grouped is not None else 0))
        finally:
            os.close(out)

    @staticmethod
    def _trailer(header: Segment, id: str, number: int, count: int) -> bytes:
        """The trailer that closes a header: one transaction, or one group."""
        marks = header.delimiters
        control = element(header.elements(), number).encode()
        return marks.element.join((id.encode(), str(count).encode(), control)) + marks.segment + b"\n"
