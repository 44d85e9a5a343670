"""One file of an export as it arrives: its lines cut into messages, and those into steps that are stored together."""

from __future__ import annotations

from collections.abc import AsyncIterator

from gateway.errors import SourceUnavailable
from gateway.model.exchange import Finding, Item
from gateway_fhir.records_lines import Lines

_STEP_ITEMS = 1000
_STEP_BYTES = 2**20


async def steps(
    pieces: AsyncIterator[bytes], lines: Lines, start: int
) -> AsyncIterator[tuple[list[Item], list[Finding], int]]:
    """What comes after the first ``start`` lines, in steps of about 1000 messages or 1 MiB, and the line each ends at.

    A step ends between two lines, because one line of a ``deleted`` file holds many messages.
    """
    items: list[Item] = []
    findings: list[Finding] = []
    size, line = 0, start
    async for cut in _cut(pieces, lines):
        if lines.number <= start:
            continue
        if lines.number > line and (len(items) + len(findings) >= _STEP_ITEMS or size >= _STEP_BYTES):
            yield items, findings, lines.number - 1
            items, findings, size = [], [], 0
        line = lines.number
        if isinstance(cut, Finding):
            findings.append(cut)
        else:
            items.append(cut)
        size += len(cut.body)
    yield items, findings, lines.number


async def _cut(pieces: AsyncIterator[bytes], lines: Lines) -> AsyncIterator[Item | Finding]:
    begun = False
    async for piece in pieces:
        if not begun and piece.strip():
            if piece.lstrip().startswith(b"<"):  # a proxy's page: taken for lines that cannot be read, it were a gap
                raise SourceUnavailable("The server answered a web page in the place of a file", where="$export")
            if piece.startswith(b"\x1f\x8b"):  # a file that was packed, and is not said to be
                raise SourceUnavailable(
                    "A file of the export is gzip without saying so", where="$export",
                    fix="Ask the server's operator for Content-Encoding: gzip, or for plain NDJSON.",
                )  # fmt: skip
            begun = True
        for cut in lines.feed(piece):
            yield cut
    for cut in lines.end():
        yield cut
