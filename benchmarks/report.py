"""What a measurement says, and how it is written down: JSON for programs, a Markdown table for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

Value = str | int | float
Row = dict[str, Value]


class Asked(msgspec.Struct, frozen=True):
    """A figure that was asked for, what was measured in this run, and whether it was reached."""

    work: str
    asked: str
    measured: str
    reached: bool


class Section(msgspec.Struct, frozen=True):
    """One kind of work: everyone's figures side by side, and the figures asked for."""

    name: str
    title: str
    rows: Sequence[Row]
    asked: Sequence[Asked] = ()
    notes: Sequence[str] = ()
    run: str = ""
    """When it was measured, how busy the machine was before, and how much of the work was done when not all."""


class Results(msgspec.Struct, frozen=True):
    """What was measured, on the machine of the last run."""

    machine: dict[str, Value]
    sections: Sequence[Section]


def as_json(results: Results) -> str:
    """The run as JSON, indented."""
    return msgspec.json.format(msgspec.json.encode(results), indent=2).decode() + "\n"


def as_markdown(results: Results) -> str:
    """The run as a page: the machine, what was asked and measured, then each kind of work."""
    asked = [(one, section.run) for section in results.sections for one in section.asked]
    parts = [
        "# Measured",
        (
            "Written by `make bench`, or by parts with `--only NAMES --write`: in each part everyone runs on one "
            "machine in turns, on the same seeded corpus. Compare ratios and shapes rather than absolute figures of"
            " different machines."
        ),
        _table([{"machine": name, "": value} for name, value in results.machine.items()]),
        "## Asked and measured",
        _table(
            {
                "work": one.work,
                "asked": one.asked,
                "measured": one.measured,
                "reached": "yes" if one.reached else "no",
                "run": run,
            }
            for one, run in asked
        ),
    ]
    for section in results.sections:
        parts += [f"## {section.title}", _table(section.rows), *section.notes]
    return "\n\n".join(part for part in parts if part) + "\n"


def write(results: Results, folder: Path, order: Sequence[str]) -> None:
    """``results.json`` and ``RESULTS.md``; parts that were not measured this time stand as they were.

    ``order`` names all parts as they are to follow one another.
    """
    file = folder / "results.json"
    kept = msgspec.json.decode(file.read_bytes(), type=Results).sections if file.exists() else ()
    sections = {section.name: section for section in (*kept, *results.sections)}
    results = Results(results.machine, [sections[name] for name in order if name in sections])
    file.write_text(as_json(results), encoding="utf-8")
    (folder / "RESULTS.md").write_text(as_markdown(results), encoding="utf-8")


def shown(value: Value) -> str:
    """A figure as people read it: three digits, thousands apart."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _table(rows: Iterable[Row]) -> str:
    kept = list(rows)
    columns = list(dict.fromkeys(name for row in kept for name in row))
    if not columns:
        return ""
    lines = [columns, ["---"] * len(columns), *([shown(row.get(name, "")) for name in columns] for row in kept)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
