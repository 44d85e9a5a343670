"""Problems: what a recount found, line by line, and once for each broken rule what to do about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import typer

from gateway.flow.ledger import Problem
from gateway.flow.ledger_rules import fixes


def print_problems(problems: Sequence[Problem], *, err: bool = False) -> None:
    """Print them, with ``err`` on standard error, where standard output belongs to a table."""
    for problem in problems:
        typer.echo(f"PROBLEM {problem.rule}: {problem.row}: {problem.found}", err=err)
    print_fixes(broken(problems), err=err)


def print_fixes(told: Mapping[str, str], *, err: bool = False) -> None:
    """Print what to do, by rule or reason."""
    for name, fix in told.items():
        typer.echo(f"Fix {name}: {fix}", err=err)


def broken(problems: Sequence[Problem]) -> dict[str, str]:
    """By rule that they break, what to do."""
    return fixes(problem.rule for problem in problems)
