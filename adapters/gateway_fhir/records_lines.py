"""NDJSON in bounded memory: bytes in pieces of any size go in, messages come out."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from gateway.model.exchange import Finding, Item
from gateway_fhir.records_bundle import cut_bundle, item, outcome, resource_type


class Lines:
    """Cuts one NDJSON file; a line longer than ``most`` bytes becomes a finding without its content.

    ``number`` counts the lines that were taken, so that a reader may go on where another stopped.
    ``when`` is the time of deletions that do not tell their own.
    """

    def __init__(self, most: int, *, where: str = "line", when: str = "") -> None:
        self._when = when
        self.number = 0
        self._most = most
        self._where = where
        self._rest = bytearray()
        self._skipping = False
        self._offset = 0

    def feed(self, piece: bytes) -> Iterator[Item | Finding]:
        """The messages of all lines that are complete with this piece."""
        begin = 0
        while (end := piece.find(b"\n", begin)) >= 0:
            self._rest += piece[begin:end]
            begin = end + 1
            yield from self._take()
        self._rest += piece[begin:]
        if len(self._rest) > self._most:
            self._skipping = True
            self._offset += len(self._rest)
            self._rest.clear()

    def end(self) -> Iterator[Item | Finding]:
        """The message of a last line without an end of line."""
        if self._rest or self._skipping:
            yield from self._take()

    def _take(self) -> Iterator[Item | Finding]:
        line, self._rest = bytes(self._rest), bytearray()
        offset, self._offset = self._offset, self._offset + len(line) + 1
        self.number += 1
        if self._skipping or len(line) > self._most:
            self._skipping = False
            what = f"A line is longer than {self._most} bytes"
            fix = "Raise max_resource_bytes."
            yield Finding(reason="line-too-long", what=what, where=f"{self._where} {self.number}", fix=fix)
        elif line.strip():
            yield from self._read(line, offset)

    def _read(self, line: bytes, offset: int) -> Iterator[Item | Finding]:
        where = f"{self._where} {self.number}"
        try:
            kind = resource_type(line)
            if kind == "OperationOutcome":
                yield from outcome(line).findings(where)
            elif kind == "Bundle":  # the `deleted` files of an export
                found = cut_bundle(line, f"{where} entry", self._when)
                yield from found.findings
                yield from found.items
            else:
                yield item(line.rstrip(b"\r"), offset=offset)
        except (msgspec.DecodeError, UnicodeDecodeError):
            what = "A line is no resource with resourceType and id"
            yield Finding(reason="unreadable-resource", what=what, where=where, body=line)
