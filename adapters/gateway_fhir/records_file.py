"""Files cut into messages: NDJSON line by line in bounded memory, a Bundle or a resource as one document."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import msgspec

from gateway.errors import LimitExceeded
from gateway.model.exchange import Finding, Item
from gateway_fhir.config import FhirConfig
from gateway_fhir.records import TYPES
from gateway_fhir.records_bundle import cut_bundle, item, resource_type
from gateway_fhir.records_lines import Lines

_HEAD = re.compile(rb'\s*\{.*?"resourceType"\s*:\s*"([A-Za-z]{2,40})"', re.DOTALL)
_ALSO = frozenset({"Bundle", "OperationOutcome", "Condition", "Observation", "Procedure", "Schedule"})
_MARK = b"\xef\xbb\xbf"
"""Byte order mark, which JSON should not have and some exports do."""


def is_fhir(head: bytes) -> bool:
    """Whether a file begins like a resource, a Bundle or NDJSON of resources in JSON."""
    found = _HEAD.match(head.removeprefix(_MARK))
    return found is not None and found[1].decode() in _ALSO.union(TYPES)


def cut(chunks: Iterable[bytes], config: FhirConfig) -> Iterator[Item | Finding]:
    """The messages of one file, whichever of the three it is."""
    pieces = iter(chunks)
    start = bytearray()
    for piece in pieces:
        start += piece
        if not start.strip() or (b"\n" not in piece and len(start) <= config.max_bundle_bytes):
            continue
        first, _, _ = bytes(start).removeprefix(_MARK).lstrip().partition(b"\n")
        if _is_line(first):
            yield from _lines(bytes(start).removeprefix(_MARK), pieces, config)
            return
        break
    for piece in pieces:
        start += piece
        if len(start) > config.max_bundle_bytes:
            break
    if len(start) > config.max_bundle_bytes:
        what = f"A single JSON document is longer than {config.max_bundle_bytes} bytes"
        raise LimitExceeded("file-too-large", what, where="file", fix="Send NDJSON, or raise max_bundle_bytes.")
    yield from _document(bytes(start).removeprefix(_MARK))


def _lines(start: bytes, pieces: Iterator[bytes], config: FhirConfig) -> Iterator[Item | Finding]:
    lines = Lines(config.max_resource_bytes)
    yield from lines.feed(start)
    for piece in pieces:
        yield from lines.feed(piece)
    yield from lines.end()


def _is_line(line: bytes) -> bool:
    """Whether a line is a whole resource that is no Bundle, and so the file NDJSON."""
    try:
        return resource_type(line) != "Bundle"
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False


def _document(body: bytes) -> Iterator[Item | Finding]:
    try:
        if resource_type(body) == "Bundle":
            found = cut_bundle(body)
            yield from found.findings
            yield from found.items
        else:
            yield item(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        what = "The file is not a whole resource or Bundle in JSON"
        yield Finding(reason="unreadable-file", what=what, where="file", body=body)
