"""Systems that leave files in a folder: under its name a file appears only when it is whole."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path


def leave(path: Path, content: bytes) -> None:
    """Put a file where it is taken, as an uploader does: whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(content)
    part.rename(path)


class SimulatedFolder:
    """A system as ``gateway simulate`` runs it: a new folder in which one file after another appears.

    Args:
        name: of the simulator.
        summary: what it is.
        files: names and contents without end, by seed and size of the clinic.
        settings: what a source needs besides ``folder``.
    """

    faults: Mapping[str, str] = {
        "cut-file": "leaves every third file cut in the middle",
        "repeats": "leaves every third file twice, under two names",
    }
    lasting = frozenset({"cut-file"})
    seconds = 5.0
    """Between two files."""

    def __init__(
        self,
        name: str,
        summary: str,
        files: Callable[[int, int], Iterator[tuple[str, bytes]]],
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.summary = summary
        self._files = files
        self._settings = settings or {}

    async def serve(
        self, *, host: str, port: int, seed: int, clinic_size: int, faults: Sequence[str],
        opened: Callable[[Mapping[str, str]], None],
    ) -> None:  # fmt: skip
        """Leave files until cancelled; the folder and what is in it go with the simulator."""
        del host, port  # files arrive in a folder
        with tempfile.TemporaryDirectory(prefix=f"{self.name}-") as place:
            opened({"folder": place, **self._settings})
            for number, (name, whole) in enumerate(self._files(seed, clinic_size), 1):
                path = Path(place) / name
                third = number % 3 == 0
                leave(path, whole[: len(whole) // 2] if third and "cut-file" in faults else whole)
                if third and "repeats" in faults:
                    leave(path.with_stem(f"{path.stem}-again"), whole)
                await asyncio.sleep(self.seconds)
