"""audit search, report, export, prove, unusual, acknowledge: examining the log; each look is an entry of its own."""

from __future__ import annotations

import asyncio
import io
import os
from collections.abc import Iterator
from datetime import time
from itertools import islice
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import msgspec
import typer

from gateway.audit import Habits, Logged, Search, Wanted, acknowledge, concerned, export_proof, prove, summed, unusual
from gateway.audit.balp import audit_events
from gateway.bootstrap import Gateway
from gateway.cli.periods import SinceOption, UntilOption, period
from gateway.cli.printing import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    TenantOption,
    actor,
    as_csv,
    as_json,
    opened,
    record_bytes,
    table,
    tell,
    tenant_of,
)
from gateway.errors import InvalidConfiguration
from gateway.flow.clock import iso

app = typer.Typer(no_args_is_help=True, help="Examine the audit log: who looked at whom, when and why.")
ActorOption = Annotated[str, typer.Option("--actor", help="Only this actor, such as cli:ann or client:ID.")]
PatientOption = Annotated[str, typer.Option("--patient", help="Only this patient (record id).")]
PurposeOption = Annotated[str, typer.Option("--purpose", help="Only this purpose.")]
ActionOption = Annotated[str, typer.Option("--action", help="access, read, receive, normalize, deliver and others.")]
COLUMNS = ("entry", "at", "actor", "action", "purpose", "outcome", "patients", "rows")


@app.command()
def search(
    config: ConfigOption = DEFAULT_CONFIG,
    tenant: TenantOption = "",
    by: ActorOption = "",
    patient: PatientOption = "",
    purpose: PurposeOption = "",
    action: ActionOption = "",
    since: SinceOption = "",
    until: UntilOption = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Entries on one page.")] = 100,
    before: Annotated[int | None, typer.Option(help="Go on below this entry: `next` of the page before.")] = None,
    json_: JsonOption = False,
) -> None:
    """Entries that match, newest first, page by page."""
    wanted = _wanted(by, patient, purpose, action, since, until)
    with opened(config) as gateway:
        name = tenant_of(gateway, tenant)
        note(gateway, name, "audit-search", patient)
        found = gateway.store.read_sync(lambda c: list(islice(Search(c, name, wanted).found(before), limit + 1)))
    page, more = found[:limit], len(found) > limit
    if json_:
        as_json({"entries": page, "next": page[-1].entry if more else None})
        return
    table(f"Audit log of {name}, newest first", COLUMNS, [_row(one) for one in page])
    if more:
        typer.echo(f"More: --before {page[-1].entry}")


@app.command()
def report(
    config: ConfigOption = DEFAULT_CONFIG,
    tenant: TenantOption = "",
    by: ActorOption = "",
    patient: PatientOption = "",
    since: SinceOption = "",
    until: UntilOption = "",
    per: Annotated[str, typer.Option(help="actor or day.")] = "actor",
    csv_: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    json_: JsonOption = False,
) -> None:
    """Sums: with --patient, who looked at this patient; without, what everybody did, per actor or per day."""
    if per not in {"actor", "day"}:
        raise InvalidConfiguration("A report is per actor or per day", where="--per", fix="Write actor or day.")
    wanted = _wanted(by, patient, "", "", since, until)
    with opened(config) as gateway:
        name = tenant_of(gateway, tenant)
        note(gateway, name, "audit-report", patient)
        found = gateway.store.read_sync(lambda c: summed(Search(c, name, wanted).found(), per))
    columns = (per, "entries", "actions", "purposes", "first", "last")
    rows = [
        (
            one.who, one.entries, ", ".join(f"{action} {count}" for action, count in one.actions.items()),
            ", ".join(one.purposes), one.first, one.last,
        )
        for one in found
    ]  # fmt: skip
    if json_:
        as_json({"tenant": name, "patient": patient or None, "per": per, "sums": found})
    elif csv_:
        as_csv(columns, rows)
    else:
        table(f"Who looked at {patient}" if patient else f"Audit log of {name}, per {per}", columns, rows)


