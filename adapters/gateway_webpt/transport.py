"""The only I/O of this adapter: the mailbox of the Standard Extract, a folder for files, and uploads over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakValueDictionary

import msgspec
import structlog

from gateway.errors import RejectMessage
from gateway.model.exchange import Finding, Intake, Transport
from gateway.transport.file_drop import FileDrop, dropped, hand_in
from gateway.transport.polling import Poller, Rhythm
from gateway.transport.sftp import RemoteFile, SftpAccount
from gateway.transport.sftp_inbox import SftpInbox
from gateway.transport.uploads import Uploads, uploads
from gateway_webpt.config import WebptConfig
from gateway_webpt.records import Opened, Origin, open_file, origin_of
from gateway_webpt.transport_nights import ANY, Memory, Night, Seen, late

T = TypeVar("T")
Clock = Callable[[], datetime]
SEEN, DIGESTS = "nights", "files"
_MOST_DIGESTS = 400
_HELD = 64 * 1024 * 1024
"""A file whose name has no night is held up to this size, to know before it is read whether it came before."""

_TURNS: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
"""The lock of each source's files, as long as one of its ways is there."""

_log = structlog.get_logger(__name__)


def utc_now() -> datetime:
    """The time, for everyone who is not testing."""
    return datetime.now(UTC)


def transports(name: str, config: WebptConfig) -> Sequence[Transport]:
    """The mailbox and the drop folder, whichever is configured."""
    found: list[Transport] = []
    if config.sftp is not None:
        found.append(Mailbox(name, config, config.sftp))
    if config.folder is not None:
        found.append(Dropped(name, config, config.folder))
    return found


