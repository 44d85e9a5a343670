"""certify: judge an adapter by the quality scale, and sign what was found."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.printing import JsonOption, as_json, table
from gateway.testing import conformance_golden
from gateway.testing.conformance_report import check_report, private_key, report
from gateway.testing.conformance_subject import find_subject
from gateway.testing.conformance_suite import certify as run_suite


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(certify)


def certify(
    name: Annotated[str, typer.Argument(help="The adapter.")],
    report_: Annotated[Path | None, typer.Option("--report", help="Also write the report to this file.")] = None,
    key: Annotated[Path | None, typer.Option(help="Sign the report with this Ed25519 key in PEM.")] = None,
    accept: Annotated[bool, typer.Option(help="Write what golden messages become now, to look through.")] = False,
    check: Annotated[Path | None, typer.Option(help="Only check the signature of this report.")] = None,
    public_key: Annotated[str, typer.Option(help="Whose signature --check asks for, in base64.")] = "",
    json_: JsonOption = False,
) -> None:
    """Judge an adapter with its simulator; exit code 1 when a rule is broken or its quality.toml says otherwise."""
    if check is not None:
        found = check_report(check.read_text("utf-8"), public_key)
        typer.echo(f"{found.adapter} {found.version}: {found.tier}, signed by this key")
        return
    subject = find_subject(name)
    if accept:
        for written in conformance_golden.accept(subject):
            typer.echo(written)
        return
    certificate = run_suite(subject)
    if report_ is not None:
        report_.write_text(report(certificate, None if key is None else private_key(key)), "utf-8")
    if json_:
        as_json(certificate)
    else:
        rows = [(one.tier, one.rule, one.state.replace("-", " "), one.why) for one in certificate.results]
        table(f"{name} {certificate.version}: {certificate.tier}", ("tier", "rule", "state", "why"), rows)
        for words in certificate.disagreements:
            typer.echo(f"quality.toml: {words}")
    if certificate.disagreements or any(one.state == "failed" for one in certificate.results):
        raise typer.Exit(1)
