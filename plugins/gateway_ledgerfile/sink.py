"""The folder: a dispatch is files written whole, then lines in a list that says which journals were written."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import hashlib
import os
import re
from collections.abc import Callable, Sequence

import msgspec

from gateway.chart import Journal, journal
from gateway.errors import InvalidConfiguration
from gateway.model.exchange import HELD, Delivered, Delivery, Dispatch, Outcome, Retry
from gateway.transport.whole_file import sync_folder, write_all, write_whole
from gateway_ledgerfile.config import LedgerfileConfig
from gateway_ledgerfile.translate import iif, spreadsheet

LIST = "journals.ndjson"
_FORMS: dict[str, Callable[[Sequence[Journal]], bytes]] = {"csv": spreadsheet, "iif": iif}
_SAFE_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")


class Written(msgspec.Struct, frozen=True):
    """One line of the list: a journal that is in a file."""

    number: str
    dispatch: str


class JournalFolder:
    """One route's folder."""

    def __init__(self, route: str, config: LedgerfileConfig) -> None:
        self._config = config
        self._folder = config.folder
        self._turn = asyncio.Lock()
        self._list = -1
        place = f"routes.{route}.folder"
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
            self._list = os.open(self._folder / LIST, flags, 0o600)
            fcntl.flock(self._list, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._written = self._load(place)
            sync_folder(self._folder)
        except BlockingIOError:
            self._release()
            raise InvalidConfiguration(
                "Another route or process writes to this folder", where=place, fix="Give each route its own folder."
            ) from None
        except OSError as error:
            self._release()
            raise InvalidConfiguration(
                f"The folder cannot be written: {error.strerror}", where=place, fix="Check its path and permissions."
            ) from None

    def _load(self, place: str) -> dict[str, str]:
        """Journals written, with their dispatch; a last line that a crash cut off was never told to anybody."""
        data = (self._folder / LIST).read_bytes()
        whole, end, _ = data.rpartition(b"\n")
        os.ftruncate(self._list, len(whole) + len(end))
        try:
            lines = [msgspec.json.decode(line, type=Written) for line in whole.splitlines()]
        except msgspec.DecodeError:
            self._release()
            raise InvalidConfiguration(
                "The list of journals is damaged", where=place, fix=f"Restore {LIST} from a backup."
            ) from None
        return {line.number: line.dispatch for line in lines}

    async def deliver(self, dispatch: Dispatch) -> Sequence[Outcome]:
        """Write the files of a dispatch; all of it happens, or all of it is to be tried again."""
        async with self._turn:
            outcomes, journals = self._sorted(dispatch)
            if not journals:
                return outcomes
            try:
                told = await asyncio.to_thread(self._write, dispatch.id, journals)
            except OSError as error:
                full = error.errno in {errno.ENOSPC, errno.EDQUOT}
                return [Retry("disk-full" if full else "disk-error")] * len(outcomes)
            for one in journals:
                self._written[one.number] = dispatch.id
            return [Delivered(told) if one is _GOES else one for one in outcomes]

    def _sorted(self, dispatch: Dispatch) -> tuple[list[Outcome], list[Journal]]:
        """What goes into the files; a journal of an earlier dispatch does not go again, nor a reversal of nothing."""
        outcomes: list[Outcome] = []
        journals: list[Journal] = []
        blocked: set[str] = set()
        here: set[str] = set()
        for one in dispatch.deliveries:
            made = HELD if one.order in blocked else journal(one, self._config)
            if isinstance(made, Journal):
                if self._written.get(made.number, dispatch.id) != dispatch.id:
                    made = Delivered(f"{made.number} written before")
                elif made.reverses and made.reverses not in self._written and made.reverses not in here:
                    made = Delivered("nothing to reverse: it was never written")
                else:
                    journals.append(made)
                    here.add(made.number)
                    made = _GOES
            elif not isinstance(made, Delivered):
                blocked.add(one.order)
            outcomes.append(made)
        return outcomes, journals

    def _write(self, dispatch: str, journals: Sequence[Journal]) -> str:
        """Files first, each synced and named, then their lines in the list; gives the receipt."""
        names = []
        for form in self._config.forms:
            body = _FORMS[form](journals)
            stem = dispatch if _SAFE_NAME.fullmatch(dispatch) else hashlib.sha256(dispatch.encode()).hexdigest()
            name = f"journals-{stem}.{form}"
            write_whole(self._folder / name, body)
            names.append(f"{name} sha256:{hashlib.sha256(body).hexdigest()}")
        sync_folder(self._folder)
        fresh = [Written(one.number, dispatch) for one in journals if one.number not in self._written]
        start = os.fstat(self._list).st_size
        try:
            write_all(self._list, b"".join(msgspec.json.encode(one) + b"\n" for one in fresh))
            os.fsync(self._list)
        except OSError:
            os.ftruncate(self._list, start)  # half a line would be damage at the next start
            raise
        return " ".join(names)

    async def probe(self, delivery: Delivery) -> Outcome:  # noqa: ARG002  # the contract's signature
        """A file is there or not, so nothing is ever ambiguous: writing again settles it."""
        return Retry("written-again")

    async def close(self) -> None:
        """Let the folder go, after a dispatch that is being written."""
        async with self._turn:
            self._release()

    def _release(self) -> None:
        held, self._list = self._list, -1
        if held >= 0:
            os.close(held)


_GOES = Delivered("goes into the files of this dispatch")
"""Stands for the receipt until the files are there."""
