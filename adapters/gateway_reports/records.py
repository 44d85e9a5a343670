"""Files to rows: the report is recognized by its headers, and each row becomes one message in the bytes of its file."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatch

import msgspec
from msgspec import Struct

from gateway.errors import InvalidContent, LimitExceeded, MalformedEnvelope, RejectMessage
from gateway.model.exchange import Finding, Item
from gateway.wire import xlsx
from gateway.wire.tabular import Broken, Heading, Line, cells, decoded, heading, lines, sniff
from gateway_reports.config import ReportsConfig
from gateway_reports.records_columns import REPORTS, SYSTEMS
from gateway_reports.records_row import Context, Row

MOST_BYTES = 64 * 1024 * 1024


class Opened(Struct):
    """A file whose header was read."""

    context: Context
    heading: Heading
    lines: Iterator[Line | Broken]
    digest: str


def open_file(data: bytes, config: ReportsConfig, name: str = "") -> Opened | None:
    """Read the header; None for a file without any row.

    Raises ``MalformedEnvelope`` that lists the missing columns by our names, when it is of no report that is known.
    """
    delimiter, found = _lines(data, config.delimiter)
    header = next((line for line in found if isinstance(line, Line)), None)
    if header is None:
        return None
    report, columns = recognized(cells(decoded(header.body), delimiter), config, name)
    if report == "appointments" and "state" not in columns.found and config.without_state == "refuse":
        raise _lacking(report, ("state",), "or set without_state to say that all of them are booked")
    context = Context(report, columns.names, delimiter, config.date_order, config.null_words)
    return Opened(context, columns, found, hashlib.blake2b(data, digest_size=8).hexdigest())


def recognized(header: Sequence[str], config: ReportsConfig, name: str = "") -> tuple[str, Heading]:
    """The report that a header belongs to, with its columns; one that a file name pattern names is taken first."""
    named = next((one for pattern, one in config.reports.items() if fnmatch(name.lower(), pattern.lower())), "")
    best: tuple[int, str, Heading] | None = None
    nearest: tuple[int, str, tuple[str, ...]] | None = None
    for report in (named,) if named else REPORTS:
        found = heading(header, config.headers(report))
        lacking = tuple(" or ".join(group) for group in REPORTS[report].needs if not found.found.intersection(group))
        if not lacking and (best is None or len(found.found) > best[0]):
            best = len(found.found), report, found
        if lacking and (nearest is None or len(found.found) > nearest[0]):
            nearest = len(found.found), report, lacking
    if best is not None:
        return best[1], best[2]
    if nearest is None or (nearest[0] == 0 and not named):
        raise MalformedEnvelope(
            "no-report", "The header is of no report that is known", where="line 1",
            fix="Name the report of such files under `reports`, and its headers under `columns`.",
        )  # fmt: skip
    raise _lacking(nearest[1], nearest[2])


def cut(data: bytes, config: ReportsConfig, name: str = "") -> Iterator[Item | Finding]:
    """One message per row; what is no report becomes a finding."""
    try:
        opened = open_file(data, config, name)
    except RejectMessage as error:
        yield Finding(reason=error.reason, what=error.what, where=error.where, fix=error.fix)
        return
    if opened is not None:
        yield from rows(opened)


def rows(opened: Opened) -> Iterator[Item | Finding]:
    """The rows of a file; one that cannot be read becomes a finding with its line and bytes."""
    context = opened.context
    encoded, width, report = msgspec.json.encode(context), len(context.columns), context.report
    for line in opened.lines:
        if isinstance(line, Broken):
            yield _bad(line.reason, "a row cannot be read", report, line.line)
            continue
        try:
            fields = cells(decoded(line.body), context.delimiter)
        except InvalidContent:
            fields = []
        row = Row.of(context, fields)
        if len(fields) != width:
            yield _bad("row-length", f"a row has {len(fields)} fields, its header {width}", report, line)
        elif not row.key:
            yield _bad("no-key", "a row lacks what names its record", report, line, _NAMED)
        else:
            shown = hashlib.blake2b(line.body, digest_size=8).hexdigest()
            yield Item(
                body=line.body, kind=report, control_id=f"{report}:{shown}:{opened.digest}",
                order_key=row.patient or None, context=encoded, offset=line.offset,
            )  # fmt: skip


def whole(chunks: Iterable[bytes]) -> bytes:
    """A file held whole: its digest tells one export from the next, and a workbook's directory is at its end."""
    data = bytearray()
    for chunk in chunks:
        data += chunk
        if len(data) > MOST_BYTES:
            raise LimitExceeded("file-too-large", "The report is larger than allowed", where="file", fix="Split it.")
    return bytes(data)


_NAMED = "fill in the row's own number, or the patient and the day or time that name it,"


def is_report(head: bytes) -> bool:
    """Whether a file begins with the header of a report that only one system writes so; others must be named."""
    try:
        _, found = _lines(head, "")
        first = next((line for line in found if isinstance(line, Line)), None)
    except RejectMessage:
        return False
    written = {re.sub(r"[^a-z0-9#]+", "", word.lower()) for word in decoded(first.body).split(",")} if first else set()
    return "promptaccount#" in written or {"startat", "endat", "treatmentname", "staffmembername"} <= written


def known(system: str, report: str) -> tuple[str, ...]:
    """The columns whose headers are built in."""
    return tuple(SYSTEMS[system].get(report, {}))


def _lines(data: bytes, delimiter: str) -> tuple[str, Iterator[Line | Broken]]:
    if data.startswith(xlsx.MAGIC):
        return ",", (Line(number, 0, body) for number, body in enumerate(xlsx.rows(data), 1))
    dialect = sniff(data[:65536], delimiter=delimiter)
    return dialect.delimiter, lines((data,), dialect)


def _lacking(report: str, columns: Sequence[str], also: str = "") -> MalformedEnvelope:
    names = ", ".join(columns)
    return MalformedEnvelope(
        "columns-missing", f"The header lacks columns of {report}: {names}", where="line 1",
        fix=f"Name the headers of {names} under columns.{report} in the source's config{', ' + also if also else ''}.",
    )  # fmt: skip


def _bad(reason: str, what: str, report: str, line: Line, cure: str = "correct the row") -> Finding:
    fix = f"{cure} and import it in a file with the same header"
    return Finding(reason=reason, what=what, where=f"{report} line {line.number}", fix=fix, body=line.body)
