"""The adapter quality scale: its rules, what became of each for one adapter, and the tier that follows.

A tier is reached when every rule of it and of those below is passed or does not apply. A rule that was not run is never
taken for passed: it holds its tier back, except where it asks for what the core itself does not offer yet and the
scale says "where the core offers it".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec

Tier = Literal["none", "bronze", "silver", "gold", "platinum"]
State = Literal["passed", "failed", "not-run", "not-applicable"]
TIERS: tuple[Tier, ...] = ("bronze", "silver", "gold", "platinum")
SUITE = 3
"""Grows with every change that can turn a verdict."""
FAULT = "recovers-from-"
"""Each fault of the simulator is a rule of its own, whose name begins so."""
LYING = "survives-lying-source"
"""What a quality table says about all of them together."""


class Rule(msgspec.Struct, frozen=True):
    """One rule of the scale."""

    name: str
    tier: Tier
    promise: str
    where_offered: bool = False
    """Whether it waits for the core without holding back its tier."""


RULES = (
    Rule("golden-messages", "bronze", "Golden inputs become exactly the patches beside them, cut whole or in pieces."),
    Rule("capabilities-declared", "bronze", "Streams, types, gaps and rate are declared; nothing undeclared comes."),
    Rule("clear-errors", "bronze", "Unknown settings are refused, each is explained; broken input becomes findings."),
    Rule("docs-page", "bronze", "A page shows a source with it, numbered steps to set it up, limits and gaps."),
    Rule("full-sync", "silver", "The simulated clinic arrives, and each message of it can be read."),
    Rule("polls-incrementally", "silver", "A change arrives, and does not bring everything again."),
    Rule("same-bytes-same-patches", "silver", "Messages mean the same in any order, and change nothing again."),
    Rule("pages-without-gaps", "silver", "What moves between pages while they are read is neither lost nor stale."),
    Rule("cursor-moves-with-storage", "silver", "What the store could not take comes again."),
    Rule("clock-skew", "silver", "Changes arrive while the vendor's clock is an hour late, early, right again."),
    Rule("stays-within-rate-budget", "gold", "The simulator's own count finds no request too many under pressure."),
    Rule("quarantine-quality", "gold", "300 spoiled messages are understood, or refused with reason, place and cure."),
    Rule("errors-hold-no-values", "gold", "No value of a patient is in logs, output, errors or files."),
    Rule("reads-deletions", "gold", "What is deleted at the source is removed here."),
    Rule(
        "authoritative-sweep", "gold",
        "What vanished from a full list is removed, once; lists that end early or break remove nothing.",
    ),
    Rule(
        "drift-found", "gold", "At the event `drift` a field changes its form: it is told and held, the rest goes on.",
        where_offered=True,
    ),
    Rule("speed-floor", "gold", "Messages are cut and understood at 500 in a second of one core, or faster."),
    Rule("erasure", "platinum", "Nothing of a shredded patient comes back when all is read and handed in anew."),
    Rule("resumes-after-kill", "platinum", "A back-fill goes on after `kill -9`; records equal those of one go."),
)  # fmt: skip
RECOVERS = Rule(f"{FAULT}<fault>", "silver", "After each fault of the simulator all records are as without it.")
"""What is asked of each fault."""


class Result(msgspec.Struct, frozen=True):
    """What became of one rule."""

    rule: str
    tier: Tier
    state: State
    why: str = ""
    """Why it failed, was not run, or does not apply: without any value from a message, and the same each time."""


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """What the suite found about one adapter; the same each time for the same adapter, simulator and suite."""

    adapter: str
    version: str
    api: int
    suite: int = SUITE
    tier: Tier
    results: tuple[Result, ...]
    disagreements: tuple[str, ...]
    """Where ``quality.toml`` says something else than was found."""


def passed(rule: str) -> Result:
    """The rule is kept."""
    return Result(rule, tier_of(rule), "passed")


def failed(rule: str, why: str) -> Result:
    """The rule is broken."""
    return Result(rule, tier_of(rule), "failed", why)


def not_run(rule: str, why: str) -> Result:
    """Whether the rule is kept could not be found out."""
    return Result(rule, tier_of(rule), "not-run", why)


def judged(rule: str, faults: Iterable[str]) -> Result:
    """Passed without faults; else failed with the first of them."""
    first = next(iter(faults), "")
    return failed(rule, first) if first else passed(rule)


def tier_of(rule: str) -> Tier:
    """The tier that a rule belongs to."""
    return RECOVERS.tier if rule.startswith(FAULT) else next(one.tier for one in RULES if one.name == rule)


def reached(results: Sequence[Result]) -> Tier:
    """The highest tier of which, and below which, nothing stands open."""
    waiting = {one.name for one in RULES if one.where_offered}
    tier: Tier = "none"
    for name in TIERS:
        for one in results:
            open_ = one.state == "failed" or (one.state == "not-run" and one.rule not in waiting)
            if one.tier == name and open_:
                return tier
        tier = name
    return tier


def exempted(results: Sequence[Result], quality: Mapping[str, Any]) -> tuple[Result, ...]:
    """The results in the order of the scale; a rule that the table exempts does not apply, for the table's reason.

    An exemption only takes the place of a rule that was not run: what was found to fail stays so.
    """
    rules = quality.get("rules", {})
    order = [one.name for one in RULES]
    found = []
    for one in results:
        said = rules.get(LYING if one.rule.startswith(FAULT) else one.rule)
        if one.state == "not-run" and isinstance(said, dict):
            found.append(Result(one.rule, one.tier, "not-applicable", str(said.get("exempt", ""))))
        else:
            found.append(one)
    return tuple(
        sorted(found, key=lambda one: (TIERS.index(one.tier), order.index(one.rule) if one.rule in order else 99))
    )


def disagreements(results: Sequence[Result], tier: Tier, quality: Mapping[str, Any]) -> Iterator[str]:
    """Where a quality table promises what was not found, or keeps silent about the tier."""
    if quality.get("tier") != tier:
        yield f"tier: the table says {quality.get('tier', 'nothing')}, found was {tier}"
    rules = quality.get("rules", {})
    for one in results:
        said = rules.get(LYING if one.rule.startswith(FAULT) else one.rule)
        if one.state == "failed" and said == "done":
            yield f"{one.rule}: the table says done, and it failed"
        if one.state == "passed" and isinstance(said, dict):
            yield f"{one.rule}: the table exempts it, and it is kept"