class Extracts:
    """Brings one source's files in, one after another, with what is remembered of earlier nights.

    Whatever way a file comes by, it waits for those of the source's other ways: two nights of one table that are read
    side by side would both be compared with the night before.
    """

    def __init__(self, name: str, config: WebptConfig, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._one = _TURNS.setdefault(name, asyncio.Lock())

    async def take(self, intake: Intake, name: str, modified: float, pieces: Iterator[bytes]) -> tuple[int, int]:
        """Store what one file changes; how many messages and findings that was.

        Raises ``MalformedEnvelope`` when it is no table.
        """
        async with self._one:
            origin = origin_of(name, self._config.tables)
            digests = await _state(intake, DIGESTS, list[str], [])
            if not origin.night:
                pieces, digest = await asyncio.to_thread(_held, pieces)
                if digest in digests:
                    _log.warning("extract-repeated", what=origin.table)
                    return 0, 0
                digests = [*digests[1 - _MOST_DIGESTS :], digest] if digest else digests
                day = datetime.fromtimestamp(modified, UTC).strftime("%Y-%m-%dT%H:%M:%S")
                origin = msgspec.structs.replace(origin, night=day)
            opened = await asyncio.to_thread(open_file, pieces, self._config, origin)
            stored = (0, 0) if opened is None else await self._bring(intake, opened, origin)
            await intake.accept([], stream=DIGESTS, cursor=_cursor(digests))
            return stored

    async def _bring(self, intake: Intake, opened: Opened, origin: Origin) -> tuple[int, int]:
        table = opened.shape.context.table + opened.shape.context.twin
        night = Night(opened, await _state(intake, f"table:{table}", Memory, Memory()), self._config)
        stored, told = await hand_in(intake, night.parts())
        items, findings, memory = night.after()
        for finding in findings:
            _log.warning(finding.reason, what=f"{table} {origin.night}")
        for start in range(0, len(items), 500):
            last = start + 500 >= len(items)
            stream, cursor = (f"table:{table}", _cursor(memory)) if last else ("", None)
            await intake.accept(
                items[start : start + 500], stream=stream, cursor=cursor, findings=findings if last else ()
            )
        if night.is_newer:
            seen = await _state(intake, SEEN, Seen, Seen())
            for name in (table, ANY):
                seen.at[name], seen.night[name] = self._clock(), origin.night
            await intake.accept([], stream=SEEN, cursor=_cursor(seen))
        return stored + len(items), told + len(findings)

    async def watch(self, intake: Intake) -> None:
        """Raise the alarm for what should have come by now."""
        async with self._one:
            seen = await _state(intake, SEEN, Seen, Seen())
            begun = not seen.at
            if begun:
                seen.at[ANY] = self._clock()
            findings = late(seen, self._clock(), self._config)
            for finding in findings:
                _log.warning(finding.reason, what=finding.where)
            if begun or findings:
                await intake.accept([], stream=SEEN, cursor=_cursor(seen), findings=findings)


class Watched:
    """The alarm, as a stream beside the files: it is raised while the mailbox does not answer, too."""

    name = "alarm"

    def __init__(self, extracts: Extracts) -> None:
        self._extracts = extracts

    async def poll(self, intake: Intake) -> None:
        """Look at the clock."""
        await self._extracts.watch(intake)


class Mailbox:
    """Looks into the mailbox again and again."""

    def __init__(self, name: str, config: WebptConfig, account: SftpAccount, clock: Clock = utc_now) -> None:
        self._name, self._config, self._account, self._clock = name, config, account, clock

    async def run(self, intake: Intake, opened: Callable[[], None]) -> None:
        """Poll until cancelled."""
        config = self._config
        extracts = Extracts(self._name, config, self._clock)

        async def handle(file: RemoteFile, pieces: Iterator[bytes]) -> None:
            await extracts.take(intake, file.name, file.modified, pieces)

        inbox = SftpInbox(
            "mailbox", self._account, config.sftp_folder, config.patterns, handle,
            after=config.after, archive=config.archive_folder, settle=config.settle_seconds,
        )  # fmt: skip
        opened()
        await Poller(self._name, [inbox, Watched(extracts)], Rhythm(interval=config.poll_seconds)).run(intake)


class Dropped:
    """Takes files out of a folder."""

    def __init__(self, name: str, config: WebptConfig, folder: Path, clock: Clock = utc_now) -> None:
        self._name, self._config, self._folder, self._clock = name, config, folder, clock

    async def run(self, intake: Intake, opened: Callable[[], None]) -> None:
        """Watch until cancelled."""
        extracts = Extracts(self._name, self._config, self._clock)

        async def handle(path: Path) -> None:
            modified = await asyncio.to_thread(lambda: path.stat().st_mtime)
            try:
                await extracts.take(intake, path.name, modified, dropped(path))
            except RejectMessage as error:  # beside the note in the folder, the quarantine tells of it too
                told = Finding(reason=error.reason, what=error.what, where=error.where, fix=error.fix)
                await intake.accept([], findings=[told])
                raise

        opened()
        poll = max(self._config.settle_seconds, 0.05)
        await FileDrop(self._folder, self._config.patterns, handle, poll=poll).run()


def receiver(name: str, config: WebptConfig, clock: Clock = utc_now) -> Uploads | None:
    """The receiver of uploads, where a token is set; a file whose name has no night is of the time it comes."""
    extracts = Extracts(name, config, clock)

    async def taken(intake: Intake, data: bytes, file: str) -> tuple[int, int]:
        return await extracts.take(intake, file, clock().timestamp(), iter([data]))

    return uploads(config.upload_token, taken)


def _held(pieces: Iterator[bytes]) -> tuple[Iterator[bytes], str]:
    """The whole file and its digest; a file too large to hold has none."""
    held: list[bytes] = []
    size, digest = 0, blake2b(digest_size=16)
    for piece in pieces:
        held.append(piece)
        digest.update(piece)
        size += len(piece)
        if size > _HELD:
            return _both(held, pieces), ""
    return iter(held), digest.hexdigest()


def _both(first: list[bytes], rest: Iterator[bytes]) -> Iterator[bytes]:
    yield from first
    yield from rest


async def _state(intake: Intake, stream: str, kind: type[T], empty: T) -> T:
    text = await intake.cursor(stream)
    return empty if text is None else msgspec.json.decode(text, type=kind)


def _cursor(value: Any) -> str:
    return msgspec.json.encode(value).decode()
