"""The folder: a dispatch is files written whole, then lines in a list that says which journals were written."""

from __future__ import annotations

import asyncio
import hashlib
import re
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from gateway.chart import Journal, journal
from gateway.errors import InvalidConfiguration
from gateway.model.exchange import HELD, Delivered, Delivery, Dispatch, Outcome, Retry
from gateway.transport.locked_lines import LockedLines
from gateway.transport.manifest import disk_word, taking
from gateway.transport.whole_file import sync_folder, write_whole
from gateway_ledgerfile.config import LedgerfileConfig
from gateway_ledgerfile.translate import iif, spreadsheet

LIST = "journals.ndjson"
_FORMS: dict[str, Callable[[Sequence[Journal]], bytes]] = {"csv": spreadsheet, "iif": iif}
_SAFE_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")


class Written(msgspec.Struct, frozen=True):
    """One line of the list: a journal that is in a file."""

    number: str
    dispatch: str


class JournalList:
    """Which journals are in files, and of which dispatch."""

    def __init__(self, path: Path, place: str) -> None:
        self._lines = LockedLines(path)
        try:
            kept = [msgspec.json.decode(line, type=Written) for line in self._lines.whole()]
        except msgspec.DecodeError:
            self._lines.close()
            raise InvalidConfiguration(
                "The list of journals is damaged", where=place, fix=f"Restore {LIST} from a backup."
            ) from None
        except OSError:
            self._lines.close()
            raise
        self._dispatches = {line.number: line.dispatch for line in kept}

    def dispatch_of(self, number: str) -> str | None:
        """The dispatch in whose files a journal is; None when it is in none."""
        return self._dispatches.get(number)

    def settle(self) -> None:
        """Cut off what a failed append may have left."""
        self._lines.settle()

    def append(self, numbers: Iterable[str], dispatch: str) -> None:
        """List journals whose files are on disk."""
        fresh = [Written(number, dispatch) for number in numbers]
        self._lines.append(b"".join(msgspec.json.encode(one) + b"\n" for one in fresh))
        self._dispatches.update((one.number, dispatch) for one in fresh)

    def close(self) -> None:
        """Let go of the list."""
        self._lines.close()


class JournalFolder:
    """One route's folder."""

    def __init__(self, route: str, config: LedgerfileConfig) -> None:
        self._config = config
        self._folder = config.folder
        self._turn = threading.Lock()  # held by the writing thread, so that a cancelled caller does not free it
        place = f"routes.{route}.folder"
        with taking(self._folder, place):
            self._list = JournalList(self._folder / LIST, place)

    async def deliver(self, dispatch: Dispatch) -> Sequence[Outcome]:
        """Write the files of a dispatch; all of it happens, or all of it is to be tried again."""
        try:
            return await asyncio.to_thread(self._write, dispatch)
        except OSError as error:
            return [Retry(disk_word(error))] * len(dispatch.deliveries)

    def _write(self, dispatch: Dispatch) -> Sequence[Outcome]:
        with self._turn:
            self._list.settle()
            outcomes, journals = self._sorted(dispatch)
            if not journals:
                return outcomes
            told = Delivered(self._place(dispatch.id, journals))
            return [told if one is _GOES else one for one in outcomes]

    def _sorted(self, dispatch: Dispatch) -> tuple[list[Outcome], list[Journal]]:
        """What goes into the files; a journal of an earlier dispatch does not go again, nor a reversal of nothing."""
        outcomes: list[Outcome] = []
        journals: list[Journal] = []
        blocked: set[str] = set()
        here: set[str] = set()
        for one in dispatch.deliveries:
            made = HELD if one.order in blocked else journal(one, self._config)
            if isinstance(made, Journal):
                if self._list.dispatch_of(made.number) not in {None, dispatch.id}:
                    made = Delivered(f"{made.number} written before")
                elif made.reverses and self._list.dispatch_of(made.reverses) is None and made.reverses not in here:
                    made = Delivered("nothing to reverse: it was never written")
                else:
                    journals.append(made)
                    here.add(made.number)
                    made = _GOES
            elif not isinstance(made, Delivered):
                blocked.add(one.order)
            outcomes.append(made)
        return outcomes, journals

    def _place(self, dispatch: str, journals: Sequence[Journal]) -> str:
        """Files first, each synced and named, then their lines in the list; gives the receipt."""
        stem = dispatch if _SAFE_NAME.fullmatch(dispatch) else hashlib.sha256(dispatch.encode()).hexdigest()
        files = {f"journals-{stem}.{form}": _FORMS[form](journals) for form in self._config.forms}
        fresh = [one.number for one in journals if self._list.dispatch_of(one.number) is None]
        try:
            for name, body in files.items():
                write_whole(self._folder / name, body)
            sync_folder(self._folder)
            self._list.append(fresh, dispatch)
        except OSError:
            if len(fresh) == len(journals):
                self._take_away(files)
            raise
        return " ".join(f"{name} sha256:{hashlib.sha256(body).hexdigest()}" for name, body in files.items())

    def _take_away(self, names: Iterable[str]) -> None:
        """Files of which nothing is listed: the next attempt is another dispatch, in whose files the journals are."""
        with suppress(OSError):
            self._list.settle()  # while a line stands, its file stays
            for name in names:
                (self._folder / name).unlink(missing_ok=True)

    async def probe(self, delivery: Delivery) -> Outcome:  # noqa: ARG002  # the contract's signature
        """A file is there or not, so nothing is ever ambiguous: writing again settles it."""
        return Retry("written-again")

    async def close(self) -> None:
        """Let the folder go, after a dispatch that is being written."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        with self._turn:
            self._list.close()


_GOES = Delivered("goes into the files of this dispatch")
"""Stands for the receipt until the files are there."""
