"""patients find, patients reindex: finding a patient by what a caller knows, without opening anybody's record."""

from __future__ import annotations

from datetime import date
from functools import partial
from typing import Annotated

import typer

from gateway.cli.printing import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    TenantOption,
    actor,
    as_json,
    opened,
    tell,
    tenant_of,
)
from gateway.errors import InvalidConfiguration
from gateway.flow import patient_index as index
from gateway.flow.merge import open_parts
from gateway.flow.places import change_place, change_row
from gateway.flow.taking import opened as opened_value
from gateway.store import patient_index
from gateway.vault import Sealed

app = typer.Typer(no_args_is_help=True, help="Find patients by blind indexes; every search is logged.")
PAGE = 500


@app.command()
def find(
    config: ConfigOption = DEFAULT_CONFIG,
    tenant: TenantOption = "",
    mrn: Annotated[str, typer.Option(help="Medical record number, or the source's own id.")] = "",
    phone: Annotated[str, typer.Option(help="Telephone number, in any form.")] = "",
    name: Annotated[str, typer.Option(help="'Family, Given' or the family name; with --born.")] = "",
    born: Annotated[str, typer.Option(help="Date of birth, such as 1980-02-29.")] = "",
    json_: JsonOption = False,
) -> None:
    """Record ids of the patients with this number, or this name and date of birth."""
    kind, value = _asked(mrn, phone, name, born)
    with opened(config) as gateway:
        asked = index.Asked(tenant_of(gateway, tenant), actor(), kind, value)
        found = index.search(gateway.store, gateway.vault, gateway.audit, asked)
    if json_:
        as_json({"patients": found})
        return
    for record_id in found:
        typer.echo(record_id)
    if not found:
        typer.echo("Nobody is found by this.", err=True)


def _asked(mrn: str, phone: str, name: str, born: str) -> tuple[int, str]:
    """Kind and normalised value of what was asked for."""
    if sum(map(bool, (mrn, phone, name))) != 1 or bool(name) != bool(born):
        raise InvalidConfiguration("Say who", fix="Give --mrn, or --phone, or --name with --born.")
    if mrn:
        return index.MRN, index.plain(mrn)
    if phone:
        return index.PHONE, index.phone(phone)
    try:
        day = date.fromisoformat(born).isoformat()
    except ValueError:
        raise InvalidConfiguration("This is no date", where="--born", fix="Such as 1980-02-29.") from None
    family, _, given = name.partition(",")
    return index.NAME, index.named(family, given, day)


@app.command()
def reindex(config: ConfigOption = DEFAULT_CONFIG, tenant: TenantOption = "", json_: JsonOption = False) -> None:
    """Fill the indexes anew from the records: once after an upgrade. Every record that is opened is logged."""
    count, after = 0, b""
    with opened(config) as gateway:
        owner, keystore = tenant_of(gateway, tenant), gateway.vault.keystore
        while rows := gateway.store.read_sync(partial(patient_index.patients, tenant=owner, after=after, most=PAGE)):
            after = bytes(rows[-1].record_id)
            kept = [row for row in rows if not keystore.is_shredded(owner, bytes(row.record_id))]
            entry = gateway.audit.entry(
                owner, action="access", actor=actor(), purpose="reindex",
                changes=[change_row(row.record_id, row.version) for row in kept],
            )  # fmt: skip
            gateway.audit.commit(entry)
            made = []
            with gateway.audit.grant(entry) as grant:
                for row in kept:
                    place = change_place(owner, row.record_id, row.version)
                    body = opened_value(gateway.vault, grant, place, Sealed(row.key_id, row.wrapped, row.box))
                    if body is not None:
                        made += index.index_rows(gateway.vault, owner, bytes(row.record_id), *open_parts(body))
            known = [bytes(row.record_id) for row in rows]
            gateway.store.write_sync(partial(patient_index.put, tenant=owner, known=known, rows=made))
            count += len(kept)
    tell({"patients": count}, f"{count} patients are found again.", json_=json_)
