"""The file: one signed head after the other."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence

from gateway.errors import IntegrityViolated, RetryLater
from gateway.model.exchange import SignedHead
from gateway.transport.whole_file import add_line
from gateway_witness_file.config import FileWitnessConfig

_NOTE = re.compile(
    r"^(?P<origin>[^\n+ ]+)\n(?P<size>0|[1-9][0-9]{0,17})\n[A-Za-z0-9+/]{43}=\n\n"
    r"(?:\N{EM DASH} [^ \n]+ [A-Za-z0-9+/=]+\n)+",
    re.MULTILINE,
)


class AppendedFile:
    """Appends heads and reads them back."""

    def __init__(self, name: str, config: FileWitnessConfig) -> None:
        self._where = f"witnesses.{name}.path"
        self._path = config.path
        self._kept: dict[str, int] = {}
        """The newest size that was kept here, by log."""

    async def keep(self, head: SignedHead) -> None:
        """Append a head and sync it, unless the file has a longer log already."""
        await asyncio.to_thread(self._keep, head)

    async def heads(self, origin: str) -> Sequence[str]:
        """Every whole note about one log."""
        return [note for note, _ in await asyncio.to_thread(self._notes, origin)]

    def _keep(self, head: SignedHead) -> None:
        newest = max((size for _, size in self._notes(head.origin)), default=0)
        if newest > head.size:
            raise IntegrityViolated(f"The file has seen {newest} entries of this log", where=self._where)
        if newest < self._kept.get(head.origin, 0):
            raise IntegrityViolated(
                "The file has lost heads that it was given", where=self._where,
                fix="Put it back; or find out who took them. The next start asks for an acknowledgement.",
            )  # fmt: skip
        if newest == head.size:
            self._kept[head.origin] = newest
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            add_line(self._path, head.note, torn=" (torn)", follow=True)
        except OSError as error:
            raise RetryLater(
                f"The witness file cannot be written: {type(error).__name__}", where=self._where,
                fix="Check that the folder is mounted and has room.",
            ) from None  # fmt: skip
        self._kept[head.origin] = head.size

    def _notes(self, origin: str) -> list[tuple[str, int]]:
        try:
            text = self._path.read_text("utf-8", errors="replace")
        except FileNotFoundError:
            return []
        except OSError as error:
            raise RetryLater(f"The witness file cannot be read: {type(error).__name__}", where=self._where) from None
        return [(found[0], int(found["size"])) for found in _NOTE.finditer(text) if found["origin"] == origin]