@app.command()
def export(
    out: Annotated[Path, typer.Option("--out", help="The file to write; it must not be there yet.")],
    config: ConfigOption = DEFAULT_CONFIG,
    tenant: TenantOption = "",
    form: Annotated[str, typer.Option("--format", help="fhir (AuditEvents as NDJSON), csv or json.")] = "fhir",
    by: ActorOption = "",
    patient: PatientOption = "",
    since: SinceOption = "",
    until: UntilOption = "",
    json_: JsonOption = False,
) -> None:
    """Write entries to a file: FHIR AuditEvents by IHE BALP, one for each patient concerned, or CSV, or JSON lines."""
    if form not in {"fhir", "csv", "json"}:
        raise InvalidConfiguration("There is no such format", where="--format", fix="Write fhir, csv or json.")
    wanted = _wanted(by, patient, "", "", since, until)
    with opened(config) as gateway:
        name = tenant_of(gateway, tenant)
        note(gateway, name, "audit-export", patient, action="export")
        written = gateway.store.read_sync(lambda c: _write(out, form, _lines(c, name, wanted, form)))
    tell({"written": written, "file": str(out)}, f"{written} written to {out}", json_=json_)


def _lines(connection: Any, tenant: str, wanted: Wanted, form: str) -> Iterator[Any]:
    for one in Search(connection, tenant, wanted).found():
        if form != "fhir":
            yield one
            continue
        for event in audit_events(tenant, one, concerned(connection, tenant, one)):
            if not wanted.patient or event["id"] == f"{one.entry}-{wanted.patient}":
                yield event


def _write(out: Path, form: str, lines: Iterator[Any]) -> int:
    try:
        handle = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise InvalidConfiguration("The file is there already", where=str(out), fix="Choose another name.") from None
    count = 0
    with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
        if form == "csv":
            file.write(csv_line(COLUMNS))
        for count, line in enumerate(lines, 1):  # noqa: B007 - the count of lines is what is wanted after the loop
            file.write(csv_line(_row(line)) if form == "csv" else msgspec.json.encode(line).decode() + "\n")
    return count


def csv_line(cells: Any) -> str:
    """One line of CSV that no spreadsheet runs."""
    text = io.StringIO()
    as_csv(cells, (), text)
    return text.getvalue()


