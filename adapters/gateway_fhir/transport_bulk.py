"""Bulk Data export: ask, wait, stream, tidy up; after a crash go on in the line where the last commit was.

A step is held back while more waits to be normalized than may: the file stays open, and memory as it is.

The cursor holds the status address of the export that runs, and the file and line up to which it is stored. Files are
streamed and cut line by line, so that memory does not grow with them. ``since`` becomes the export's own
``transactionTime``, and only when every file of the manifest was stored to its announced end.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import msgspec
from msgspec import structs
from yarl import URL

from gateway.errors import Backpressure, GatewayError, SourceUnavailable
from gateway.model.exchange import Finding, Intake, Item
from gateway.transport.http import Answer, HttpClient
from gateway_fhir.config import FhirConfig
from gateway_fhir.records_bundle import outcome
from gateway_fhir.records_export import Manifest, Run, decode_manifest, decode_run
from gateway_fhir.records_lines import Lines

_STEP_ITEMS = 1000
_STEP_BYTES = 2**20
_NDJSON = {"Accept": "application/fhir+ndjson"}
_LONGEST_WAIT = 300.0
_FIRST_WAIT = 5.0
_ROOM_WAIT, _ROOM_PATIENCE = 2.0, 900.0
"""Seconds between two tries to store a step that had no room, and after how many the export waits for its next turn."""
Sleep = Callable[[float], Awaitable[None]]


class Exports:
    """The stream of all types that are had by export."""

    name = "export"

    def __init__(
        self,
        types: Sequence[str],
        client: HttpClient,
        config: FhirConfig,
        *,
        sleep: Sleep = asyncio.sleep,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._types = types
        self._client = client
        self._config = config
        self._sleep = sleep
        self._now = now
        self._base = URL(config.base_url or "")
        self._next_at = float("-inf")

    async def poll(self, intake: Intake) -> None:
        """Finish the export that runs, or make one when it is time; raises ``SourceUnavailable`` when it fails."""
        cursor = await intake.cursor(self.name)
        run = decode_run(cursor) if cursor else Run()
        if run.status is None:
            if self._now() < self._next_at:
                return
            run = await self._kick_off(intake, run)
        manifest = await self._finished(intake, run)
        if run.at not in (None, manifest.transaction_time):
            await self._forget(intake, run)
            raise SourceUnavailable("The export changed while it was read", where="$export", fix="It begins anew.")
        run = structs.replace(run, at=manifest.transaction_time)
        for number in range(run.file, len(manifest.files)):
            run = await self._file(intake, run, manifest, number)
        await intake.accept([], stream=self.name, cursor=Run(since=manifest.transaction_time).text)
        self._next_at = self._now() + self._config.export_seconds
        await self._tidy(run)

    async def _kick_off(self, intake: Intake, run: Run) -> Run:
        """Ask for an export and store where its state can be seen, before anything else."""
        level = {
            "system": self._base / "$export",
            "patient": self._base / "Patient" / "$export",
            "group": self._base / "Group" / (self._config.export_group or "") / "$export",
        }["system" if self._config.profile == "gateway" else self._config.export_level]
        query = {"_outputFormat": "application/fhir+ndjson", "_type": ",".join(self._types)}
        if run.since:
            query["_since"] = run.since
        headers = {"Accept": "application/fhir+json", "Prefer": "respond-async"}
        answer = await self._client.request("GET", level.with_query(query), expect=(202,), headers=headers)
        status = self._own(answer.headers.get("content-location", ""))
        started = Run(since=run.since, status=str(status), asked_at=self._now())
        await intake.accept([], stream=self.name, cursor=started.text)
        return started

    async def _finished(self, intake: Intake, run: Run) -> Manifest:
        """Wait for the manifest, asking no more often than the server wants."""
        status = self._own(run.status or "")
        wait = _FIRST_WAIT
        while True:
            answer = await self._client.request(
                "GET", status, expect=(200, 202, 404, 410, 500), headers={"Accept": "application/json"}
            )
            if answer.status == 200:
                try:
                    return decode_manifest(answer.body)
                except (msgspec.DecodeError, UnicodeDecodeError):
                    await self._forget(intake, run)
                    raise SourceUnavailable("The server's export manifest cannot be read", where="$export") from None
            if answer.status != 202:
                await self._forget(intake, run, _issues(answer))
                raise SourceUnavailable(f"The export failed (status {answer.status})", where="$export")
            if self._now() - run.asked_at > self._config.export_patience_seconds:
                await self._tidy(run)
                await self._forget(intake, run)
                raise SourceUnavailable("The export took longer than export_patience_seconds", where="$export")
            await self._sleep(_asked(answer, wait))
            wait = min(wait * 2, _LONGEST_WAIT)

    async def _file(self, intake: Intake, run: Run, manifest: Manifest, number: int) -> Run:
        """Store one file from the line on that is not stored yet; returns the place behind it."""
        file = manifest.files[number]
        start = run.line if number == run.file else 0
        lines = Lines(self._config.max_resource_bytes, where=f"file {number + 1} line", when=manifest.transaction_time)
        async with self._client.stream(self._own(file.url), headers=_NDJSON) as pieces:
            async for items, findings, line in _steps(pieces, lines, start):
                run = structs.replace(run, file=number, line=line)
                await self._store(intake, items, findings, run)
        if file.count is not None and lines.number < file.count:
            raise SourceUnavailable(
                "A file of the export is shorter than its manifest says", where=f"file {number + 1}"
            )
        run = structs.replace(run, file=number + 1, line=0)
        await intake.accept([], stream=self.name, cursor=run.text)
        return run

    async def _store(self, intake: Intake, items: Sequence[Item], findings: Sequence[Finding], run: Run) -> None:
        """Store one step once there is room; ``Backpressure`` when there was none for a quarter of an hour."""
        for _ in range(int(_ROOM_PATIENCE / _ROOM_WAIT)):
            try:
                await intake.accept(items, stream=self.name, cursor=run.text, findings=findings)
            except Backpressure:
                await self._sleep(_ROOM_WAIT)
            else:
                return
        await intake.accept(items, stream=self.name, cursor=run.text, findings=findings)

    async def _forget(self, intake: Intake, run: Run, findings: Sequence[Finding] = ()) -> None:
        """Let go of an export that cannot be used; the next one begins where this one began."""
        await intake.accept([], stream=self.name, cursor=Run(since=run.since).text, findings=findings)

    async def _tidy(self, run: Run) -> None:
        """Tell the server that its files may go; when it does not listen they expire by themselves."""
        try:
            await self._client.request("DELETE", self._own(run.status or ""), expect=(200, 202, 204, 404, 405))
        except GatewayError:
            return

    def _own(self, link: str) -> URL:
        """An address that the server named, which must be its own."""
        try:
            url = self._base.join(URL(link, encoded=True))
            origin = url.origin()
        except ValueError:
            raise SourceUnavailable("The server named no usable address", where="$export") from None
        if not link or origin != self._base.origin() or url.user is not None:
            raise SourceUnavailable("The server named an address of another place", where="$export")
        return url


async def _steps(
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
    async for piece in pieces:
        for cut in lines.feed(piece):
            yield cut
    for cut in lines.end():
        yield cut


def _asked(answer: Answer, wait: float) -> float:
    """Seconds until the next look: what the server asked for within reason, else a growing pause."""
    text = answer.headers.get("retry-after", "")
    return min(float(text), _LONGEST_WAIT) if re.fullmatch(r"\d{1,6}(\.\d{1,3})?", text, re.ASCII) else wait


def _issues(answer: Answer) -> list[Finding]:
    try:
        return outcome(answer.body).findings("$export")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return []
