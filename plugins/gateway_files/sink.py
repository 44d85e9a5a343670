"""The folder: files written whole or not at all, and a manifest that survives a crash at any point."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

from gateway.model.exchange import Delivered, Delivery, Dispatch, Outcome, Retry
from gateway.transport.manifest import Entry, disk_word, take_folder
from gateway.transport.row_files import File, files_of, raw_files
from gateway.transport.whole_file import sync_folder, write_whole
from gateway_files.config import FilesConfig


class FolderSink:
    """One route's folder."""

    def __init__(self, route: str, config: FilesConfig) -> None:
        self._config = config
        self._folder = config.folder
        self._turn = threading.Lock()  # held by the writing thread, so that a cancelled caller does not free it
        self._manifest = take_folder(self._folder, f"routes.{route}.folder")

    async def deliver(self, dispatch: Dispatch) -> Sequence[Outcome]:
        """Write the files of a dispatch; all of it happens, or all of it is to be tried again."""
        try:
            receipts = await asyncio.to_thread(self._write, dispatch)
        except OSError as error:
            return [Retry(disk_word(error))] * len(dispatch.deliveries)
        return [Delivered(receipts[one.type] + receipts.get(one.key, "")) for one in dispatch.deliveries]

    def _write(self, dispatch: Dispatch) -> dict[str, str]:
        """Files first, each synced and then named, then their lines in the manifest; gives a receipt per type.

        What was received as it was has a receipt per delivery, under its key.
        """
        receipts: dict[str, str] = {}
        fresh: list[Entry] = []
        with self._turn:
            self._manifest.settle()
            for type_name, file in files_of(dispatch, self._config.formats, self._config.columns):
                receipts.setdefault(type_name, file.receipt)
                fresh += self._fresh(dispatch.id, file)
            for key, file in raw_files(dispatch):
                receipts[key] = f" {file.receipt}"
                fresh += self._fresh(dispatch.id, file)
            if fresh:
                sync_folder(self._folder)
                self._manifest.append(fresh)
        return receipts

    def _fresh(self, dispatch: str, file: File) -> Sequence[Entry]:
        """Write a file unless the manifest has it; the line that is still to be added."""
        entry = Entry(file.name, dispatch, file.rows, len(file.body), file.sha256)
        if self._manifest.has(entry):
            return ()
        write_whole(self._folder / file.name, file.body)
        return (entry,)

    async def probe(self, delivery: Delivery) -> Outcome:  # noqa: ARG002  # the contract's signature
        """A file is there or not, so nothing is ever ambiguous: writing again settles it."""
        return Retry("written-again")

    async def close(self) -> None:
        """Let the folder go, after a dispatch that is being written."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        with self._turn:
            self._manifest.close()
