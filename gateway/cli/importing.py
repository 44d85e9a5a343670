"""import: bring in files by hand, or see what would come of them without storing anything."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from gateway.bootstrap import Gateway
from gateway.cli.previewing import head, previewer
from gateway.cli.printing import DEFAULT_CONFIG, ConfigOption, JsonOption, as_json, opened
from gateway.cli.settling import normalize_all, once_settled, own_normalizer, settle_all
from gateway.command_line import chunks
from gateway.errors import Backpressure, InvalidConfiguration, LimitExceeded
from gateway.flow.normalize import Normalizer
from gateway.flow.source import Source
from gateway.flow.words import REPEAT
from gateway.model.exchange import Finding, Item
from gateway.store import messages
from gateway.transport.history import bringing_history

STEP_BYTES = 2**20
STEP_ITEMS = 1000
ROOM_SECONDS = 0.5
PATIENCE_SECONDS = 300.0
"""How long another process may leave everything that waits as it is."""

SourceOption = Annotated[
    str, typer.Option("--source", help="A source's or an adapter's name; found by evidence if not given.")
]


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("import")(import_)


def import_(
    files: Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, help="Files to bring in.")],
    source: SourceOption = "",
    dry_run: Annotated[bool, typer.Option(help="Store nothing; needs no init; one line per message.")] = False,
    zone: Annotated[str, typer.Option(help="Time zone of a dry run; the source's own, or UTC, if not given.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    json_: JsonOption = False,
) -> None:
    """Bring files in: format by evidence, messages stored and normalized, totals at the end."""
    if dry_run:
        _dry_run(files, source, zone, config, json_=json_)
        return
    with opened(config) as gateway:
        totals = _import_all(gateway, files, source, quiet=json_)
    if json_:
        as_json(totals)
    else:
        typer.echo(
            f"{totals['stored']} messages stored, {totals['repeats']} already known, {totals['findings']} findings,"
            f" {totals['suppressed']} suppressed, {totals['quarantined']} quarantined,"
            f" {totals['pending']} still to be normalized"
        )
    if totals["findings"] or totals["quarantined"]:
        typer.echo("What waits, why and how to mend it: gateway quarantine list", err=True)
        raise typer.Exit(1)


# --- for real --------------------------------------------------------------------------------------------------------


def _import_all(gateway: Gateway, files: Sequence[Path], named: str, *, quiet: bool) -> dict[str, int]:
    """Store all files; normalize here too, unless a serving process does."""
    _check_sizes(files, gateway.settings.limits.file_bytes)
    gateway.check_witness()
    totals = {"files": len(files), "stored": 0, "repeats": 0, "findings": 0}
    first: dict[tuple[str, str], int] = {}
    with ExitStack() as held:
        normalizer = own_normalizer(gateway, held)
        with _progress(files, quiet=quiet) as progress:
            for path in files:
                found = _source_for(gateway, path, named)
                asyncio.run(_import_one(gateway, found, normalizer, path, progress, totals, first))
        if normalizer is not None:
            settle_all(gateway, normalizer)
    became = once_settled(partial(_became, gateway, first), lambda counts: counts[None] > 0)
    return totals | {
        "suppressed": became["suppressed"], "quarantined": became["quarantined"], "pending": became[None],
    }  # fmt: skip


def _became(gateway: Gateway, first: Mapping[tuple[str, str], int]) -> Counter[str | None]:
    """How many messages ended how, None while pending, by the first of each source; repeats are told apart."""
    became = Counter[str | None]()
    for (tenant, source), since in first.items():
        tally = gateway.store.read_sync(partial(messages.tally, tenant=tenant, source=source, since=since))
        for (outcome, reason), count in tally.items():
            became[outcome] += 0 if reason == REPEAT else count
    return became


def _check_sizes(files: Sequence[Path], most: int) -> None:
    """Refuse before anything is stored what is larger than the settings allow."""
    for path in files:
        if path.stat().st_size > most:
            raise LimitExceeded(
                "file-too-large", f"The file is longer than {most} bytes", where=path.name,
                fix="Raise limits.file_bytes if such files are expected.",
            )  # fmt: skip


async def _make_room(gateway: Gateway, tenant: str, normalizer: Normalizer | None) -> None:
    """Before more is stored than may wait to be normalized: normalize it, or let the process that serves do so.

    What is normalized here is taken a step at a time, from memory: little waits, and nothing has to be read back.

    Raises:
        Backpressure: nobody normalized anything for :data:`PATIENCE_SECONDS`.
    """
    if normalizer is not None:
        normalize_all(gateway, normalizer)
        return
    most = max(1, gateway.settings.limits.unsettled_messages - STEP_ITEMS)
    if gateway.handoff.unsettled < most:
        return
    waited, least = 0.0, gateway.handoff.unsettled
    while gateway.handoff.unsettled >= most:
        if waited >= PATIENCE_SECONDS:
            raise Backpressure(
                "Too many messages wait to be normalized, and nothing normalizes them", where="import",
                fix="Run `gateway serve --role worker`, then import again: what was stored is known.",
            )  # fmt: skip
        await asyncio.sleep(ROOM_SECONDS)
        count = await gateway.store.read(partial(messages.pending_count, tenant=tenant))
        gateway.handoff.recounted(tenant, count)
        waited, least = (0.0, count) if count < least else (waited + ROOM_SECONDS, least)


async def _import_one(
    gateway: Gateway, source: Source, normalizer: Normalizer | None, path: Path, progress: Progress,
    totals: dict[str, int], first: dict[tuple[str, str], int],
) -> None:  # fmt: skip
    receiver = gateway.receiver(source)
    task = progress.add_task(path.name, total=path.stat().st_size)
    cut = source.adapter.cut(chunks(path, lambda size: progress.advance(task, size)), source.config)
    for items, findings in _steps(cut):
        await _make_room(gateway, source.tenant, normalizer)
        with bringing_history():  # a process that serves goes on with what happens now
            receipts = await receiver.accept(items, findings=findings)
        totals["stored"] += sum(not receipt.repeat for receipt in receipts)
        totals["repeats"] += sum(receipt.repeat for receipt in receipts)
        totals["findings"] += len(findings)
        for receipt in receipts:
            if not receipt.repeat:
                first.setdefault((source.tenant, source.name), receipt.message_id)


def _steps(cut: Iterable[Item | Finding]) -> Iterator[tuple[list[Item], list[Finding]]]:
    """Resumable steps of at most 1 MiB: what was committed is known again as a repeat."""
    items: list[Item] = []
    findings: list[Finding] = []
    size = 0
    for part in cut:
        if isinstance(part, Finding):
            findings.append(part)
        else:
            items.append(part)
        size += len(part.body)
        if size >= STEP_BYTES or len(items) + len(findings) >= STEP_ITEMS:
            yield items, findings
            items, findings, size = [], [], 0
    if items or findings:
        yield items, findings


def _source_for(gateway: Gateway, path: Path, named: str) -> Source:
    """The source that was named, or the only one whose adapter recognizes the file."""
    sources = list(gateway.sources.values())
    if named:
        sources = [one for one in sources if named in (one.name, one.adapter.info.name)]
    else:
        begin = head(path)
        sources = [one for one in sources if one.adapter.recognize(begin)]
    if len(sources) == 1:
        return sources[0]
    problem = "Several sources could have sent this file" if sources else "No configured source knows this file"
    known = ", ".join(one.name for one in sources or gateway.sources.values())
    raise InvalidConfiguration(problem, where=path.name, fix=f"Name one with --source: {known}.")


def _progress(files: Sequence[Path], *, quiet: bool) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), disable=quiet or not files)


# --- dry run ---------------------------------------------------------------------------------------------------------


def _dry_run(files: Sequence[Path], named: str, zone: str, config: Path, *, json_: bool) -> None:
    """One line per message: what it would become. Needs no settings; uses those of the source when there are some."""
    quarantined = False
    for path in files:
        preview = previewer(path, named, zone, config)
        for line in preview.lines(chunks(path)):
            quarantined = quarantined or "quarantined" in line
            if json_:
                as_json(line)
            else:
                typer.echo(_sentence(line))
    if quarantined:
        raise typer.Exit(1)


def _sentence(line: dict[str, Any]) -> str:
    if "quarantined" in line:
        who, where = line["control_id"] or "file", line["where"]
        return f"{who}: quarantined, {line['quarantined']}: {line['what'].rstrip('.')} at {where}. {line['fix']}"
    if "suppressed" in line:
        return f"{line['control_id']}: suppressed, {line['suppressed']}"
    return f"{line['control_id']}: {', '.join(record['type'] for record in line['records']) or 'nothing'}"