@app.command("prove")
def prove_(
    entry: Annotated[int, typer.Argument(help="The entry's number, as `search` shows it.")],
    out: Annotated[Path | None, typer.Option("--out", help="Write the proof here; else it is printed.")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    tenant: TenantOption = "",
    json_: JsonOption = False,
) -> None:
    """Prove that an entry is in the log: a few hundred bytes that anybody can check without the gateway."""
    with opened(config) as gateway:
        name = tenant_of(gateway, tenant)
        note(gateway, name, "audit-prove", "")
        keys = [gateway.seals[name].signer.public_key]
        found = gateway.store.read_sync(lambda c: prove(c, name, entry, keys))
    text = io.StringIO()
    export_proof(name, keys, found, text)
    proved: dict[str, Any] = {"entry": entry, "size": found.size}
    if out is None:
        tell(proved | {"proof": text.getvalue()}, text.getvalue().removesuffix("\n"), json_=json_)
        return
    out.write_text(text.getvalue(), encoding="utf-8")
    sentence = f"Entry {entry} is in the log of {found.size} entries. Check it: gateway verify audit --offline {out}"
    tell(proved | {"file": str(out)}, sentence, json_=json_)


@app.command("unusual")
def unusual_(
    config: ConfigOption = DEFAULT_CONFIG,
    tenant: TenantOption = "",
    by: ActorOption = "",
    since: SinceOption = "",
    until: UntilOption = "",
    patients: Annotated[int, typer.Option(min=1, help="More patients than this in one day are many.")] = 50,
    opens: Annotated[str, typer.Option(help="When the day begins, HH:MM.")] = "07:00",
    closes: Annotated[str, typer.Option(help="When the day ends, HH:MM.")] = "19:00",
    zone: Annotated[str, typer.Option(help="IANA zone of these hours.")] = "UTC",
    json_: JsonOption = False,
) -> None:
    """People who looked at many patients in a day, or outside office hours or at a weekend; exit code 1 when any."""
    habits = _habits(patients, opens, closes, zone)
    wanted = _wanted(by, "", "", "", since, until)
    with opened(config) as gateway:
        name = tenant_of(gateway, tenant)
        note(gateway, name, "audit-unusual", "")
        found = gateway.store.read_sync(lambda c: unusual(c, name, wanted, habits))
    if json_:
        as_json({"tenant": name, "unusual": found})
    else:
        rows = [(one.day, one.who, one.reason, one.count, ", ".join(map(str, one.entries[:5]))) for one in found]
        table(f"Unusual access, {name}", ("day", "actor", "reason", "count", "entries"), rows)
    if found:
        raise typer.Exit(1)


@app.command("acknowledge")
def acknowledge_(config: ConfigOption = DEFAULT_CONFIG, tenant: TenantOption = "", json_: JsonOption = False) -> None:
    """Go on after a loss that is understood: entries that a rollback took, or heads that a witness had.

    What was lost, and who took it on, is written into the log.
    """
    with opened(config) as gateway:
        name = tenant_of(gateway, tenant)
        seal, witnesses = gateway.seals[name], gateway.witnesses()
        gone = asyncio.run(witnesses.heads(name)).gone
        loss = acknowledge(
            gateway.store, gateway.audit, seal.signer, seal.witness, tenant=name, actor=actor(), gone=gone
        )
        gateway.sequence()
        asyncio.run(witnesses.begin_again(name, gone))
    sentences = []
    if loss.seen > loss.found:
        sentences.append(f"The witness saw {loss.seen} entries, the database has {loss.found}.")
    if loss.missing:
        sentences.append(f"The file of heads lacked {loss.missing}; it has all of the database's again.")
    if loss.aside:
        sentences.append(f"What it held before is kept in {loss.aside}; give it to whoever looks into it.")
    sentences += [f"Witness {one} begins again with the newest head." for one in gone]
    tell(loss, f"{name}: {' '.join(sentences)}", json_=json_)


@app.command()
def keys(config: ConfigOption = DEFAULT_CONFIG, json_: JsonOption = False) -> None:
    """The verifier key of each log: note it down now, give it to auditors and to `gateway witness`."""
    with opened(config) as gateway:
        found = {tenant: seal.signer.public_key for tenant, seal in gateway.seals.items()}
    if json_:
        as_json(found)
        return
    for text in found.values():
        typer.echo(text)


def note(gateway: Gateway, tenant: str, purpose: str, patient: str, *, action: str = "read") -> None:
    """Write the look itself into the log before anything of it is shown."""
    patients = [patient] if patient else []
    entry = gateway.audit.entry(
        tenant, action=action, actor=actor(), purpose=purpose, patients=patients, outcome="listed"
    )
    gateway.audit.commit(entry)


def _wanted(by: str, patient: str, purpose: str, action: str, since: str, until: str) -> Wanted:
    if patient:
        record_bytes(patient)
    first, end = period(since, until)
    return Wanted(
        actor=by, patient=patient, purpose=purpose, action=action,
        since=iso(first) if since else "", until=iso(end) if until else "",
    )  # fmt: skip


def _habits(patients: int, opens: str, closes: str, zone: str) -> Habits:
    try:
        first, last, named = time.fromisoformat(opens), time.fromisoformat(closes), ZoneInfo(zone)
    except (ValueError, OSError, KeyError):
        raise InvalidConfiguration(
            "Hours or zone cannot be read", where="--opens, --closes, --zone", fix="Write 07:00 and America/Chicago."
        ) from None
    return Habits(most_patients=patients, opens=first, closes=last, zone=named)


def _row(one: Logged) -> tuple[Any, ...]:
    named = ", ".join(f"{name} {len(ids)}" for name, ids in one.rows.items())
    return one.entry, one.at, one.actor, one.action, one.purpose, one.outcome, ", ".join(one.patients), named
