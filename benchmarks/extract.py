"""Take a table of any size as the mailbox does, and say how much memory that took: ``python -m benchmarks.extract``.

Arguments: size in bytes, folder of the gateway. What would be stored is normalized and let go.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import house, webpt_part
from benchmarks.million import resident_mb
from gateway.flow.source import Source
from gateway.model.exchange import Finding, Item, Receipt
from gateway.testing.recording_intake import RecordingIntake
from gateway_webpt.config import WebptConfig
from gateway_webpt.transport import Extracts, utc_now


class Passing(RecordingIntake):
    """Normalizes what it is handed and keeps only cursors."""

    def __init__(self, source: Source) -> None:
        super().__init__()
        self._source = source
        self.rows = 0

    async def accept(
        self, items: Sequence[Item], *, name: str = "", stream: str = "", cursor: str | None = None,
        findings: Sequence[Finding] = (),
    ) -> Sequence[Receipt]:  # fmt: skip
        """Read each message once."""
        await super().accept((), name=name, stream=stream, cursor=cursor, findings=findings)
        for item in items:
            self._source.normalize(item.body, item.context)
        self.rows += len(items)
        return [Receipt(0, repeat=False, conflict=False)] * len(items)


def main() -> None:
    """Print rows, seconds and memory as JSON."""
    size = int(sys.argv[1])
    with house.opened(Path(sys.argv[2])) as gateway:
        intake = Passing(gateway.sources[house.TENANT, house.PRACTICE])
        extracts = Extracts(WebptConfig(), utc_now)

        def taken(name: str, most: int) -> None:
            pieces = webpt_part.chunked(webpt_part.charges(), most)
            asyncio.run(extracts.take(intake, name, 0.0, pieces))

        for night in (
            "20260601",
            "20260602",
        ):  # as many rows as are remembered, compared with as many of a night before
            taken(f"charges_{night}.csv", min(size, 30_000_000))
        before, begin = resident_mb(), time.process_time()
        taken("charges_20260603.csv", size)
        seconds = time.process_time() - begin
    found = {"rows": intake.rows, "seconds": seconds, "resident_before_mb": before, "resident_mb": resident_mb()}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
