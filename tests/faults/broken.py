"""Broken builds: the gateway with one line said otherwise, as `broken.toml` lists them, inside a running process.

The source of one function is changed and compiled anew, and the function gets the new code: whoever imported it has
the broken one too. A build whose line is no longer there is an error, so the list cannot outlive what it is about.
"""

from __future__ import annotations
import __future__

import inspect
import os
import textwrap
import tomllib
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import FunctionType

ENVIRONMENT = "GATEWAY_BROKEN_BUILD"
"""Names the build that a started gateway is to be."""
RUNS = "GATEWAY_BROKEN_RUNS"
"""Names the program that is run on it, where that is not the gateway's command line."""
PROGRAM = str(Path(__file__).with_name("broken_build.py"))


@dataclass(frozen=True)
class Build:
    """One row of ``broken.toml``, which says what its columns mean."""

    name: str
    faults: tuple[int, ...]
    place: str
    old: str
    new: str
    dies_in: str
    slow: bool = False

    def apply(self) -> tuple[FunctionType, object]:
        """Break this process; the function, and the code it had."""
        found = self._function()
        namespace = dict(found.__globals__)
        flags = __future__.annotations.compiler_flag
        changed = compile(self.apply_to_source(), inspect.getfile(found), "exec", flags=flags)
        exec(changed, namespace)
        before = found.__code__
        found.__code__ = namespace[found.__name__].__code__
        return found, before

    def apply_to_source(self) -> str:
        """The function's source with the line replaced; ``LookupError`` when it does not stand there once."""
        source = textwrap.dedent(inspect.getsource(self._function()))
        if source.count(self.old) != 1:
            raise LookupError(
                f"{self.place} no longer holds the line that {self.name} replaces, or holds it twice."
                " Fix: break the function anew in tests/faults/broken.toml."
            )
        return source.replace(self.old, self.new)

    def _function(self) -> FunctionType:
        module, _, path = self.place.partition(":")
        found = import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
        assert isinstance(found, FunctionType)
        return found


def builds() -> dict[str, Build]:
    """All of them by name."""
    rows = tomllib.loads(Path(__file__).with_name("broken.toml").read_text("utf-8"))["build"]
    made = [Build(**row | {"faults": tuple(row["faults"])}) for row in rows]
    found = {one.name: one for one in made}
    assert len(found) == len(made), "two broken builds have one name"
    return found


def program() -> str | None:
    """What a deployment starts instead of the gateway, if it is to be a broken build."""
    return PROGRAM if ENVIRONMENT in os.environ else None
