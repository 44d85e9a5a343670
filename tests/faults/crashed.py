"""What kill -9 leaves at each writing statement of some work: the files as they are when the statement begins.

The page cache outlives a process, so a copy of the files is what the next process finds; what the power takes with it
is the matter of `disk.py`.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event


class Crashes:
    """Copies of a folder, one for each statement that writes."""

    def __init__(self, folder: Path, into: Path) -> None:
        self._folder = folder
        self._into = into
        self.count = 0

    def before(self, statement: str) -> None:
        """The process could end here; a question changes nothing."""
        if not statement.lstrip().lower().startswith(("select", "pragma")):
            shutil.copytree(self._folder, self._into / str(self.count))
            self.count += 1

    def watch(self, engine: Engine) -> None:
        """Copy before each statement of an engine."""

        def executing(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
            self.before(statement)

        event.listen(engine, "before_cursor_execute", executing)

    def some(self, most: int) -> Iterator[Path]:
        """At most so many of the copies, from the first to the last, evenly apart."""
        step = max(1, -(-self.count // most))
        for number in sorted({*range(0, self.count, step), self.count - 1}):
            yield self._into / str(number)
