"""The table of faults: what is done, what proves it, and how it went. ``python -m tests.faults.table`` lists the tests.

A row is "passed" only when every test of it ran and passed; one that was skipped makes it "not run".
"""

from __future__ import annotations

import json
import textwrap
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.faults.broken import builds

TABLE = Path(__file__).with_name("table.toml")
HERE = "tests/faults/"
WIDTH = 118
INDENT = " " * 30
NOTICED = "tests/faults/test_broken_builds.py::test_a_broken_build_is_noticed"
"""The test that runs each broken build, with its name for a parameter."""


@dataclass(frozen=True)
class Fault:
    """One row; ``table.toml`` says what its columns mean."""

    number: int
    fault: str
    target: str
    tests: tuple[str, ...] = ()
    mutants: tuple[str, ...] = ()
    partly: str = ""
    not_run: str = ""

    @property
    def proofs(self) -> tuple[str, ...]:
        """Node ids of everything that must pass."""
        return self.tests + self.mutants + tuple(f"{NOTICED}[{name}]" for name in self.broken)

    @property
    def broken(self) -> tuple[str, ...]:
        """Names of the broken builds of ``broken.toml`` that this row's judgement must notice."""
        return tuple(name for name, build in builds().items() if self.number in build.faults)


def faults() -> list[Fault]:
    """All rows, by number."""
    rows = tomllib.loads(TABLE.read_text("utf-8"))["fault"]
    return [Fault(**{name: tuple(v) if isinstance(v, list) else v for name, v in row.items()}) for row in rows]


def result(fault: Fault, outcomes: Mapping[str, str]) -> str:
    """How a fault went, by the outcome of each test that was run: node id -> passed, failed or skipped."""
    if not fault.tests:
        return "not run"
    found = [_of(proof, outcomes) for proof in fault.proofs]
    if "failed" in found:
        return "failed"
    if found != ["passed"] * len(found):
        return "not run"
    return "passed in part" if fault.partly else "passed"


def took(fault: Fault, seconds: Mapping[str, float]) -> float:
    """Seconds that the tests of a row took, by node id; a test that serves several rows counts for each."""
    return sum(spent for proof in fault.proofs for name, spent in seconds.items() if _is(proof, name))


def _is(proof: str, name: str) -> bool:
    """Whether a node id is that test, with whatever parameters."""
    return name == proof or name.startswith((f"{proof}[", f"{proof}::"))


def _of(proof: str, outcomes: Mapping[str, str]) -> str:
    """The outcome of a test over all its parameters: one that was skipped is enough not to have been run."""
    said = {outcome for name, outcome in outcomes.items() if _is(proof, name)}
    return next((word for word in ("failed", "skipped", "passed") if word in said), "skipped")


def unproven() -> list[int]:
    """Rows whose judgement is shown by no broken build: nobody knows whether they can fail."""
    return [fault.number for fault in faults() if fault.tests and not (fault.mutants or fault.broken)]


def printed(outcomes: Mapping[str, str], seconds: Mapping[str, float]) -> Iterable[str]:
    """The table in lines, the target below its fault, and the reason below what was not run or not in full."""
    yield f"{'':4} {'result':14}  {'took':>7}  fault, and what must hold then"
    rows = faults()
    results = [result(fault, outcomes) for fault in rows]
    for fault, went in zip(rows, results, strict=True):
        yield f"F{fault.number:<3} {went:14}  {took(fault, seconds):5.0f} s  {fault.fault}"
        yield from _below(f"-> {fault.target}")
        reason = {"passed in part": fault.partly, "not run": fault.not_run or "a test was skipped or left out"}.get(
            went
        )
        if reason:
            yield from _below(f"({'not reached: ' if went == 'passed in part' else ''}{reason})")
    counts = ((word, results.count(word)) for word in ("passed", "passed in part", "not run", "failed"))
    yield ", ".join(f"{count} {word}" for word, count in counts if count) + f" in {sum(seconds.values()) / 60:.0f} min"


def _below(text: str) -> Iterable[str]:
    """Text under the column of the faults, in lines of a usual terminal."""
    return textwrap.wrap(text, WIDTH, initial_indent=INDENT, subsequent_indent=INDENT + "   ")


def as_json(outcomes: Mapping[str, str], seconds: Mapping[str, float]) -> str:
    """The same for programs."""
    rows = [
        {"fault": f"F{one.number}", "what": one.fault, "target": one.target, "result": result(one, outcomes),
         "tests": one.tests, "mutants": one.mutants, "broken": one.broken,
         "reason": one.partly or one.not_run, "seconds": round(took(one, seconds), 1)}
        for one in faults()
    ]  # fmt: skip
    return json.dumps(rows, indent=1)


if __name__ == "__main__":
    elsewhere = {proof for fault in faults() for proof in fault.proofs if not proof.startswith(HERE)}
    print("\n".join(sorted(elsewhere)))
