"""A folder in which a system leaves files."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from gateway.testing.simulated_folder import SimulatedFolder


def test_every_third_file_is_cut_and_comes_again_where_that_is_asked_for() -> None:
    """Files appear whole under the names of their maker; faults show in the third, and the folder goes at the end."""
    left: dict[str, bytes] = {}
    seen: list[Path] = []

    def files(seed: int, size: int) -> Iterator[tuple[str, bytes]]:
        for number in count(1):
            if number == 4:
                left.update((path.name, path.read_bytes()) for path in seen[0].iterdir())
                serving.cancel()
            yield f"{number}.txt", b"%d" % seed * size

    async def main() -> None:
        nonlocal serving
        system = SimulatedFolder("place", "A place.", files, {"patterns": "*.txt"})
        system.seconds = 0.0
        serving = asyncio.create_task(
            system.serve(
                host="", port=0, seed=7, clinic_size=4, faults=("cut-file", "repeats"),
                opened=lambda told: seen.append(Path(told["folder"])) or told["patterns"],
            )
        )  # fmt: skip
        await asyncio.wait([serving], timeout=30)

    serving: asyncio.Task[None]
    asyncio.run(main())
    assert left == {"1.txt": b"7777", "2.txt": b"7777", "3.txt": b"77", "3-again.txt": b"7777"}
    assert not seen[0].exists()
