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
from collections.abc import Awaitable, Callable, Sequence
from email.utils import parsedate_to_datetime

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
from gateway_fhir.transport_file import steps

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
        files: HttpClient | None = None,
        sleep: Sleep = asyncio.sleep,
        now: Callable[[], float] = time.time,
    ) -> None:
        """``files`` fetches, without our token, files that need none; a signed address is refused with one."""
        self._types = types
        self._files = files or client
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
            try:
                run = await self._file(intake, run, manifest, number)
            except SourceUnavailable as error:
                late = self._now() - run.asked_at > self._config.export_patience_seconds
                if error.refused or late:  # servers let files go sooner than what tells of them
                    await self._forget(intake, run)
                raise
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
        status = self._own(answer.headers.get("content-location", ""), level)
        started = Run(since=run.since, status=str(status), asked_at=self._now())
        await intake.accept([], stream=self.name, cursor=started.text)
        return started

    async def _finished(self, intake: Intake, run: Run) -> Manifest:
        """Wait for the manifest, asking no more often than the server wants."""
        status = self._own(run.status or "", self._base)
        wait = _FIRST_WAIT
        while True:
            try:
                answer = await self._client.request(
                    "GET", status, expect=(200, 202, 404, 410, 500), headers={"Accept": "application/json"}
                )
            except SourceUnavailable as error:
                if error.refused:  # asked again, it would refuse again
                    await self._forget(intake, run)
                raise
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
            await self._sleep(_asked(answer, wait, self._now()))
            wait = min(wait * 2, _LONGEST_WAIT)

    async def _file(self, intake: Intake, run: Run, manifest: Manifest, number: int) -> Run:
        """Store one file from the line on that is not stored yet; returns the place behind it."""
        file = manifest.files[number]
        start = run.line if number == run.file else 0
        lines = Lines(self._config.max_resource_bytes, where=f"file {number + 1} line", when=manifest.transaction_time)
        place, client = self._file_of(manifest, file.url, URL(run.status or "", encoded=True))
        async with client.stream(place, headers=_NDJSON) as pieces:
            async for items, findings, line in steps(pieces, lines, start):
                run = structs.replace(run, file=number, line=line)
                await self._store(intake, items, findings, run)
        if self._config.check_totals and file.count is not None and lines.number < file.count:
            raise SourceUnavailable(
                "A file of the export is shorter than its manifest says", where=f"file {number + 1}",
                fix="If its counts are estimates, set check_totals = false.",
            )  # fmt: skip
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
            await self._client.request(
                "DELETE", self._own(run.status or "", self._base), expect=(200, 202, 204, 404, 405)
            )
        except GatewayError:
            return

    def _file_of(self, manifest: Manifest, link: str, near: URL) -> tuple[URL, HttpClient]:
        """Where a file is, at the server or at one of ``file_servers``, and who fetches it."""
        place = self._own(link, near, [URL(one).origin() for one in self._config.file_servers])
        return place, self._client if manifest.requires_access_token else self._files

    def _own(self, link: str, near: URL, others: Sequence[URL] = ()) -> URL:
        """An address that the server named in an answer of ``near``, which must be its own or one of ``others``."""
        try:
            url = near.join(URL(link, encoded=True))
            origin = url.origin()
        except ValueError:
            raise SourceUnavailable("The server named no usable address", where="$export") from None
        if not link or url.user is not None or origin not in (self._base.origin(), *others):
            raise SourceUnavailable(
                "The server named an address of another place", where="$export",
                fix="Files of an export kept elsewhere need that place among file_servers; ask the server's operator.",
            )  # fmt: skip
        return url


def _asked(answer: Answer, wait: float, now: float) -> float:
    """Seconds until the next look: what the server asked for (RFC 9110) within reason, else a growing pause."""
    text = answer.headers.get("retry-after", "")
    if re.fullmatch(r"\d{1,6}(\.\d{1,3})?", text, re.ASCII):
        return min(float(text), _LONGEST_WAIT)
    try:
        until = parsedate_to_datetime(text).timestamp() - now
    except (ValueError, OverflowError):
        return wait
    return min(max(until, 1.0), _LONGEST_WAIT)


def _issues(answer: Answer) -> list[Finding]:
    try:
        return outcome(answer.body).findings("$export")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return []
