"""What a path reader needs to write itself into a generated function instead of being called."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Writer(Protocol):
    """What generates the function around the reading."""

    def fresh(self) -> str:
        """A variable that is not used yet."""

    def constant(self, value: object) -> str:
        """The name of an object in the function's globals."""

    def line(self, line: str) -> None:
        """Add one line."""

    def once(self, record: str, what: object, write: Callable[[], str]) -> str:
        """The variable that holds ``what`` of a record, filled where the record begins."""


def assigned(writer: Writer, expression: str) -> str:
    """Add a line that names what an expression gives; the name."""
    name = writer.fresh()
    writer.line(f"{name} = {expression}")
    return name
